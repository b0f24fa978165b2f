"""The envelope of everything that instances share: what it is, and whether it can be believed.

A document is `RX`, format version, kind, a tag of 16 bytes, then the body. The tag covers all of
that and the key under which the document lies, so that nobody can move a good one elsewhere. With
secrets the tag is a MAC: only who has one can write documents that are believed. Without, it finds
damage, and nothing else.
"""

import hashlib
import hmac
from collections.abc import Sequence
from enum import Enum
from typing import Final

FORMAT: Final = 1
"""Of documents and keys. Another version's documents are not read."""
_MAGIC: Final = b"RX"
_TAG_BYTES: Final = 16
_HEAD_BYTES: Final = len(_MAGIC) + 2
_BODY_AT: Final = _HEAD_BYTES + _TAG_BYTES
_PERSON: Final = b"remixer shared"


class Kind(Enum):
    """What a document is."""

    ANSWER = 1
    SHAPES = 2
    REVOCATION = 3


_HEADS: Final = {kind: b"%b%c%c" % (_MAGIC, FORMAT, kind.value) for kind in Kind}


class Refusal(Enum):
    """Why a document that was found is of no use. Values are metric labels."""

    FOREIGN = "foreign"
    """Not ours, or of another kind."""
    VERSION = "version"
    """Of another format version."""
    TRUNCATED = "truncated"
    SEAL = "seal"
    """Damaged, forged, or written with another secret."""
    MALFORMED = "malformed"
    EXPIRED = "expired"
    SKEWED = "skewed"
    """Written in the future: the clocks of two instances differ too much."""
    REVOKED = "revoked"
    SPENT = "spent"
    """Its uses were used up."""


class RefusedError(Exception):
    """The document is of no use."""

    def __init__(self, cause: Refusal) -> None:
        super().__init__(cause.value)
        self.cause = cause


class Seal:
    """Closes and opens documents. The first secret closes; each one opens."""

    __slots__ = ("_secrets",)

    def __init__(self, secrets: Sequence[bytes] = ()) -> None:
        """Secrets of any length; without any, documents are only checked for damage."""
        # The hash takes at most 64 bytes of key.
        self._secrets = [hashlib.blake2b(each, digest_size=32).digest() for each in secrets] or [
            b""
        ]

    @property
    def is_keyed(self) -> bool:
        """Whether there is a secret."""
        return self._secrets != [b""]

    def close(self, kind: Kind, key: bytes, body: bytes) -> bytes:
        """The document to keep under `key`."""
        head = _HEADS[kind]
        return b"%b%b%b" % (head, _tag(self._secrets[0], head, key, body), body)

    def open(self, kind: Kind, key: bytes, document: bytes) -> bytes:
        """The body. Raises `RefusedError`."""
        head = document[:_HEAD_BYTES]
        if head != _HEADS[kind] or len(document) < _BODY_AT:
            raise RefusedError(_fault(document))
        body = document[_BODY_AT:]
        for secret in self._secrets:
            if hmac.compare_digest(document[_HEAD_BYTES:_BODY_AT], _tag(secret, head, key, body)):
                return body
        raise RefusedError(Refusal.SEAL)


def _fault(document: bytes) -> Refusal:
    """What is wrong with a head."""
    if document[: len(_MAGIC)] != _MAGIC[: len(document)]:
        return Refusal.FOREIGN
    if len(document) < _BODY_AT:
        return Refusal.TRUNCATED
    return Refusal.FOREIGN if document[len(_MAGIC)] == FORMAT else Refusal.VERSION


def _tag(secret: bytes, head: bytes, key: bytes, body: bytes) -> bytes:
    return hashlib.blake2b(
        b"%b%c%b%b" % (head, len(key), key, body),
        digest_size=_TAG_BYTES,
        key=secret,
        person=_PERSON,
    ).digest()
