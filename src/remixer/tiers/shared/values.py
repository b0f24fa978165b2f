"""Answers as bytes, and back. Pure.

The body of an answer is: when it was made, when it ends (milliseconds of the wall clock), the uses
that all readers have together, and the answer itself without what its key tells (references) and
without quotas, which are never shared. Everything but the first three recurs: the same rule gives
the same answer to most who ask, so decoded answers are remembered by their bytes.
"""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from remixer.foundation.status import OK, Status
from remixer.mixer.outcome import (
    CacheHints,
    CheckOutcome,
    Decision,
    HeaderOperation,
    HeaderOperationKind,
    RouteDirective,
)
from remixer.tiers.shared.bytes import ByteReader, ByteWriter, MalformedError
from remixer.tiers.shared.seal import Refusal, RefusedError

_TIMES: Final = struct.Struct(">QQq")
_DOUBLE: Final = struct.Struct(">d")
_MOST_REMEMBERED: Final = 1_000
_MOST_OPERATIONS: Final = 10_000  # headers of a request are bounded far below
_MOST_DECISIONS: Final = 10_000
UNLIMITED: Final = -1


class Answer(NamedTuple):
    """What recurs of an answer."""

    status: Status
    directive: RouteDirective | None
    decisions: tuple[Decision, ...]
    hints: CacheHints | None


class StoredAnswer(NamedTuple):
    """An answer and how long it is good for."""

    made_ms: int
    """When it was asked for: what was revoked later than that may be in it."""
    ends_ms: int
    uses: int
    """Of all readers together; `UNLIMITED`."""
    answer: Answer


class AnswerCodec:
    """Encodes, decodes, remembers what it decoded. Bounded."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[bytes, Answer] = {}

    def encode(self, outcome: CheckOutcome, *, made_ms: int, ends_ms: int, uses: int) -> bytes:
        """Raises `OverflowError` for numbers that no protocol can carry."""
        writer = ByteWriter()
        _write_status(writer, outcome.status)
        _write_directive(writer, outcome.directive)
        writer.number(len(outcome.decisions))
        for decision in outcome.decisions:
            for text in decision[:3]:
                writer.text(text)
            _write_status(writer, decision.status)
        _write_hints(writer, outcome.hints)
        try:
            return _TIMES.pack(made_ms, ends_ms, uses) + writer.taken()
        except struct.error as error:
            raise OverflowError(str(error)) from error

    def decode(self, body: bytes) -> StoredAnswer:
        """Raises `RefusedError`."""
        if len(body) < _TIMES.size:
            raise RefusedError(Refusal.MALFORMED)
        made_ms, ends_ms, uses = _TIMES.unpack_from(body)
        encoded = body[_TIMES.size :]
        answer = self._known.get(encoded)
        if answer is None:
            try:
                answer = _read_answer(encoded)
            except MalformedError as error:
                raise RefusedError(Refusal.MALFORMED) from error
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[encoded] = answer
        return StoredAnswer(made_ms, ends_ms, uses, answer)


def _write_status(writer: ByteWriter, status: Status) -> None:
    writer.signed(status.code)
    writer.text(status.message)


def _read_status(reader: ByteReader) -> Status:
    code, message = reader.signed(), reader.text()
    return Status(code, message) if code or message else OK


def _write_directive(writer: ByteWriter, directive: RouteDirective | None) -> None:
    writer.number(directive is not None)
    if directive is None:
        return
    _write_operations(writer, directive.request_header_operations)
    _write_operations(writer, directive.response_header_operations)
    writer.signed(directive.direct_response_code)
    writer.text(directive.direct_response_body)


def _write_operations(writer: ByteWriter, operations: Sequence[HeaderOperation]) -> None:
    writer.number(len(operations))
    for operation in operations:
        writer.number(operation.kind)
        writer.text(operation.name)
        writer.text(operation.value)


def _read_answer(encoded: bytes) -> Answer:
    reader = ByteReader(encoded)
    status = _read_status(reader)
    directive = _read_directive(reader) if reader.number(most=1) else None
    decisions = tuple(
        Decision(reader.text(), reader.text(), reader.text(), _read_status(reader))
        for _ in range(reader.number(most=_MOST_DECISIONS))
    )
    hints = _read_hints(reader)
    reader.end()
    return Answer(status, directive, decisions, hints)


def _write_hints(writer: ByteWriter, hints: CacheHints | None) -> None:
    """That an answer is shared need not be said."""
    writer.number(hints is not None)
    for value in () if hints is None else (hints.refresh_at, hints.stale_for_s):
        writer.block(b"" if value is None else _DOUBLE.pack(value))


def _read_hints(reader: ByteReader) -> CacheHints | None:
    if not reader.number(most=1):
        return None
    return CacheHints(refresh_at=_read_double(reader), stale_for_s=_read_double(reader))


def _read_double(reader: ByteReader) -> float | None:
    block = reader.block()
    if not block:
        return None
    if len(block) != _DOUBLE.size:
        raise MalformedError
    value: float = _DOUBLE.unpack(block)[0]
    if not value >= 0.0:  # not a number, too
        raise MalformedError
    return value


def _read_directive(reader: ByteReader) -> RouteDirective:
    return RouteDirective(
        request_header_operations=_read_operations(reader),
        response_header_operations=_read_operations(reader),
        direct_response_code=reader.signed(),
        direct_response_body=reader.text(),
    )


def _read_operations(reader: ByteReader) -> tuple[HeaderOperation, ...]:
    operations: list[HeaderOperation] = []
    for _ in range(reader.number(most=_MOST_OPERATIONS)):
        try:
            kind = HeaderOperationKind(reader.number())
        except ValueError as error:
            raise MalformedError from error
        operations.append(HeaderOperation(reader.text(), reader.text(), kind))
    return tuple(operations)
