"""The attributes of one finished HTTP request: those of its check, and how it ended.

What the end tells wins over what was known before. Source: Mixer's client.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from remixer.attributes.bag import Bag, PlainBag
from remixer.attributes.table_bag import AttributeTable, TableBag, present_in, read_all
from remixer.attributes.values import (
    EPOCH,
    Duration,
    PlainStringMap,
    StringMap,
    Timestamp,
    Value,
)

NO_ERROR: Final = "-"
DENIED: Final = "UAEX"
"""Envoy's response flag for what an external authorization refused."""
CLIENT_GONE: Final = "DC"
"""Envoy's response flag for a client that went away before the end."""
_KEPT_BYTES: Final = 2_000
"""Of objects, and of texts that are no headers, where they are of the usual length."""
_NO_TIME: Final = Duration(0)
NO_CODE: Final = 500  # what Mixer's client says where nobody answered


@dataclass(frozen=True, slots=True)
class CheckNote:
    """What the check of a request came to."""

    error_code: int | None = None
    """RPC code of the denial; None if the request was allowed."""
    error_message: str | None = None
    """`CODE_NAME:text`."""
    is_cache_hit: bool = False
    is_quota_cache_hit: bool = False


class HttpEnding(Protocol):
    """How one HTTP request ended. Read when an attribute is, so it must not change any more."""

    @property
    def code(self) -> int:
        """`response.code`; 0: nobody answered.

        Of a denied request what the table of codes says, whatever was sent
        (`remixer.mixer.http_end.reported_code`).
        """
        ...

    @property
    def sent_status(self) -> int:
        """The HTTP status that went out, for `:status`; 0 for none."""
        ...

    @property
    def duration(self) -> Duration: ...

    @property
    def ended_at(self) -> Timestamp: ...

    @property
    def headers(self) -> StringMap | None:
        """Of the response, by lower-case name."""
        ...

    @property
    def trailers(self) -> StringMap | None: ...

    @property
    def request_size(self) -> int:
        """Bytes of the body; `..._overhead`: of headers and trailers."""
        ...

    @property
    def request_overhead(self) -> int: ...

    @property
    def response_size(self) -> int: ...

    @property
    def response_overhead(self) -> int: ...

    @property
    def check(self) -> CheckNote | None:
        """None if there was no check."""
        ...

    @property
    def error_flag(self) -> str:
        """`context.proxy_error_code`, where the check gives no other reason."""
        ...


@dataclass(frozen=True, slots=True)
class HttpEnd:
    """An `HttpEnding` of plain values."""

    code: int = 0
    sent_status: int = 0
    duration: Duration = _NO_TIME
    ended_at: Timestamp = EPOCH
    headers: StringMap | None = None
    trailers: StringMap | None = None
    request_size: int = 0
    request_overhead: int = 0
    response_size: int = 0
    response_overhead: int = 0
    check: CheckNote | None = None
    error_flag: str = NO_ERROR


def _field(end: HttpEnding, name: str) -> str | None:
    """Trailers first, then headers."""
    in_trailers = None if end.trailers is None else end.trailers[name]
    if in_trailers is not None or end.headers is None:
        return in_trailers
    return end.headers[name]


def _grpc_message(end: HttpEnding) -> str | None:
    """Set, if only to empty text, whenever there is a status."""
    if _field(end, "grpc-status") is None:
        return None
    return _field(end, "grpc-message") or ""


def _response_headers(end: HttpEnding) -> StringMap | None:
    """Headers and trailers in one."""
    merged = PlainStringMap()
    if end.sent_status:
        merged[":status"] = str(end.sent_status)
    for part in (end.headers, end.trailers):
        if part is not None:
            merged.update(part.whole())
    return merged or None


def _proxy_error(end: HttpEnding) -> str:
    is_denied = end.check is not None and end.check.error_code is not None
    return DENIED if is_denied else end.error_flag


HTTP_END_ATTRIBUTES: Final[AttributeTable[HttpEnding]] = {
    "request.size": lambda e: e.request_size,
    "request.total_size": lambda e: e.request_size + e.request_overhead,
    "response.code": lambda e: e.code or NO_CODE,
    "response.duration": lambda e: e.duration,
    "response.headers": _response_headers,
    "response.size": lambda e: e.response_size,
    "response.total_size": lambda e: e.response_size + e.response_overhead,
    "response.time": lambda e: e.ended_at,
    "response.grpc_status": lambda e: _field(e, "grpc-status"),
    "response.grpc_message": _grpc_message,
    "context.time": lambda e: e.ended_at,
    "context.proxy_error_code": _proxy_error,
    "check.error_code": lambda e: None if e.check is None else e.check.error_code,
    "check.error_message": lambda e: None if e.check is None else e.check.error_message,
    "check.cache_hit": lambda e: None if e.check is None else e.check.is_cache_hit,
    "quota.cache_hit": lambda e: None if e.check is None else e.check.is_quota_cache_hit,
}
"""What the end of a request tells, attribute by attribute."""


class HttpReportBag(TableBag):
    """The bag that a report of one HTTP request hands over. What it says does not change any more."""

    __slots__ = ("checked", "end")

    def __init__(self, checked: Bag, end: HttpEnding) -> None:
        """`checked`: what the check saw, an `HttpBag`."""
        self.checked = checked
        self.end = end

    def kept_bytes(self) -> int:
        """What keeping it takes, about."""
        end = self.end
        return _KEPT_BYTES + end.request_overhead + end.response_overhead

    def present(self) -> PlainBag:
        return read_all(HTTP_END_ATTRIBUTES, self.end, present_in(self.checked))

    def _candidates(self) -> Iterable[str]:
        return (*self.checked.names(), *HTTP_END_ATTRIBUTES)

    def __missing__(self, name: str) -> Value | None:
        read = HTTP_END_ATTRIBUTES.get(name)
        value = None if read is None else read(self.end)
        if value is None:
            value = self.checked[name]
        self[name] = value
        return value
