"""gRPC metadata as the headers that it travels as, and header operations carried out on it.

Pure. What gRPC itself writes and reads (`content-type`, `te`, `grpc-…`), and where a call goes
(pseudo-headers, `host`), no operation changes: the method is chosen before the check.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from remixer.attributes.http_bag import FORWARDED_HEADER
from remixer.mixer.http_answer import Line, with_operations
from remixer.mixer.outcome import HeaderOperation
from remixer.sidecar.header_changes import changed_response, is_of_target
from remixer.transport.port import Metadatum

BINARY: Final = "-bin"
"""At the end of names whose values are bytes."""
CONTENT_TYPE: Final = "content-type"
GRPC: Final = "application/grpc"
_RESERVED: Final = frozenset({CONTENT_TYPE, "te"})
_RESERVED_PREFIX: Final = "grpc-"
# Source: gRPC over HTTP/2, "Custom-Metadata"; a server that sends others breaks the call.
_NAME_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-.")

Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]


class MetadataHeaders:
    """`Headers` over metadata; of a repeated name the last. Binary entries count, unseen."""

    __slots__ = ("_pairs", "_values")

    def __init__(self, metadata: Metadata) -> None:
        self._pairs = metadata
        self._values: dict[str, str] | None = None

    def __getitem__(self, key: str) -> str | None:
        return self._by_name().get(key)

    def whole(self) -> Mapping[str, str]:
        return self._by_name()

    def size(self) -> int:
        return sum(len(name) + len(value) for name, value in self._pairs)

    def lines(self, name: str) -> str:
        """All values of a name, joined with commas."""
        found = (value for each, value in self._pairs if each == name)
        return ",".join(value for value in found if isinstance(value, str))

    def _by_name(self) -> dict[str, str]:
        if self._values is None:
            self._values = {name: value for name, value in self._pairs if isinstance(value, str)}
        return self._values


def plain_metadata(entries: Iterable[tuple[str, str | bytes]] | None) -> Metadata:
    """Of what grpcio takes or gives: None, tuples, its own entries; names in lower case."""
    return tuple((name.lower(), value) for name, value in entries or ())


def without_forwarded(metadata: Metadata) -> Metadata:
    """Metadata as a handler may see it: that header is of the mesh."""
    return tuple(each for each in metadata if each[0] != FORWARDED_HEADER)


def changed_request(metadata: Metadata, operations: Iterable[HeaderOperation]) -> Metadata:
    """What a handler sees after request operations."""
    return _metadata(with_operations(_lines(metadata), _possible(operations)))


def changed_head(metadata: Metadata, operations: Iterable[HeaderOperation]) -> Metadata:
    """Metadata that goes out, after response operations."""
    sendable = (replace(each, value=_printable(each.value)) for each in _possible(operations))
    return _metadata(changed_response(_lines(metadata), tuple(sendable)))


def _possible(operations: Iterable[HeaderOperation]) -> list[HeaderOperation]:
    return [
        each
        for each in operations
        if _NAME_CHARACTERS.issuperset(name := each.name.lower())
        and name not in _RESERVED
        and not name.startswith(_RESERVED_PREFIX)
        and not is_of_target(each)
    ]


def _printable(text: str) -> str:
    """ASCII, which is all that metadata can carry; other characters as Python writes them."""
    return text.replace("\t", " ").encode("ascii", "backslashreplace").decode()


def _lines(metadata: Metadata) -> list[Line]:
    """As on the wire."""
    return [
        (name, value if isinstance(value, str) else b64encode(value).decode())
        for name, value in metadata
    ]


def _metadata(lines: Iterable[Line]) -> Metadata:
    """Lines with a binary name whose value is no base64 are left out."""
    found = ((name, _value(name, text)) for name, text in lines)
    return tuple(Metadatum(name, value) for name, value in found if value is not None)


def _value(name: str, text: str) -> str | bytes | None:
    if not name.endswith(BINARY):
        return text
    try:
        return b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
