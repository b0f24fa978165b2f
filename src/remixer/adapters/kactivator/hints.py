"""What an operator may do about an autoscaler that takes no websocket."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from remixer.drivers.websocket import HandshakeRefusedError, WebSocketError

_HINTS: Final[Mapping[int, str]] = {
    HTTPStatus.OK: (
        "So answers an autoscaler that is called by the name of a bucket it does not own, and "
        "any web server. Use the service `autoscaler`, port 8080."
    ),
    HTTPStatus.BAD_REQUEST: (
        "So answers an autoscaler to a request that is no websocket's. Look for a proxy between."
    ),
    HTTPStatus.FORBIDDEN: (
        "So answers an autoscaler to an `Origin` that is not its own; none is sent from here. "
        "Look for a proxy or a network policy between."
    ),
    HTTPStatus.NOT_FOUND: (
        "An autoscaler answers on every path, so this is none. Its port 8080 is wanted, not 9090 "
        "(metrics) or 8008 (profiles)."
    ),
}


def hint_of(error: WebSocketError) -> str:
    """`""` if there is nothing to add."""
    if not isinstance(error, HandshakeRefusedError):
        return ""
    return _HINTS.get(error.status, "")
