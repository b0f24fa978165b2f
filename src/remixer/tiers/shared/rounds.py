"""Questions of many checks, asked in one round trip: as many as come in one turn of the loop.

Theory of operation. The first question of a turn opens a *round*; at the end of the turn it is
sent. A round has an end of its own, the earliest that one of its questions has: then whoever still
waits is told that there is no answer, and the round goes on alone, so that its connection stays in
order. At most so many rounds are under way; the next one fills up meanwhile, and its end comes all
the same. What was too late counts as a failure for the breaker, unless our own loop was busy.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from remixer.drivers.key_values import KeyValueError, KeyValueRefusedError
from remixer.tiers.background import Background
from remixer.tiers.shared.breaker import Breaker
from remixer.tiers.shared.counts import SharedCounts
from remixer.tiers.shared.settings import SharedSettings

_STALLED: Final = 0.5
"""A timer that is late by this part of the budget tells of our loop, not of the server."""

Q = TypeVar("Q")
A = TypeVar("A")


class _Round(Generic[Q, A]):
    """Questions that go together."""

    __slots__ = ("ends_s", "had_grace", "is_over", "parts", "questions", "timer")

    def __init__(self) -> None:
        self.questions: list[Q] = []
        self.parts: list[tuple[asyncio.Future[Sequence[A] | None], int, int]] = []
        """Who waits for which of the answers."""
        self.ends_s = float("inf")
        self.timer: asyncio.TimerHandle | None = None
        self.had_grace = False
        self.is_over = False

    def end(self, answers: Sequence[A] | None) -> None:
        """Tell those who wait; None for no answer."""
        self.is_over = True
        if self.timer is not None:
            self.timer.cancel()
        for future, begin, end in self.parts:
            if not future.done():
                future.set_result(None if answers is None else answers[begin:end])


class Rounds(Generic[Q, A]):
    """Asks one server questions of one sort."""

    def __init__(
        self,
        send: Callable[[Sequence[Q]], Awaitable[Sequence[A]]],
        *,
        breaker: Breaker,
        settings: SharedSettings,
        counts: SharedCounts,
        background: Background,
    ) -> None:
        self._send = send
        self._breaker = breaker
        self._settings = settings
        self._counts = counts
        self._background = background
        self._under_way = 0
        self._next: _Round[Q, A] | None = None

    def ask(
        self, questions: Sequence[Q], *, ends_s: float
    ) -> "asyncio.Future[Sequence[A] | None] | None":
        """The answers, one for each question; None, at once or later, if there are none.

        `ends_s`: on the loop's clock.
        """
        loop = asyncio.get_running_loop()
        opened = self._next
        if opened is None:
            opened = self._next = _Round()
            loop.call_soon(self._begin)
        elif len(opened.questions) + len(questions) > self._settings.max_batch:
            self._counts.crowded += 1
            return None
        begin = len(opened.questions)
        opened.questions += questions
        future: asyncio.Future[Sequence[A] | None] = loop.create_future()
        opened.parts.append((future, begin, len(opened.questions)))
        if ends_s < opened.ends_s:
            self._end_at(opened, ends_s)
        return future

    def give_up(self) -> None:
        """Nobody waits for what has not been sent."""
        waiting, self._next = self._next, None
        if waiting is not None:
            waiting.end(None)

    def _end_at(self, opened: _Round[Q, A], ends_s: float) -> None:
        if opened.timer is not None:
            opened.timer.cancel()
        opened.ends_s = ends_s
        opened.timer = asyncio.get_running_loop().call_at(ends_s, self._too_late, opened)

    def _begin(self) -> None:
        begun = self._next
        if begun is not None and self._under_way < self._settings.max_rounds:
            self._next = None
            self._background(self._ask(begun), name="ask the shared cache")

    async def _ask(self, begun: _Round[Q, A]) -> None:
        answers: Sequence[A] | None = None
        # Counted here, because background work may be dropped.
        self._under_way += 1
        try:
            answers = await self._send(begun.questions)
            if len(answers) != len(begun.questions):
                answers = None
        except KeyValueRefusedError:
            pass  # it is there, and will not: no reason to leave it alone
        except KeyValueError:
            if not begun.is_over:
                self._breaker.failed()
        finally:
            self._under_way -= 1
            if not begun.is_over:
                if answers is None:
                    self._counts.failed += len(begun.parts)
                else:
                    self._breaker.succeeded()
                begun.end(answers)
            self._begin()

    def _too_late(self, late: _Round[Q, A]) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s - late.ends_s > self._settings.budget_s * _STALLED and not late.had_grace:
            # Its answer may be there already, unread.
            late.had_grace = True
            self._end_at(late, now_s + self._settings.budget_s)
            return
        if late is self._next:
            self._next = None
        self._counts.late += len(late.parts)
        late.end(None)
        self._breaker.failed()
