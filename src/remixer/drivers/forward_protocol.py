"""The forward protocol of Fluentd and Fluent Bit, the client's side, on `msgpack`.

One entry goes in Message mode, several of one tag in PackedForward mode, which a server stores
without looking inside. With a chunk id the server says when it has a message; without, a message
counts as delivered once the kernel has taken it.

Source: Forward Protocol Specification v1. Authentication (HELO, PING, PONG) is not spoken.
"""

import asyncio
import importlib.util
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from remixer.foundation.errors import RemixerError
from remixer.transport.addresses import Address, TcpAddress, UnixAddress, parse_address

_PACKAGE: Final = "msgpack"
_EVENT_TIME_TYPE: Final = 0
_NS_PER_S: Final = 1_000_000_000
_LAST_SECOND: Final = 2**32 - 1
_PAIR_HEAD: Final = b"\x92"  # an array of two
_MESSAGE_HEADS: Final = {False: b"\x93", True: b"\x94"}  # arrays of three, or four with options
_LONGEST_ANSWER_BYTES: Final = 64 * 1024  # an acknowledgement has some forty
_READ_BYTES: Final = 4 * 1024
_SECOND_ADDRESS_AFTER_S: Final = 0.25  # RFC 8305: a name's other addresses are tried beside


class ForwardError(RemixerError):
    """The messages were not all delivered; `str()` says why."""


class MsgpackMissingError(RemixerError):
    """The optional package is not installed."""

    def __init__(self) -> None:
        super().__init__("msgpack is not installed: pip install 'remixer[fluentd]'")


def is_msgpack_installed() -> bool:
    """Whether `open_codec` would find its package; imports nothing."""
    return importlib.util.find_spec(_PACKAGE) is not None


def check_address(text: str) -> str:
    """What is wrong with an address of a server; `""` if nothing is."""
    try:
        address = parse_address(text)
    except ValueError as error:
        return str(error)
    if isinstance(address, TcpAddress) and address.port == 0:
        return f"`{text}`: port 0 is nowhere to connect to"
    return ""


@dataclass(frozen=True, slots=True)
class ForwardMessage:
    """A packed message. `chunk` is what its acknowledgement will say; None asks for none."""

    body: bytes
    chunk: str | None = None


class _Packer(Protocol):
    def pack(self, value: object, /) -> bytes: ...


class ForwardCodec:
    """Packs entries and messages, and reads acknowledgements."""

    def __init__(self) -> None:
        """Raises `MsgpackMissingError`."""
        try:
            import msgpack  # noqa: PLC0415 - an optional extra
        except ImportError as error:
            raise MsgpackMissingError from error
        self._packer: _Packer = msgpack.Packer(unicode_errors="backslashreplace")
        self._ext_type = msgpack.ExtType
        self._unpacker = msgpack.Unpacker
        self._unpack_failure: type[Exception] = msgpack.UnpackException

    def entry(self, time_ns: int, record: Mapping[str, object]) -> bytes:
        """An event, time first. Times that EventTime cannot hold become its first or last.

        Raises TypeError for a value that msgpack does not know.
        """
        second, nanoseconds = divmod(time_ns, _NS_PER_S)
        if not 0 <= second <= _LAST_SECOND:
            second, nanoseconds = (0, 0) if second < 0 else (_LAST_SECOND, 0)
        time = self._ext_type(_EVENT_TIME_TYPE, struct.pack(">II", second, nanoseconds))
        return self._packer.pack([time, record])

    def message(self, tag: str, entries: Sequence[bytes], chunk: str | None) -> ForwardMessage:
        """All entries of one tag."""
        options: dict[str, object] = {} if chunk is None else {"chunk": chunk}
        if len(entries) == 1:
            head = _MESSAGE_HEADS[bool(options)] + self._packer.pack(tag)
            tail = self._packer.pack(options) if options else b""
            return ForwardMessage(head + entries[0].removeprefix(_PAIR_HEAD) + tail, chunk)
        options["size"] = len(entries)
        return ForwardMessage(self._packer.pack([tag, b"".join(entries), options]), chunk)

    def answers(self) -> "AnswerReader":
        """A reader for a new connection."""
        # The types of msgpack do not know that an unpacker iterates over anything.
        unpacker: Any = self._unpacker(max_buffer_size=_LONGEST_ANSWER_BYTES)
        return AnswerReader(unpacker, self._unpack_failure)


class AnswerReader:
    """What the server says, as bytes come."""

    def __init__(self, unpacker: Any, failure: type[Exception]) -> None:  # noqa: ANN401 - of the optional package
        self._unpacker = unpacker
        self._failure = failure

    def feed(self, data: bytes) -> Iterator[str]:
        """Chunks acknowledged so far. Raises `ForwardError` at what is no answer, in its turn."""
        try:
            self._unpacker.feed(data)
            for answer in self._unpacker:
                yield _acknowledged(answer)
        except (self._failure, ValueError, TypeError) as error:
            message = "the server's answer is not of the forward protocol"
            raise ForwardError(message) from error


def _acknowledged(answer: object) -> str:
    if isinstance(answer, dict) and isinstance(chunk := answer.get("ack"), str):
        return chunk
    if isinstance(answer, list) and answer[:1] == ["HELO"]:
        message = "the server wants a shared key, which this adapter has not"
        raise ForwardError(message)
    message = "the server's answer is no acknowledgement"
    raise ForwardError(message)


class ForwardClient:
    """One connection, made when needed and again after a fault."""

    def __init__(self, address: str, *, codec: ForwardCodec) -> None:
        """Raises ValueError for an address that is none."""
        self._address: Address = parse_address(address)
        self._codec = codec
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._answers = codec.answers()

    async def deliver(self, messages: list[ForwardMessage]) -> None:
        """Send `messages`; those that were delivered are taken off the list, whatever happens.

        Raises `ForwardError`. The caller bounds the time.
        """
        try:
            reader, writer = await self._connected()
            await _write(writer, messages)
            while messages:
                for chunk in self._answers.feed(await _heard(reader)):
                    messages[:] = [each for each in messages if each.chunk != chunk]
        except OSError as error:
            self.close()
            message = f"{self._address}: {error.strerror or error}"
            raise ForwardError(message) from error
        except BaseException:
            # A late answer must not be taken for one of the next connection.
            self.close()
            raise

    def close(self) -> None:
        """Close the connection at once; the next delivery makes a new one."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].transport.abort()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None:
            reader, writer = self._streams
            if not reader.at_eof() and not writer.is_closing():
                return self._streams
            self.close()
        streams = await self._open()
        # `drain` then means: the kernel has it all.
        streams[1].transport.set_write_buffer_limits(high=0)
        self._streams = streams
        self._answers = self._codec.answers()
        return streams

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = self._address
        if isinstance(address, UnixAddress):
            return await asyncio.open_unix_connection(address.path, limit=_READ_BYTES)
        return await asyncio.open_connection(
            address.host,
            address.port,
            limit=_READ_BYTES,
            happy_eyeballs_delay=_SECOND_ADDRESS_AFTER_S,
        )


async def _write(writer: asyncio.StreamWriter, messages: list[ForwardMessage]) -> None:
    for message in tuple(messages):
        writer.write(message.body)
        await writer.drain()
        if message.chunk is None:
            messages.remove(message)


async def _heard(reader: asyncio.StreamReader) -> bytes:
    data = await reader.read(_READ_BYTES)
    if not data:
        message = "the server closed the connection without acknowledging all"
        raise ForwardError(message)
    return data
