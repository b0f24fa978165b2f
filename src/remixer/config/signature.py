"""Signatures: whether a handler may be kept when configuration changes.

A signature covers exactly what a handler gets to see or acts by: its adapter, its parameters,
and the instances sent to it. The encoding is canonical (maps sorted, lengths explicit), so it is
equal in every process. Rule conditions, action names and manifests are not part of it.

Source: SHA-1 as in Mixer 1.3, whose own encoding of maps was not stable. Unlike there, instance
names count: adapters key their settings by them.
"""

import hashlib
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Final

from remixer.foundation.errors import InternalError
from remixer.templates.schema import InstanceType

SIGNATURE_BYTES: Final = 20


@dataclass(frozen=True, slots=True)
class SignedInstance:
    """An instance and the texts of its expressions by field path."""

    type: InstanceType
    texts: Mapping[str, str]
    semantics: str = ""
    """How the texts are read. Handlers do not see it, so it is not part of their signatures."""


def handler_signature(adapter: str, params: object, instances: Iterable[SignedInstance]) -> bytes:
    """20 bytes; the order of `instances` does not matter."""
    by_name = sorted(instances, key=lambda each: each.type.name)
    described = tuple(
        (each.type.name, each.type.template, dict(each.type.types), dict(each.texts))
        for each in by_name
    )
    content = canonical_bytes((adapter, params, described))
    return hashlib.sha1(content, usedforsecurity=False).digest()


def canonical_bytes(value: object) -> bytes:
    """An injective encoding of what decoded parameters can hold.

    Raises `InternalError` for any other type.
    """
    match value:
        case None | bool() | int() | float() | str() | bytes():
            return _scalar_bytes(value)
        case Enum():  # one without a number or text of its own kind
            return canonical_bytes((type(value).__name__, value.name))
        case tuple() | list():
            return _framed(b"l", b"".join(map(canonical_bytes, value)))
        case Mapping():
            pairs = sorted((canonical_bytes(key), canonical_bytes(value[key])) for key in value)
            return _framed(b"m", b"".join(key + entry for key, entry in pairs))
        case _ if is_dataclass(value) and not isinstance(value, type):
            members = {each.name: getattr(value, each.name) for each in fields(value)}
            kind = str(getattr(value, "TYPE_URL", ""))
            return _framed(b"o", canonical_bytes(kind) + canonical_bytes(members))
        case _:
            message = f"`{type(value).__name__}` has no canonical encoding"
            raise InternalError(message)


def _scalar_bytes(value: str | bytes | float | None) -> bytes:
    """Each type under its own tag; `bool` before `int`, whose subclass it is."""
    match value:
        case None:
            return b"N"
        case bool():
            return b"T" if value else b"F"
        case int():
            return _framed(b"i", str(int(value)).encode())
        case float():
            return b"d" + struct.pack(">d", value)
        case str():
            return _framed(b"s", value.encode("utf-8", "surrogatepass"))
        case bytes():
            return _framed(b"b", value)


def _framed(tag: bytes, content: bytes) -> bytes:
    return tag + struct.pack(">Q", len(content)) + content
