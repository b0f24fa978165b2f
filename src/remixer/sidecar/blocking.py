"""A Mixer for programs without an event loop: WSGI applications, scripts, threads.

Theory of operation. One thread runs an event loop with an `AppMixer` in it, from the first question
on. What was answered before is answered in the caller's own thread, under a lock, from a memory like
the tiers' (`remixer.tiers.answers`); everything else is handed to the loop, and the caller waits.
Reports are left in a queue that the loop empties.

A child that is forked has none of that: thread, memory and connection are made anew in it, with its
first question. Its parent lets the connection go while it forks, for the sake of the child's.

Web servers tell WSGI applications nothing of their end. So whoever was not closed is closed when the
interpreter ends, which sends the last reports; only `os._exit` and signals that kill go without.
"""

import threading
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final, Protocol, Self

from remixer.attributes.bag import Bag, plain_bag
from remixer.foundation.clock import Clock, SystemClock
from remixer.foundation.errors import UnavailableError
from remixer.foundation.log import event_log
from remixer.mixer.outcome import CheckOutcome, Provenance, QuotaOutcome
from remixer.mixer.port import Mixer
from remixer.mixer.request import CheckRequest, QuotaArgs
from remixer.sidecar.app_mixer import AppMixer
from remixer.sidecar.cache_settings import client_cache_settings
from remixer.sidecar.client import Attributes, MixerClient
from remixer.sidecar.forks import at_forks, leave_alone
from remixer.sidecar.interpreter_end import at_end
from remixer.sidecar.loop_thread import LoopThread
from remixer.sidecar.settings import ClientSettings
from remixer.tiers.answers import Answers
from remixer.tiers.cached import Policies
from remixer.tiers.places import Question
from remixer.tiers.settings import CacheSettings
from remixer.transport.grpc_threads import wait_until_ended

_MOST_REPORTS: Final = 10_000
"""Waiting for the loop, which empties the queue at once; more means that it hangs."""
_START_S: Final = 30.0
_CLOSE_S: Final = 10.0
_REST_S: Final = 5.0
"""For calls under way when the process forks."""
_PASSING: Final = frozenset({Provenance.STALE, Provenance.SUBSTITUTE})
_log: Final = event_log(__name__)


class PlacedMixer(AppMixer, Protocol):
    """An `AppMixer` that tells which rules decide a request."""

    @property
    def policies(self) -> Policies: ...

    async def rest(self) -> None:
        """Let connections go that a forked child could not use; calls wait until `wake`."""
        ...

    def wake(self) -> None:
        """The fork is over."""
        ...


@dataclass(slots=True)
class BlockingCounts:
    """What happened in callers' threads."""

    hits: int = 0
    misses: int = 0
    reports_dropped: int = 0
    """The queue to the loop was full."""


@dataclass(slots=True)
class _Life:
    """The thread of one process, and what belongs to it."""

    mixer: PlacedMixer
    thread: LoopThread
    port: Mixer
    policies: Policies
    reports: deque[Bag] = field(default_factory=deque)
    is_waking: bool = False
    """Whether the loop has been told of the reports."""


