"""A mark in a server's answers, by which clients learn that verdicts were revoked.

Theory of operation. What an operator revokes is forgotten by servers; clients know nothing of it and
would remember until their verdicts end. So answers get a mark with the first revocation, and another
one with each that follows: a field that Mixer's messages do not have and that all other clients
skip. A client that meets a mark for the first time forgets all it remembers, for it cannot know what
was meant. Marks say nothing else: they need no order, and clocks no agreement. Servers that heard of
one revocation from each other have the same mark, so that it costs their clients one forgetting.

What a client asked before it met the mark may be an answer of before, and is not remembered either.
"""

from typing import Final

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from remixer.wire._pb.istio.mixer.v1.report_pb2 import ReportResponse
from remixer.wire.framing import embedded

_NUMBER: Final = 15  # Mixer's answers end at 3, and nobody adds to them any more
_PREFIX: Final = b"remixer-revoked "
_LONGEST: Final = 64
"""Bytes; what is longer is no mark of ours."""
_MOST_MET: Final = 256
"""As many servers may have marks of their own; beyond, a known one may count as new."""


class RevocationMark:
    """What a process's answers end with."""

    __slots__ = ("field",)

    def __init__(self) -> None:
        self.field = b""
        """To be added to a serialized answer; empty before the first revocation."""

    def renew(self, name: str) -> None:
        """`name`: of the last revocation, short; of the same revocation the same everywhere."""
        self.field = embedded(_NUMBER, _PREFIX + name.encode())


class MetMarks:
    """The marks that a client has met; those met last stay known."""

    __slots__ = ("_met",)

    def __init__(self) -> None:
        self._met: dict[bytes, None] = {}

    def new_in(self, answer: bytes) -> str | None:
        """The name in a serialized answer, if it was not met before."""
        if _PREFIX not in answer:
            return None
        mark = _mark_of(answer)
        if mark is None:
            return None
        is_known = mark in self._met
        self._met.pop(mark, None)
        self._met[mark] = None
        if len(self._met) > _MOST_MET:
            del self._met[next(iter(self._met))]
        return None if is_known else mark.removeprefix(_PREFIX).decode("ascii", "replace")


def _mark_of(answer: bytes) -> bytes | None:
    """To a message without fields all are unknown, whatever the answer is one of."""
    try:
        fields = UnknownFieldSet(ReportResponse.FromString(answer))
    except DecodeError:
        return None
    # Answers have a handful of fields; a mark is the last one.
    last = fields[len(fields) - 1] if len(fields) else None
    mark = last.data if last is not None and last.field_number == _NUMBER else None
    if not isinstance(mark, bytes) or not mark.startswith(_PREFIX) or len(mark) > _LONGEST:
        return None
    return mark
