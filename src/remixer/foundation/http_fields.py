"""Names and values of HTTP header fields.

What operators and adapters put into headers may come from a client: a decoded query parameter
can hold a line break, and Envoy writes what it is told (observed on 1.40), so one value would
become several headers, or a body.
"""

from typing import Final

# RFC 9110, token; a leading colon makes one of HTTP/2's pseudo-headers.
_TOKEN: Final = frozenset(
    "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)
_CONTROLS: Final = {code: " " for code in (*range(0x20), 0x7F) if code != ord("\t")}

FRAMING_NAMES: Final = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers of one connection, or that say where a message ends, in lower case: the business of whoever
writes the message. A wrong one makes the rest of it look like the next message."""


def is_framing_name(name: str) -> bool:
    """Whether nobody but a server or proxy itself may write this header."""
    return name.lower() in FRAMING_NAMES


def is_field_name(text: str) -> bool:
    """Whether `text` names a header or a pseudo-header."""
    rest = text.removeprefix(":")
    return bool(rest) and _TOKEN.issuperset(rest)


def field_value(text: str) -> str:
    """`text` with a blank in place of each control character: one line, whatever it was.

    Replaced, not refused: leaving an operation out would let the client's own header pass.
    Source: RFC 9110, section 5.5.
    """
    return text if text.isprintable() else text.translate(_CONTROLS)
