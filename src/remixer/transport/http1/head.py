"""Bytes to heads of HTTP/1.1 requests. Pure.

Strict where leniency would let two readers see different requests: lines end in CR LF, names are
tokens next to their colon, nothing is folded, lengths are plain numbers that agree, and a
`Transfer-Encoding` stands alone. Source: RFC 9112; section 11.2 on smuggling.
"""

from dataclasses import dataclass
from typing import Final

from remixer.transport.http1.port import Line

_END: Final = b"\r\n\r\n"
_TOKEN: Final = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CONTROLS: Final = bytes((*range(0x09), *range(0x0A, 0x20), 0x7F))
"""All but HTAB; CR and LF are among them and may only end lines."""
_LONGEST_METHOD: Final = 64  # the longest registered one has 17


class BadHeadError(Exception):
    """What came is no request that can be answered as such; the connection ends."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(slots=True)
class RequestHead:
    """One head, understood."""

    method: str
    target: str
    lines: list[Line]
    ends_connection: bool
    """Whether nothing may follow the answer: the peer wants it so, or announces a body."""


class HeadReader:
    """Takes bytes as they come, gives heads. After a `BadHeadError` it is of no more use."""

    __slots__ = ("_buffer", "_has_skipped", "_max_bytes", "_max_headers", "_searched")

    def __init__(self, *, max_bytes: int, max_headers: int) -> None:
        self._max_bytes = max_bytes
        self._max_headers = max_headers
        self._buffer = bytearray()
        self._has_skipped = False
        """Whether an empty line stood before the present head."""
        self._searched = 0

    def __len__(self) -> int:
        """Bytes that are not yet part of a head."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def clear(self) -> None:
        self._buffer.clear()
        self._has_skipped = False
        self._searched = 0

    def next(self) -> RequestHead | None:
        """The next head, None if it is not complete. Raises `BadHeadError`."""
        buffer = self._buffer
        if buffer.startswith(b"\r\n"):  # some clients end a body so; RFC 9112, section 2.2
            if self._has_skipped:
                raise BadHeadError(400, "empty lines in place of a request")
            del buffer[:2]
            self._has_skipped = True
            self._searched = 0
            return self.next()
        end = buffer.find(_END, self._searched)
        if end > self._max_bytes or (end < 0 and len(buffer) > self._max_bytes):
            raise BadHeadError(431, f"the head is longer than {self._max_bytes} bytes")
        if end < 0:
            self._searched = max(0, len(buffer) - len(_END) + 1)
            _check_beginning(buffer)
            return None
        head = bytes(buffer[:end])
        del buffer[: end + len(_END)]
        self._has_skipped = False
        self._searched = 0
        return _parsed(head, max_headers=self._max_headers)


def _check_beginning(buffer: bytearray) -> None:
    """Refuse at once what can become no request, such as a TLS handshake."""
    if buffer and buffer != b"\r" and buffer[0] not in _TOKEN:
        raise BadHeadError(400, "this is no HTTP/1.1; TLS is not served here")


def _parsed(head: bytes, *, max_headers: int) -> RequestHead:
    first, *rest = head.split(b"\r\n")
    if len(head) - len(head.translate(None, _CONTROLS)) != 2 * len(rest):
        raise BadHeadError(400, "a control character, or a line that ends in LF alone")
    method, target, version = _request_line(first)
    if len(rest) > max_headers:
        raise BadHeadError(431, f"more than {max_headers} headers")
    lines = [_line(each) for each in rest]
    return RequestHead(method, target, lines, _ends_connection(lines, version))


def _request_line(line: bytes) -> tuple[str, str, bytes]:
    parts = line.split(b" ")
    if len(parts) != 3 or not parts[1] or b"\t" in line:  # noqa: PLR2004 - method, target, version
        raise BadHeadError(400, "the request line is not METHOD TARGET VERSION")
    method, target, version = parts
    if not method or len(method) > _LONGEST_METHOD or method.translate(None, _TOKEN):
        raise BadHeadError(400, "the method is no token")
    if version not in {b"HTTP/1.1", b"HTTP/1.0"}:
        raise BadHeadError(505, "only HTTP/1.1 and HTTP/1.0 are served")
    return method.decode("ascii"), _text(target), version


def _line(line: bytes) -> Line:
    name, colon, value = line.partition(b":")
    if not colon or not name or name.translate(None, _TOKEN):
        raise BadHeadError(400, "a header line is not NAME: VALUE")
    return name.decode("ascii").lower(), _text(value.strip(b" \t"))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _ends_connection(lines: list[Line], version: bytes) -> bool:
    framing: dict[str, list[str]] = {}
    for name, value in lines:
        if name in {"host", "content-length", "transfer-encoding", "connection"}:
            framing.setdefault(name, []).append(value)
    hosts = framing.get("host", ())
    if len(hosts) > 1 or (not hosts and version == b"HTTP/1.1"):
        raise BadHeadError(400, "a request has one Host header")
    if _announces_body(framing, version):
        return True
    wishes = ",".join(framing.get("connection", ())).lower().split(",")
    # Of HTTP/1.0 every connection ends: only old proxies use it, and they expect no more.
    return version == b"HTTP/1.0" or any(each.strip() == "close" for each in wishes)


def _announces_body(framing: dict[str, list[str]], version: bytes) -> bool:
    lengths = framing.get("content-length", [])
    if len(set(lengths)) > 1 or not all(each.isascii() and each.isdigit() for each in lengths):
        raise BadHeadError(400, "Content-Length is no number, or several")
    codings = framing.get("transfer-encoding")
    if codings is None:
        return any(each.strip("0") for each in lengths)
    if lengths or version == b"HTTP/1.0" or [each.lower() for each in codings] != ["chunked"]:
        raise BadHeadError(400, "Transfer-Encoding is wanted alone, and as `chunked`")
    return True
