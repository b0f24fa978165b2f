"""The contexts that handlers get in place of grpcio's: they take note of how the call goes.

Everything that is not told here is grpcio's own.
"""

from collections.abc import Callable, Mapping
from typing import Final, NoReturn, Protocol

import grpc

from remixer.sidecar.grpc_answer import GrpcRefusal
from remixer.sidecar.grpc_call import Entries, GrpcCall, Serializer, TimedContext
from remixer.sidecar.grpc_metadata import Metadata

_STATUS: Final[Mapping[int, grpc.StatusCode]] = {each.value[0]: each for each in grpc.StatusCode}


class FinalStatus(Protocol):
    """grpcio's `Status`, as `abort_with_status` takes it."""

    @property
    def code(self) -> grpc.StatusCode: ...
    @property
    def details(self) -> str | None: ...
    @property
    def trailing_metadata(self) -> Entries: ...


class _Settable(TimedContext, Protocol):
    """What both kinds of context have, and no handler waits for."""

    def set_code(self, code: grpc.StatusCode, /) -> None: ...
    def set_details(self, details: str, /) -> None: ...
    def set_trailing_metadata(self, metadata: Entries, /) -> None: ...


class BlockingWire(_Settable, Protocol):
    """What we use of `grpc.ServicerContext`.

    What grpcio's asyncio server gives to threads has all but the last two.
    """

    def send_initial_metadata(self, metadata: Metadata, /) -> None: ...
    def abort(self, code: grpc.StatusCode, details: str, /) -> NoReturn: ...
    def is_active(self) -> bool: ...
    def add_callback(self, callback: Callable[[], None], /) -> bool: ...


class AsyncWire(_Settable, Protocol):
    """What we use of `grpc.aio.ServicerContext` (its stubs are behind its code)."""

    async def send_initial_metadata(self, metadata: Metadata, /) -> None: ...
    async def read(self) -> object: ...
    async def write(self, message: bytes, /) -> None: ...
    async def abort(
        self, code: grpc.StatusCode, details: str, trailing_metadata: Entries, /
    ) -> NoReturn: ...


class _Noting:
    """What both kinds of context note at once."""

    def __init__(self, wire: _Settable, call: GrpcCall) -> None:
        self._settable = wire
        self._call = call

    def __getattr__(self, name: str) -> object:
        return getattr(self._settable, name)

    def invocation_metadata(self) -> Metadata:
        return self._call.metadata

    def set_code(self, code: grpc.StatusCode) -> None:
        self._call.code = number_of(code)
        self._settable.set_code(code)

    def set_details(self, details: str) -> None:
        self._call.details = details
        self._settable.set_details(details)

    def set_trailing_metadata(self, trailing_metadata: Entries) -> None:
        self._call.note_trailing(trailing_metadata)
        self._settable.set_trailing_metadata(trailing_metadata)


class BlockingContext(_Noting):
    """Stands in for `grpc.ServicerContext`."""

    def __init__(self, wire: BlockingWire, call: GrpcCall) -> None:
        super().__init__(wire, call)
        self._wire = wire

    def send_initial_metadata(self, initial_metadata: Entries) -> None:
        head = self._call.head(initial_metadata)
        self._wire.send_initial_metadata(head)
        self._call.note_head(head)

    def begin(self) -> None:
        """The first message, or the status, is about to go out."""
        if self._call.owes_head:
            self.send_initial_metadata(())
        elif not self._call.is_head_sent:
            self._call.note_head(())

    def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Entries = ()
    ) -> NoReturn:
        self.begin()
        if trailing_metadata:
            self.set_trailing_metadata(trailing_metadata)
        self._call.abort(number_of(code), details)
        self._call.finish()  # the status goes out at once
        self._wire.abort(code, details)

    def abort_with_status(self, status: FinalStatus) -> NoReturn:
        self.abort(status.code, status.details or "", status.trailing_metadata)

    def refuse(self, refusal: GrpcRefusal) -> NoReturn:
        self.abort(_STATUS[refusal.code], refusal.message, refusal.trailing)


class AsyncContext(_Noting):
    """Stands in for `grpc.aio.ServicerContext`."""

    def __init__(self, wire: AsyncWire, call: GrpcCall, serialize: Serializer | None) -> None:
        """`serialize`: for what handlers write by themselves."""
        super().__init__(wire, call)
        self._wire = wire
        self._serialize = serialize

    async def send_initial_metadata(self, initial_metadata: Entries) -> None:
        head = self._call.head(initial_metadata)
        await self._wire.send_initial_metadata(head)
        self._call.note_head(head)

    async def begin(self) -> None:
        """The first message, or the status, is about to go out."""
        if self._call.owes_head:
            await self.send_initial_metadata(())
        elif not self._call.is_head_sent:
            self._call.note_head(())

    async def read(self) -> object:
        """The next request; `grpc.aio.EOF` after the last."""
        return await self._wire.read()

    async def write(self, message: object) -> None:
        raw = self._call.written(self._serialize, message)
        await self.begin()
        await self._wire.write(raw)

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Entries = ()
    ) -> NoReturn:
        await self.begin()
        self._call.abort(number_of(code), details, trailing_metadata)
        self._call.finish()  # the status goes out at once
        await self._wire.abort(code, details, tuple(trailing_metadata or ()))

    async def abort_with_status(self, status: FinalStatus) -> NoReturn:
        await self.abort(status.code, status.details or "", status.trailing_metadata)

    async def refuse(self, refusal: GrpcRefusal) -> NoReturn:
        await self.abort(_STATUS[refusal.code], refusal.message, refusal.trailing)


def number_of(code: grpc.StatusCode | int) -> int:
    """As grpcio's asyncio server, this takes both."""
    return code if isinstance(code, int) else int(code.value[0])
