"""Where in the bytes of a CheckRequest its parts are. Pure.

Theory of operation. What rules ask of a request is mostly a small part of it, and protobuf parses a
message as a whole. So the parts are found by skipping fields, and each is parsed when it is needed.
That works because Envoy writes fields in the order of their numbers and each of them once: source,
destination, request, and what follows. Whoever writes otherwise is not read like this.
"""

from typing import Final, TypeAlias

Spans: TypeAlias = tuple[int, int, int, int, int, int]
"""Where source, destination and request begin and end, by turns; equal for what is not there. All that
follows the request is to the message's end."""

_CONTEXT: Final = 0x0A
_SOURCE: Final = 0x0A
_DESTINATION: Final = 0x12
_REQUEST: Final = 0x22
_TIME: Final = 0x0A
_HTTP: Final = 0x12
_LARGEST_OCTET: Final = 0x7F
"""In which a length ends."""


def spans_of(message: bytes) -> Spans | None:  # noqa: C901 - see below
    """None if the message is not written as Envoy writes it.

    Every request comes here: a function for what is done four times would take as long as the rest.
    """
    size = len(message)
    try:
        if message[0] != _CONTEXT:
            return None
        at, length = 2, message[1]
        if length > _LARGEST_OCTET:
            at, length = _long(message, at, length)
        if at + length != size:
            return None
        source = source_end = at
        if at < size and message[at] == _SOURCE:
            source, length = at + 2, message[at + 1]
            if length > _LARGEST_OCTET:
                source, length = _long(message, source, length)
            source_end = source + length
        destination = destination_end = source_end
        if source_end < size and message[source_end] == _DESTINATION:
            destination, length = source_end + 2, message[source_end + 1]
            if length > _LARGEST_OCTET:
                destination, length = _long(message, destination, length)
            destination_end = destination + length
        request = end = destination_end
        if destination_end < size and message[destination_end] == _REQUEST:
            request, length = destination_end + 2, message[destination_end + 1]
            if length > _LARGEST_OCTET:
                request, length = _long(message, request, length)
            end = request + length
    except IndexError:
        return None
    if end > size:
        return None
    return source, source_end, destination, destination_end, request, end


def is_http(message: bytes, spans: Spans) -> bool:
    """Whether the request has an HTTP part for sure; False: it has to be parsed to know."""
    _, _, _, _, request, end = spans
    at = request
    if at < end and message[at] == _TIME:
        at += 2 + message[at + 1]
    return at < end and message[at] == _HTTP


def _long(message: bytes, at: int, length: int) -> tuple[int, int]:
    """Where a field begins whose length goes on at `at`, and its length."""
    shift = 7
    while True:
        octet = message[at]
        at += 1
        # Each octet before has a bit more that says that it is not the last.
        length += (octet - 1) << shift
        if octet <= _LARGEST_OCTET:
            return at, length
        shift += 7
