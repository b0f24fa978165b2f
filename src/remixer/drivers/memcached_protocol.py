"""The meta commands of memcached 1.6, as bytes. Pure.

A request is a line, and for `ms` a block of data; its reply is a line, and for `VA` a block.
Replies come in the order of requests.
Source: `doc/protocol.txt` of memcached.
"""

from collections.abc import Iterator
from enum import Enum, auto
from typing import Final, NamedTuple

from remixer.foundation.errors import RemixerError

MOST_VALUE_BYTES: Final = 1 << 20
"""What a server takes by default."""
_MOST_LINE_BYTES: Final = 2_048
_LONGEST_LIFE_S: Final = 30 * 24 * 3_600
"""A longer one would be read as an instant."""
_END: Final = b"\r\n"


class MemcachedProtocolError(RemixerError):
    """What came is no reply; the connection is of no use any more."""


class ReplyKind(Enum):
    """What a reply says."""

    VALUE = auto()
    MISS = auto()
    DONE = auto()
    NOT_DONE = auto()
    REFUSED = auto()
    """An error; its text is the reply's value."""


class Reply(NamedTuple):
    """One reply. `value` is empty unless it is a value or a refusal."""

    kind: ReplyKind
    value: bytes = b""


_BY_CODE: Final = {
    b"EN": Reply(ReplyKind.MISS),
    b"NF": Reply(ReplyKind.MISS),
    b"HD": Reply(ReplyKind.DONE),
    b"OK": Reply(ReplyKind.DONE),
    b"NS": Reply(ReplyKind.NOT_DONE),
    b"EX": Reply(ReplyKind.NOT_DONE),
}
_ERRORS: Final = (b"ERROR", b"CLIENT_ERROR", b"SERVER_ERROR")


def get(key: bytes) -> bytes:
    return b"mg %b v\r\n" % key


def put(key: bytes, value: bytes, life_ms: int) -> bytes:
    return b"ms %b %d T%d\r\n%b\r\n" % (key, len(value), life_s(life_ms), value)


def add(key: bytes, amount: int, life_ms: int) -> bytes:
    """Adds to a counter and tells its total; one that is not there begins with `amount`."""
    seconds = life_s(life_ms)
    return b"ma %b N%d J%d D%d T%d v\r\n" % (key, seconds, amount, amount, seconds)


def life_s(life_ms: int) -> int:
    """Whole seconds, rounded up: 0 would mean for ever."""
    return min(max(1, -(-life_ms // 1_000)), _LONGEST_LIFE_S)


class ReplyReader:
    """Bytes as they come, to replies."""

    __slots__ = ("_bytes", "_wanted")

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._wanted: int | None = None
        """Size of the block that comes next."""

    def feed(self, received: bytes) -> Iterator[Reply]:
        """The replies that are complete. Raises `MemcachedProtocolError`."""
        self._bytes += received
        while (reply := self._next()) is not None:
            yield reply

    def _next(self) -> Reply | None:
        if self._wanted is None:
            line = self._line()
            if line is None:
                return None
            reply = self._read(line)
            if reply is not None:
                return reply
        return self._block()

    def _line(self) -> bytes | None:
        end = self._bytes.find(_END, 0, _MOST_LINE_BYTES)
        if end >= 0:
            line = bytes(self._bytes[:end])
            del self._bytes[: end + len(_END)]
            return line
        if len(self._bytes) >= _MOST_LINE_BYTES:
            message = f"a line of more than {_MOST_LINE_BYTES} bytes"
            raise MemcachedProtocolError(message)
        return None

    def _read(self, line: bytes) -> Reply | None:
        """The reply; None if its block is still to come."""
        code, _, rest = line.partition(b" ")
        known = _BY_CODE.get(code)
        if known is not None:
            return known
        if code in _ERRORS:
            return Reply(ReplyKind.REFUSED, line)
        size = rest.partition(b" ")[0]
        if code != b"VA" or not size.isdigit() or len(size) > len(str(MOST_VALUE_BYTES)):
            message = f"`{line[:40].decode('ascii', 'backslashreplace')}` is no reply"
            raise MemcachedProtocolError(message)
        self._wanted = int(size)
        if self._wanted > MOST_VALUE_BYTES:
            message = f"a value of more than {MOST_VALUE_BYTES} bytes"
            raise MemcachedProtocolError(message)
        return None

    def _block(self) -> Reply | None:
        wanted = self._wanted
        if wanted is None or len(self._bytes) < wanted + len(_END):
            return None
        value = bytes(self._bytes[:wanted])
        if self._bytes[wanted : wanted + len(_END)] != _END:
            message = "a value does not end where it said"
            raise MemcachedProtocolError(message)
        del self._bytes[: wanted + len(_END)]
        self._wanted = None
        return Reply(ReplyKind.VALUE, value)
