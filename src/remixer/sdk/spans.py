"""Spans as back ends want them, made of `tracespan` instances, and the choice which to keep. Pure.

Source: the tracing handler that Mixer 1.3's zipkin and stackdriver adapters share.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from remixer.attributes.values import Value
from remixer.foundation.status import Code
from remixer.sdk.text import ip_text, stringify
from remixer.templates.instances import TraceSpan

TagValue: TypeAlias = str | int | float

HTTP_STATUS_TAG: Final = "http.status_code"
_TRACE_ID_BYTES: Final = 16
_SPAN_ID_BYTES: Final = 8
_REWRITE: Final = 0x3F6A2EC3C810C2AB
_HALF_RANGE: Final = 1 << 63
_HEX: Final = frozenset("0123456789abcdefABCDEF")
_HTTP_OK: Final = range(200, 400)
_CODES: Final = {
    400: Code.INVALID_ARGUMENT,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.NOT_FOUND,
    422: Code.INVALID_ARGUMENT,
    429: Code.RESOURCE_EXHAUSTED,
    499: Code.CANCELLED,
    501: Code.UNIMPLEMENTED,
    503: Code.UNAVAILABLE,
    504: Code.DEADLINE_EXCEEDED,
}
"""Of OpenCensus; any other status outside 200 to 399 is UNKNOWN."""


class SpanKind(Enum):
    """Which end of the call tells."""

    CLIENT = "CLIENT"
    SERVER = "SERVER"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of the call. `ip` has 4 or 16 bytes, or none if it is not known."""

    name: str
    ip: bytes

    @property
    def is_known(self) -> bool:
        """Whether anything is known of it."""
        return bool(self.name or self.ip)

    @property
    def address(self) -> str:
        """Text of the address; `""` if it is not known."""
        return ip_text(self.ip) if self.ip else ""


@dataclass(frozen=True, slots=True)
class MessageEvent:
    """A request or response that passed this end. Sizes are in bytes, headers included."""

    at_ns: int
    was_sent: bool
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Span:
    """One end of a call. Ids are 16 and 8 bytes; times are unix nanoseconds."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes | None
    name: str
    kind: SpanKind
    start_ns: int
    end_ns: int
    http_status: int
    tags: Mapping[str, TagValue] = field(default_factory=dict)
    events: tuple[MessageEvent, ...] = ()
    local: Endpoint = Endpoint("", b"")
    remote: Endpoint = Endpoint("", b"")

    @property
    def status(self) -> Code:
        """RPC code that the HTTP status stands for; OK without one."""
        if self.http_status <= 0:
            return Code.OK
        return _CODES.get(
            self.http_status, Code.OK if self.http_status in _HTTP_OK else Code.UNKNOWN
        )


@dataclass(frozen=True, slots=True)
class SpanSampler:
    """Keeps a share of all traces: every Mixer of a mesh decides alike for one trace."""

    probability: float

    def keeps(self, trace_id: bytes) -> bool:
        """By the upper half of the id: ids of 64 bits have zero there and are always kept."""
        if not self.probability > 0:
            return False
        drawn = int.from_bytes(trace_id[:_SPAN_ID_BYTES], "big") >> 1
        return drawn == 0 or drawn < int(min(self.probability, 1.0) * _HALF_RANGE)


def span_of(instance: TraceSpan) -> Span | None:
    """The span; None without usable trace and span ids.

    With `rewrite_client_span_id` the client's span gets an id of its own, and the server's span
    names that one as its parent: the proxies give both the same.
    """
    trace_id = _id_bytes(instance.trace_id, _TRACE_ID_BYTES)
    span_id = _id_bytes(instance.span_id, _SPAN_ID_BYTES)
    if trace_id is None or span_id is None:
        return None
    parent_id = _id_bytes(instance.parent_span_id, _SPAN_ID_BYTES)
    kind = SpanKind.CLIENT if instance.client_span else SpanKind.SERVER
    if instance.rewrite_client_span_id:
        if kind is SpanKind.CLIENT:
            span_id = _rewritten(span_id)
        else:
            parent_id = _rewritten(span_id)
    source = Endpoint(instance.source_name, _known_ip(instance.source_ip))
    destination = Endpoint(instance.destination_name, _known_ip(instance.destination_ip))
    is_client = kind is SpanKind.CLIENT
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent_id,
        name=instance.span_name,
        kind=kind,
        start_ns=int(instance.start_time),
        end_ns=int(instance.end_time),
        http_status=instance.httpStatusCode,
        tags=_tags(instance),
        events=(
            MessageEvent(int(instance.start_time), is_client, instance.request_total_size),
            MessageEvent(int(instance.end_time), not is_client, instance.response_total_size),
        ),
        local=source if is_client else destination,
        remote=destination if is_client else source,
    )


def tag_value(value: Value) -> TagValue:
    """Text, integers and doubles as they are, other values as text."""
    if type(value) is str or type(value) is int or type(value) is float:
        return value
    return stringify(value)


def _tags(instance: TraceSpan) -> dict[str, TagValue]:
    tags = {name: tag_value(value) for name, value in instance.span_tags.items()}
    if instance.httpStatusCode > 0:
        tags[HTTP_STATUS_TAG] = instance.httpStatusCode
    return tags


def _id_bytes(text: str, length: int) -> bytes | None:
    """Hexadecimal, filled up with zeros from the left; None for other texts and for zero."""
    if not text or len(text) > 2 * length or not _HEX.issuperset(text):
        return None
    number = int(text, 16)
    return number.to_bytes(length, "big") if number else None


def _rewritten(span_id: bytes) -> bytes:
    return (int.from_bytes(span_id, "big") ^ _REWRITE).to_bytes(_SPAN_ID_BYTES, "big")


def _known_ip(ip: bytes) -> bytes:
    """Without addresses that are all zero: they stand for "not known"."""
    return ip if any(ip) else b""
