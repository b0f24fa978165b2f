"""The URI names in an X.509 certificate, which is where SPIFFE puts identities.

Pure; for certificates that a server has verified and hands on as PEM, as ASGI's `tls` extension
and Apache do. Reads just as much DER as that takes. Source: RFC 5280, section 4.2.1.6.
"""

import binascii
from base64 import b64decode
from collections.abc import Iterator
from typing import Final, NamedTuple

LONGEST_PEM: Final = 65_536
"""Characters; certificates have some 2,000."""
_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"

_EXTENSIONS: Final = 0xA3  # [3] of the signed part
_OID: Final = 0x06
_SUBJECT_ALT_NAME: Final = b"\x55\x1d\x11"
_OCTETS: Final = 0x04
_URI: Final = 0x86  # [6] of a general name
_LONG_LENGTH: Final = 0x80
_MOST_LENGTH_BYTES: Final = 3


class _Element(NamedTuple):
    tag: int
    content: bytes


def uri_names(pem: str) -> tuple[str, ...]:
    """URIs among the subject's alternative names of the first certificate; none if unreadable."""
    if len(pem) > LONGEST_PEM:
        return ()
    body = pem.partition(_BEGIN)[2].partition(_END)[0]
    try:
        der = b64decode("".join(body.split()), validate=True)
        return tuple(_uris(der))
    except (binascii.Error, ValueError, StopIteration):
        return ()


def _uris(der: bytes) -> list[str]:
    certificate = next(_elements(der)).content
    signed = next(_elements(certificate)).content
    found: list[str] = []
    for part in _elements(signed):
        if part.tag == _EXTENSIONS:
            extensions = next(_elements(part.content)).content
            for extension in _elements(extensions):
                found += _names_in(tuple(_elements(extension.content)))
    return found


def _names_in(extension: tuple[_Element, ...]) -> Iterator[str]:
    """Of one extension: its id, maybe whether it is critical, its value."""
    if not extension or extension[0] != (_OID, _SUBJECT_ALT_NAME) or extension[-1].tag != _OCTETS:
        return
    names = next(_elements(extension[-1].content)).content
    for name in _elements(names):
        if name.tag == _URI:
            yield name.content.decode("ascii")


def _elements(der: bytes) -> Iterator[_Element]:
    """Elements side by side. Raises ValueError where the bytes are no DER."""
    position = 0
    while position < len(der):
        tag, length, start = _header(der, position)
        end = start + length
        if end > len(der):
            message = "an element ends after its container"
            raise ValueError(message)
        yield _Element(tag, der[start:end])
        position = end


def _header(der: bytes, position: int) -> tuple[int, int, int]:
    """Tag, length of the content, and where it begins."""
    if position + 2 > len(der):
        message = "an element without a length"
        raise ValueError(message)
    tag, length, start = der[position], der[position + 1], position + 2
    if length >= _LONG_LENGTH:
        width = length - _LONG_LENGTH
        if not 0 < width <= _MOST_LENGTH_BYTES or start + width > len(der):
            message = "a length that no certificate needs"
            raise ValueError(message)
        length, start = int.from_bytes(der[start : start + width]), start + width
    return tag, length, start
