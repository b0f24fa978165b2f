"""Pieces of a message: bytes that are known now, and functions that a request's bag completes.

A message is flattened into as few pieces as possible, so that a request joins a handful of byte
strings and looks nothing up.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Final, TypeAlias, cast

from remixer.attributes.bag import Bag
from remixer.expr.compile import Expression
from remixer.wire.field_bytes import LENGTH_DELIMITED, tag
from remixer.wire.typed_payloads import Payload, sized

Encode: TypeAlias = Callable[[Bag], bytes]


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a message. Exactly one of the two is set."""

    constant: bytes | None = None
    encode: Encode | None = None
    """May raise `EvaluationError` and `PayloadError`."""


EMPTY: Final = Part(b"")


def expression_part(expression: Expression, payload: Payload) -> Part:
    """The payload of the expression's value."""
    if expression.constant is not None:
        return Part(payload(expression.constant))
    evaluate = expression.evaluate
    return Part(encode=lambda bag: payload(evaluate(bag)))


def field_part(number: int, wire_type: int, content: Part) -> Part:
    """A field: its tag, its length if it has one, and the content."""
    start = tag(number, wire_type)
    is_sized = wire_type == LENGTH_DELIMITED
    if content.constant is not None:
        return Part(start + (sized(content.constant) if is_sized else content.constant))
    encode = cast("Encode", content.encode)
    if is_sized:
        return Part(encode=lambda bag: start + sized(encode(bag)))
    return Part(encode=lambda bag: start + encode(bag))


def joined(parts: Iterable[Part]) -> Part:
    """One after another; neighbours that are known now become one."""
    pieces: list[Part] = []
    for is_known, group in groupby(parts, key=lambda part: part.constant is not None):
        if is_known:
            pieces.append(Part(b"".join(cast("bytes", part.constant) for part in group)))
        else:
            pieces.extend(group)
    pieces = [piece for piece in pieces if piece.constant != b""]
    if not pieces:
        return EMPTY
    return pieces[0] if len(pieces) == 1 else Part(encode=_joining(pieces))


def _joining(pieces: list[Part]) -> Encode:
    """For two pieces and more, of which at least one needs a bag."""
    frame = [b"" if piece.constant is None else piece.constant for piece in pieces]
    computed = [
        (position, piece.encode)
        for position, piece in enumerate(pieces)
        if piece.encode is not None
    ]

    def encode(bag: Bag) -> bytes:
        filled = frame.copy()
        for position, compute in computed:
            filled[position] = compute(bag)
        return b"".join(filled)

    return encode
