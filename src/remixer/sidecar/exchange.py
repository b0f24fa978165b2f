"""One request that passes through middleware: what was decided on it, and how it ends.

Shared by all kinds of middleware. Pure but for the clock.
"""

from typing import Final, Protocol

from remixer.attributes.bag import Bag
from remixer.attributes.http_report import CLIENT_GONE, NO_ERROR, CheckNote, HttpReportBag
from remixer.attributes.values import Duration, StringMap, Timestamp
from remixer.foundation.clock import Clock
from remixer.foundation.errors import PolicyError
from remixer.foundation.status import Status
from remixer.mixer.http_answer import Answer, HttpAnswer, denial, http_answer
from remixer.mixer.http_end import check_note, refusal_note, reported_code
from remixer.mixer.outcome import CheckOutcome, Provenance
from remixer.mixer.verdict import Verdict

_NS_PER_S: Final = 1_000_000_000
_NO_TIME: Final = Duration(0)
_MOST_DECISIONS: Final = 1_000
"""That are remembered; about 1 kB each, most of which the outcomes' own memory has, too."""


class Headers(StringMap, Protocol):
    """Headers of one message, by lower-case name."""

    def size(self) -> int:
        """Bytes of all names and values."""
        ...


class Decisions:
    """What outcomes come to. Remembered ones are given again and again, and come to the same."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[int, tuple[CheckOutcome, HttpAnswer, CheckNote]] = {}
        """By identity of the outcome, which is kept so that no other can have it."""

    def of(self, outcome: CheckOutcome, *, is_answered_now: bool) -> tuple[HttpAnswer, CheckNote]:
        """The answer, and what its report says. Any thread may ask."""
        known = self._known.get(id(outcome))
        if known is not None:
            return known[1], known[2]
        try:
            answer = http_answer(outcome)
        except PolicyError as error:
            answer = _refusal(error)
        note = check_note(outcome, answer, is_answered_now=is_answered_now)
        if outcome.provenance is Provenance.MEMORY and not outcome.quotas:
            if len(self._known) >= _MOST_DECISIONS:
                self._known.clear()
            self._known[id(outcome)] = outcome, answer, note
        return answer, note


class Exchange:
    """An `HttpEnding` that comes about: whoever carries the response adds to it while it passes.

    What takes work to tell is told when it is read. Not to be changed after `report_bag`.
    """

    __slots__ = (
        "_clock",
        "_decisions",
        "_started_at_s",
        "answer",
        "bag",
        "check",
        "duration",
        "headers",
        "is_client_gone",
        "received_at",
        "request_headers",
        "request_size",
        "response_size",
        "sent_status",
        "trailers",
    )

    def __init__(
        self,
        bag: Bag,
        request_headers: Headers,
        *,
        clock: Clock,
        received_at: Timestamp,
        decisions: Decisions,
    ) -> None:
        self.bag = bag
        self.request_headers = request_headers
        self.received_at = received_at
        self._clock = clock
        self._decisions = decisions
        self._started_at_s = clock.monotonic_s()
        self.answer: HttpAnswer | None = None
        """None until it is decided, and if the client went away before that."""
        self.check: CheckNote | None = None
        self.is_client_gone = False
        self.sent_status = 0
        self.request_size = 0
        self.response_size = 0
        self.headers: Headers | None = None
        self.trailers: Headers | None = None
        self.duration = _NO_TIME

    # ------------------------------------------------------------ what is decided

    def decide(self, outcome: CheckOutcome, *, is_answered_now: bool) -> HttpAnswer:
        """What is to be done with the request.

        A verdict that hangs on a quota which could not be asked refuses with that failure.
        """
        answer, self.check = self._decisions.of(outcome, is_answered_now=is_answered_now)
        self.answer = answer
        return answer

    def refuse(self, error: PolicyError) -> HttpAnswer:
        """The same where there was no verdict at all."""
        answer = self.answer = _refusal(error)
        self.check = refusal_note(answer.verdict.status)
        return answer

    # ------------------------------------------------------------ how it ends

    def report_bag(self) -> HttpReportBag:
        """The last byte is out, unless `end` said so before."""
        self.end()
        return HttpReportBag(self.bag, self)

    def end(self) -> None:
        if not self.duration:
            passed_s = self._clock.monotonic_s() - self._started_at_s
            self.duration = Duration(passed_s * _NS_PER_S)

    @property
    def code(self) -> int:
        answer = self.answer
        return reported_code(answer) if isinstance(answer, Answer) else self.sent_status

    @property
    def ended_at(self) -> Timestamp:
        return Timestamp(self.received_at + self.duration)

    @property
    def request_overhead(self) -> int:
        return self.request_headers.size()

    @property
    def response_overhead(self) -> int:
        size_bytes = 0 if self.headers is None else self.headers.size()
        return size_bytes if self.trailers is None else size_bytes + self.trailers.size()

    @property
    def error_flag(self) -> str:
        return CLIENT_GONE if self.is_client_gone else NO_ERROR


def _refusal(error: PolicyError) -> Answer:
    """What is answered when there is no verdict."""
    return denial(Verdict(Status(error.code, error.message), ()))