class BlockingMixer:
    """Implements `BlockingAppMixer`. For any number of threads; starts by itself."""

    def __init__(
        self,
        make: Callable[[], PlacedMixer],
        *,
        cache: CacheSettings | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`make` gives the Mixer that the thread runs; called once per process.

        `cache`: the memory in front of it, which callers' threads share; None: a client's usual one.
        """
        self._make = make
        self._clock = clock or SystemClock()
        self._settings = cache or client_cache_settings()
        self._begin_afresh()
        at_forks(
            before=self._before_fork,
            in_parent=self._after_fork_in_parent,
            in_child=self._after_fork_in_child,
        )
        # Children that are forked inherit it, and close what is theirs.
        at_end(self.close)

    def _begin_afresh(self) -> None:
        self._lock = threading.Lock()
        self._life: _Life | None = None
        self._is_closed = False
        self._may_linger = False
        """Whether gRPC's threads may still be ending."""
        self._answers = Answers(self._settings, random=Random())  # noqa: S311 - spreads expiry
        self.counts = BlockingCounts()

    # ------------------------------------------------------------ asking

    def check(self, request: CheckRequest) -> CheckOutcome:
        """The verdict. Raises what the Mixer's own check raises, `UnavailableError` after `close`."""
        life = self._life or self._started()
        place, stamp = life.policies.place_of(request.bag)
        if stamp is None:
            return life.thread.run(life.port.check(request))
        known = self._known(request, place, stamp)
        if isinstance(known, Question):
            asked = replace(request, keeps_answer=True)
            outcome = life.thread.run(life.port.check(asked))
            self._learn(life, request, outcome, known)
            return outcome
        if not request.quotas or not known.status.is_ok:
            return known
        return replace(known, quotas=self._granted(life, request))

    def report(self, bag: Bag) -> None:
        """Take note of a finished request; never waits. `bag` must not change any more."""
        try:
            life = self._life or self._started()
        except UnavailableError:
            self.counts.reports_dropped += 1
            return
        if len(life.reports) >= _MOST_REPORTS:
            self.counts.reports_dropped += 1
            return
        life.reports.append(bag)
        if not life.is_waking:
            life.is_waking = True
            if not life.thread.soon(_hand_over, life):
                self.counts.reports_dropped += 1

    def close(self) -> None:
        """Send what is to be reported, and end the thread; twice is safe. There is no way back."""
        with self._lock:
            self._is_closed = True
            life, self._life = self._life, None
        if life is None:
            return
        try:
            life.thread.run(life.mixer.aclose(), timeout_s=_CLOSE_S)
        except TimeoutError:
            _log.warning("mixer_not_closed_in_time", seconds=_CLOSE_S)
        finally:
            life.thread.stop(bound_s=_CLOSE_S)
            self._may_linger = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------ inside

    def _known(
        self, request: CheckRequest, place: Hashable, stamp: object
    ) -> CheckOutcome | Question:
        """What is remembered; else, or if it ends soon, the question."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            answers = self._answers
            found = answers.find(request.bag, place, stamp, now_s=now_s)
            if isinstance(found, int):
                if not answers.is_ending(found, now_s=now_s):
                    self.counts.hits += 1
                    return answers.take(found, now_s=now_s, keeps=False)
                found = answers.question(place, stamp, now_s=now_s)
            self.counts.misses += 1
            return found

    def _learn(
        self, life: _Life, request: CheckRequest, outcome: CheckOutcome, question: Question
    ) -> None:
        if outcome.provenance in _PASSING:
            return
        if life.policies.place_of(request.bag)[1] is not question.stamp:
            return  # the rules changed meanwhile: nobody knows which ones answered
        with self._lock:
            keys = self._answers.keys_of(request.bag, question.place)
            self._answers.learn(
                request.bag,
                outcome,
                replace(question, keys=keys),
                now_s=self._clock.monotonic_s(),
            )

    def _granted(self, life: _Life, request: CheckRequest) -> Mapping[str, QuotaOutcome]:
        async def grant() -> Mapping[str, QuotaOutcome]:
            port = life.port
            granted = port.grant_now(request)
            return await port.grant(request) if granted is None else granted

        return life.thread.run(grant())

    def _started(self) -> _Life:
        """Raises `UnavailableError` after `close`."""
        with self._lock:
            if self._is_closed:
                message = "the Mixer is closed"
                raise UnavailableError(message)
            if self._life is None:
                self._life = _begun(self._make())
            return self._life

    # ------------------------------------------------------------ forks

    def _before_fork(self) -> None:
        life = self._life
        if self._may_linger:
            self._may_linger = False
            wait_until_ended()
        if life is None or life.thread.is_current:
            return
        try:
            life.thread.run(life.mixer.rest(), timeout_s=_REST_S)
        except (TimeoutError, UnavailableError):
            _log.warning("mixer_busy_while_forking", seconds=_REST_S)

    def _after_fork_in_parent(self) -> None:
        life = self._life
        if life is not None:
            life.thread.soon(life.mixer.wake)

    def _after_fork_in_child(self) -> None:
        leave_alone(self._life)
        self._begin_afresh()


class BlockingMixerClient(BlockingMixer):
    """`MixerClient` for programs without an event loop."""

    def __init__(self, address: str, settings: ClientSettings | None = None) -> None:
        """As of `MixerClient`; raises ValueError for an address that is none."""
        MixerClient(address, settings)  # for its faults, now and not in a thread
        super().__init__(lambda: MixerClient(address, settings))

    def check_attributes(
        self, attributes: Attributes, *, quotas: Mapping[str, int] | None = None
    ) -> CheckOutcome:
        """As `MixerClient.check`."""
        asked = {name: QuotaArgs(amount) for name, amount in (quotas or {}).items()}
        return self.check(CheckRequest(bag=plain_bag(attributes), quotas=asked))

    def report_attributes(self, *records: Attributes) -> None:
        """As `MixerClient.report`."""
        for each in records:
            self.report(plain_bag(each))


def _hand_over(life: _Life) -> None:
    """Runs in the loop."""
    life.is_waking = False
    bags = []
    while life.reports:
        bags.append(life.reports.popleft())
    if bags:
        life.port.report(bags)


def _begun(mixer: PlacedMixer) -> _Life:
    """Raises what the start of `mixer` does."""
    thread = LoopThread("remixer")
    thread.start()
    try:
        port, policies = thread.run(_start(mixer), timeout_s=_START_S)
    except BaseException:
        thread.stop(bound_s=_CLOSE_S)
        raise
    return _Life(mixer, thread, port, policies)


async def _start(mixer: PlacedMixer) -> tuple[Mixer, Policies]:
    await mixer.start()
    return mixer.port, mixer.policies
