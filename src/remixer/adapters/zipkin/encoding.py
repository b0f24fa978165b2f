"""A span in Zipkin's JSON format, version 2. Pure.

Source: Zipkin API v2; what of a span goes where, from OpenCensus's exporter, which Mixer 1.3 uses.
"""

import json
from typing import Final

from remixer.foundation.status import Code
from remixer.sdk import stringify
from remixer.sdk.spans import Endpoint, Span

_NS_PER_US: Final = 1_000
_V4_BYTES: Final = 4
_V4_MAPPED: Final = bytes(10) + b"\xff\xff"
_UNKNOWN_NAME: Final = "default"
_UNKNOWN_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - what the original shows, nothing is bound
_ERROR_TAG: Final = "error"


def encode_span(span: Span) -> bytes:
    """One JSON object. Times are microseconds; a span that took time took at least one."""
    members: dict[str, object] = {
        "traceId": _trace_id(span.trace_id),
        "id": span.span_id.hex(),
        "name": span.name,
        "kind": span.kind.value,
        "timestamp": max(span.start_ns, 0) // _NS_PER_US,
        "localEndpoint": _endpoint(span.local),
        "annotations": [
            {
                "timestamp": max(event.at_ns, 0) // _NS_PER_US,
                "value": "SENT" if event.was_sent else "RECV",
            }
            for event in span.events
        ],
        "tags": _tags(span),
    }
    if span.parent_id is not None:
        members["parentId"] = span.parent_id.hex()
    if span.end_ns > span.start_ns:
        members["duration"] = max((span.end_ns - span.start_ns) // _NS_PER_US, 1)
    if span.remote.is_known:
        members["remoteEndpoint"] = _endpoint(span.remote)
    # ASCII alone: a lone surrogate in a tag would else be no UTF-8.
    return json.dumps(members, separators=(",", ":")).encode()


def _trace_id(trace_id: bytes) -> str:
    """16 digits for ids of 64 bits, as every other component of such a mesh writes them."""
    half = len(trace_id) // 2
    return trace_id.hex() if any(trace_id[:half]) else trace_id[half:].hex()


def _endpoint(endpoint: Endpoint) -> dict[str, object]:
    members: dict[str, object] = {"serviceName": endpoint.name or _UNKNOWN_NAME}
    if not endpoint.ip:
        members["ipv4"] = _UNKNOWN_ADDRESS
    elif len(endpoint.ip) == _V4_BYTES or endpoint.ip.startswith(_V4_MAPPED):
        members["ipv4"] = endpoint.address
    else:
        members["ipv6"] = endpoint.address
    return members


def _tags(span: Span) -> dict[str, str]:
    tags = {name: stringify(value) for name, value in span.tags.items()}
    if span.status is not Code.OK:
        tags[_ERROR_TAG] = span.status.name
    return tags
