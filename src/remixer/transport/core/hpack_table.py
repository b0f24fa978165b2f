"""HPACK's two tables, on the reading side. Source: RFC 7541, sections 2.3 and 4, appendix A."""

from typing import Final

from remixer.transport.core.fields import Field, read_field

STATIC_ENTRIES: Final = 61
MAX_TABLE_BYTES: Final = 4096  # HTTP/2's default; we announce no other

_STATIC: Final = (
    *((":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/")),
    *((":path", "/index.html"), (":scheme", "http"), (":scheme", "https")),
    *((":status", "200"), (":status", "204"), (":status", "206"), (":status", "304")),
    *((":status", "400"), (":status", "404"), (":status", "500")),
    *(("accept-charset", ""), ("accept-encoding", "gzip, deflate"), ("accept-language", "")),
    *(("accept-ranges", ""), ("accept", ""), ("access-control-allow-origin", ""), ("age", "")),
    *(("allow", ""), ("authorization", ""), ("cache-control", ""), ("content-disposition", "")),
    *(("content-encoding", ""), ("content-language", ""), ("content-length", "")),
    *(("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", "")),
    *(("date", ""), ("etag", ""), ("expect", ""), ("expires", ""), ("from", ""), ("host", "")),
    *(("if-match", ""), ("if-modified-since", ""), ("if-none-match", ""), ("if-range", "")),
    *(("if-unmodified-since", ""), ("last-modified", ""), ("link", ""), ("location", "")),
    *(("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", "")),
    *(("range", ""), ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", "")),
    *(("set-cookie", ""), ("strict-transport-security", ""), ("transfer-encoding", "")),
    *(("user-agent", ""), ("vary", ""), ("via", ""), ("www-authenticate", "")),
)
# By index; there is none for 0.
STATIC_FIELDS: Final[tuple[Field, ...]] = (
    read_field(b"", b""),
    *(read_field(name.encode(), value.encode()) for name, value in _STATIC),
)


class DynamicTable:
    """What the peer's encoder has inserted. `entries[-1]` is the newest: index 62."""

    __slots__ = ("_bytes", "_max_bytes", "entries")

    def __init__(self) -> None:
        self.entries: list[Field] = []
        self._bytes = 0
        self._max_bytes = MAX_TABLE_BYTES

    def insert(self, field: Field) -> None:
        """The newest entry; the oldest go. One too large for the table empties it (4.4)."""
        self._bytes += field.size
        self.entries.append(field)
        if self._bytes > self._max_bytes:
            self._evict()

    def resize(self, max_bytes: int) -> bool:
        """False if it is more than we allow."""
        if max_bytes > MAX_TABLE_BYTES:
            return False
        self._max_bytes = max_bytes
        self._evict()
        return True

    def _evict(self) -> None:
        gone = 0
        entries = self.entries
        while self._bytes > self._max_bytes:
            self._bytes -= entries[gone].size
            gone += 1
        del entries[:gone]
