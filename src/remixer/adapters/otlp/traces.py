"""Spans to records. Pure."""

from collections.abc import Iterator
from typing import Final

from remixer.adapters.otlp.values import attribute_value, legal_text
from remixer.drivers.otlp_records import AttributeValue, SpanEvent, SpanRecord
from remixer.foundation.status import Code
from remixer.sdk.spans import Span, SpanKind

_FIRST_SERVER_FAULT: Final = 500


def span_record(span: Span) -> SpanRecord:
    """The record. It failed as OpenTelemetry understands it: a client's 4xx is no server's fault.

    Names of attributes: OpenTelemetry's semantic conventions.
    """
    return SpanRecord(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_id=span.parent_id,
        name=legal_text(span.name),
        service=legal_text(span.local.name),
        is_client=span.kind is SpanKind.CLIENT,
        start_ns=max(span.start_ns, 0),
        end_ns=max(span.end_ns, 0),
        attributes=_attributes(span),
        error=span.status.name if _has_failed(span) else None,
        events=tuple(_events(span)),
    )


def _has_failed(span: Span) -> bool:
    if span.status is Code.OK:
        return False
    return span.kind is SpanKind.CLIENT or span.http_status >= _FIRST_SERVER_FAULT


def _attributes(span: Span) -> dict[str, AttributeValue]:
    attributes = {legal_text(name): attribute_value(value) for name, value in span.tags.items()}
    if span.http_status > 0:
        attributes["http.response.status_code"] = span.http_status
    if span.remote.name:
        attributes["peer.service"] = legal_text(span.remote.name)
    if span.remote.ip:
        attributes["network.peer.address"] = span.remote.address
    if span.local.ip:
        attributes["network.local.address"] = span.local.address
    return attributes


def _events(span: Span) -> Iterator[SpanEvent]:
    for event in span.events:
        yield SpanEvent(
            "message",
            max(event.at_ns, 0),
            {
                "message.type": "SENT" if event.was_sent else "RECEIVED",
                "message.uncompressed_size": event.size_bytes,
            },
        )
