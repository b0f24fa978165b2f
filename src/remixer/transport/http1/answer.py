"""Responses to bytes of HTTP/1.1. Pure."""

from http import HTTPStatus
from typing import Final

from remixer.foundation.http_fields import FRAMING_NAMES, field_value, is_field_name
from remixer.transport.http1.port import HttpResponse

_OURS: Final = FRAMING_NAMES | {"date"}
"""The server's own business."""

_PHRASES: Final = {each.value: each.phrase for each in HTTPStatus}
_WITHOUT_LENGTH: Final = frozenset({204, 304})


def is_settable(name: str) -> bool:
    """Whether a service may set this header of a response."""
    return is_field_name(name) and not name.startswith(":") and name.lower() not in _OURS


def response_bytes(
    response: HttpResponse, *, date: str, ends: bool, is_head: bool = False
) -> bytes:
    """The whole message. Names that a service may not set are left out; values are one line each.

    `ends`: whether the connection ends with it; `is_head`: whether it answers a HEAD.
    """
    status = response.status
    rows = [f"HTTP/1.1 {status} {_PHRASES.get(status, '')}\r\ndate: {date}\r\n"]
    rows += [
        f"{name}: {field_value(value)}\r\n" for name, value in response.lines if is_settable(name)
    ]
    has_no_body = status in _WITHOUT_LENGTH
    if not has_no_body:
        rows.append(f"content-length: {len(response.body)}\r\n")
    rows.append("connection: close\r\n\r\n" if ends else "\r\n")
    head = "".join(rows).encode("utf-8", "replace")
    return head if has_no_body or is_head else head + response.body
