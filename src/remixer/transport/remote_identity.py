"""The URI names (SPIFFE identities) in a certificate, read from its DER encoding. Pure.

`ssl` tells the names of a peer that it verified, not those of our own certificate.
Source: RFC 5280, sections 4.1 and 4.2.1.6.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Final

_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
_END: Final = b"-----END CERTIFICATE-----"
_EXTENSIONS: Final = 0xA3
_OCTET_STRING: Final = 0x04
_URI: Final = 0x86
_SUBJECT_ALT_NAME: Final = b"\x55\x1d\x11"  # 2.5.29.17
_LONG_FORM: Final = 0x80
_MOST_LENGTH_BYTES: Final = 4


def uri_names(chain: bytes) -> frozenset[str]:
    """URIs among the alternative names of the first certificate of a PEM file.

    Raises ValueError if there is no certificate, or none that can be read.
    """
    try:
        der = base64.b64decode(_first_pem(chain), validate=False)
        return frozenset(_uris(der))
    except (IndexError, StopIteration, binascii.Error) as error:
        message = "the certificate is malformed"
        raise ValueError(message) from error


def _first_pem(chain: bytes) -> bytes:
    _, begin, rest = chain.partition(_BEGIN)
    body, end, _ = rest.partition(_END)
    if not begin or not end:
        message = "there is no certificate in PEM form"
        raise ValueError(message)
    return body


def _uris(der: bytes) -> Iterator[str]:
    certificate = _first(der)
    signed_part = _first(certificate)
    for tag, content in _elements(signed_part):
        if tag == _EXTENSIONS:
            for _, extension in _elements(_first(content)):
                yield from _uris_of(extension)


def _uris_of(extension: bytes) -> Iterator[str]:
    parts = list(_elements(extension))
    if not parts or parts[0][1] != _SUBJECT_ALT_NAME:
        return
    for tag, content in parts:
        if tag == _OCTET_STRING:
            for kind, name in _elements(_first(content)):
                if kind == _URI:
                    yield name.decode("ascii")


def _first(der: bytes) -> bytes:
    return next(iter(list(_elements(der))))[1]


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element in a row; raises IndexError if one is cut short."""
    at = 0
    while at < len(der):
        tag, length = der[at], der[at + 1]
        at += 2
        if length & _LONG_FORM:
            size = length & ~_LONG_FORM
            if not 1 <= size <= _MOST_LENGTH_BYTES:
                raise IndexError
            length = int.from_bytes(der[at : at + size], "big")
            at += size
        if at + length > len(der):
            raise IndexError
        yield tag, der[at : at + length]
        at += length
