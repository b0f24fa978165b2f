"""What a servicer written for grpcio expects of its context, on top of our own call context."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NoReturn, Protocol, runtime_checkable

import grpc

from remixer.foundation.clock import Clock
from remixer.foundation.status import Code
from remixer.transport.port import CallContext, Metadatum, RpcError

_DETAILS_KEY: Final = "grpc-status-details-bin"


@runtime_checkable
class WideCallContext(CallContext, Protocol):
    """What our own server's call context has beyond the port's."""

    @property
    def binary_metadata(self) -> Mapping[str, bytes]: ...

    def send_initial_metadata(self, metadata: Mapping[str, str | bytes]) -> None: ...


class _Nothing:
    """Awaited by asynchronous servicers, ignored by plain ones."""

    def __await__(self) -> Iterator[None]:
        return iter(())


class ServicerCall:
    """Stands in for `grpc.ServicerContext` and `grpc.aio.ServicerContext`."""

    def __init__(
        self,
        call: CallContext,
        clock: Clock,
        *,
        requests: AsyncIterator[object] | None = None,
    ) -> None:
        self._call = call
        self._clock = clock
        self._requests = requests
        self._written: _Written | None = None
        self._loop = asyncio.get_running_loop()
        self._code: grpc.StatusCode | None = None
        self._details = ""
        self._trailing: dict[str, str | bytes] = {}
        self._callbacks: list[Callable[[], object]] = []
        self._is_over = False

    # -------------------------------------------------------------- about the caller

    def invocation_metadata(self) -> tuple[Metadatum, ...]:
        found = [Metadatum(*pair) for pair in self._call.metadata.items()]
        if isinstance(self._call, WideCallContext):
            found += [Metadatum(*pair) for pair in self._call.binary_metadata.items()]
        return tuple(found)

    def peer(self) -> str:
        return self._call.peer.address

    def peer_identity_key(self) -> str | None:
        return "peer_uri" if self._call.peer.uri_sans else None

    def peer_identities(self) -> list[bytes] | None:
        return self.auth_context().get("peer_uri")

    def auth_context(self) -> dict[str, list[bytes]]:
        sans = [san.encode() for san in self._call.peer.uri_sans]
        return {"peer_uri": sans} if sans else {}

    def time_remaining(self) -> float | None:
        deadline = self._call.deadline
        if deadline is None:
            return None
        return deadline.remaining_s(now_s=self._clock.monotonic_s())

    # -------------------------------------------------------------- about the answer

    def send_initial_metadata(
        self, initial_metadata: Iterable[tuple[str, str | bytes]]
    ) -> _Nothing:
        """Left out where the server under it cannot."""
        if isinstance(self._call, WideCallContext):
            send, metadata = self._call.send_initial_metadata, _joined(initial_metadata)
            if _is_on(self._loop):
                send(metadata)
            else:
                self._loop.call_soon_threadsafe(send, metadata)
        return _Nothing()

    def set_trailing_metadata(self, trailing_metadata: Iterable[tuple[str, str | bytes]]) -> None:
        self._trailing = _joined(trailing_metadata)

    def trailing_metadata(self) -> tuple[Metadatum, ...]:
        return tuple(Metadatum(*pair) for pair in self._trailing.items())

    def set_code(self, code: grpc.StatusCode) -> None:
        self._code = code

    def set_details(self, details: str) -> None:
        self._details = details

    def code(self) -> grpc.StatusCode | None:
        return self._code

    def details(self) -> str:
        return self._details

    def abort(
        self,
        code: grpc.StatusCode,
        details: str = "",
        trailing_metadata: Iterable[tuple[str, str | bytes]] = (),
    ) -> NoReturn:
        """Raises at the call, so that it serves `await` too."""
        self._trailing |= _joined(trailing_metadata)
        self._code, self._details = code, details
        raise self._error(code)

    def abort_with_status(self, status: grpc.Status) -> NoReturn:
        self.abort(status.code, status.details or "", status.trailing_metadata or ())

    def set_compression(self, compression: object) -> None:
        """The server decides."""

    def disable_next_message_compression(self) -> None:
        """The server decides."""

    # -------------------------------------------------------------- about the call

    def is_active(self) -> bool:
        return not self._is_over

    def done(self) -> bool:
        return self._is_over

    def cancelled(self) -> bool:
        return False

    def cancel(self) -> NoReturn:
        self.abort(grpc.StatusCode.CANCELLED, "Cancelled by the server")

    def add_callback(self, callback: Callable[[], object]) -> bool:
        """Called when the call is over; False if it is already."""
        if not self._is_over:
            self._callbacks.append(callback)
        return not self._is_over

    def add_done_callback(self, callback: "Callable[[ServicerCall], object]") -> None:
        self._callbacks.append(lambda: callback(self))

    # -------------------------------------------------------------- messages

    async def read(self) -> object:
        """The next request; `grpc.aio.EOF` after the last."""
        return await anext(self.requests(), grpc.aio.EOF)  # type: ignore[attr-defined]  # missing in the stubs

    async def write(self, message: object) -> None:
        if self._written is None:
            message_text = "only a streaming method that is a coroutine may write"
            raise RuntimeError(message_text)
        await self._written.put(message)

    def requests(self) -> AsyncIterator[object]:
        assert self._requests is not None  # noqa: S101 - streams have them
        return self._requests

    async def only_request(self) -> object:
        """Of a method with one request; refuses any other number of them."""
        found = [request async for request in self.requests()]
        if len(found) != 1:
            message = f"{len(found)} messages in the request; this method takes one"
            raise RpcError(Code.UNIMPLEMENTED, message)
        return found[0]

    async def written_by(self, work: Coroutine[object, object, None]) -> AsyncIterator[object]:
        """What a coroutine writes while it runs."""
        written = self._written = _Written()
        # Not in a group: a generator must not hold one open. It ends in `finally`.
        writer = asyncio.create_task(written.filled_by(work), name="rpc writer")  # noqa: TID251
        try:
            async for message in written:
                yield message
            await writer
        finally:
            writer.cancel()
            await asyncio.wait({writer})

    # -------------------------------------------------------------- for the registrar

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Around the servicer's function: its code and metadata become the call's end."""
        try:
            yield
            if self._code not in {None, grpc.StatusCode.OK}:
                assert self._code is not None  # noqa: S101 - for the type checker
                raise self._error(self._code)
        finally:
            self._is_over = True
            if self._trailing:
                # Our own server takes bytes where names end in `-bin`.
                self._call.set_trailing_metadata(self._trailing)  # type: ignore[arg-type]  # as said
            for callback in self._callbacks:
                callback()

    def _error(self, code: grpc.StatusCode) -> RpcError:
        details = self._trailing.pop(_DETAILS_KEY, b"")
        details = details if isinstance(details, bytes) else b""
        return RpcError(Code(code.value[0]), self._details, details=details)


class _Written(AsyncIterator[object]):
    """Messages from a writer to a reader, one ahead; ends with the writer."""

    __slots__ = ("_messages", "_room")

    _OVER: Final = object()

    def __init__(self) -> None:
        self._messages: asyncio.Queue[object] = asyncio.Queue()
        self._room = asyncio.Semaphore(1)

    async def put(self, message: object) -> None:
        await self._room.acquire()
        self._messages.put_nowait(message)

    async def filled_by(self, work: Coroutine[object, object, None]) -> None:
        try:
            await work
        finally:
            self._messages.put_nowait(self._OVER)

    async def __anext__(self) -> object:
        message = await self._messages.get()
        if message is self._OVER:
            raise StopAsyncIteration
        self._room.release()
        return message


def _joined(metadata: Iterable[tuple[str, str | bytes]]) -> dict[str, str | bytes]:
    """Values of a repeated name joined by a comma, as HTTP joins them; the last of binary ones."""
    found: dict[str, str | bytes] = {}
    for name, value in metadata:
        before = found.get(name)
        if isinstance(before, str) and isinstance(value, str):
            found[name] = f"{before},{value}"
        else:
            found[name] = value
    return found


def _is_on(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
