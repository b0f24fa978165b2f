"""Readiness by asking: a revision is ready when its address answers.

Theory of operation. Nothing is asked while nobody waits. The first who waits for a revision
starts its prober, further ones join; it knocks at once and then again and again until it is
answered or the last waiter has left. The pause is a thousandth of the wait so far, within bounds:
whoever waited a second does not notice a millisecond, and a start that takes long costs few
knocks. Probers share a number of slots, so that addresses that answer nothing cost slots, not
sockets without end; and however many they are, together they knock at most two thousand times a second.

A good answer counts for `fresh_s`: so long the revision is taken for ready without asking, which
is how long requests may still go to a pod that has just died.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from remixer.adapters.kactivator.crowd import Crowd
from remixer.adapters.kactivator.keys import is_revision
from remixer.adapters.kactivator.readiness import Revision
from remixer.drivers.fine_sleep import FineSleep
from remixer.drivers.reachability import Door, ProbeTarget, parse_target
from remixer.foundation.event_limit import EventLimit
from remixer.sdk import Clock, TaskSpawner, event_log

DEFAULT_TEMPLATE: Final = "http://{name}-private.{namespace}.svc.cluster.local/"
"""The private service of a revision: the public one answers with the Activator's own pods."""
MOST_FRESH: Final = 10_000
"""Answers remembered; a gateway serves fewer services."""
_LOG_INTERVAL_S: Final = 30.0
_PAUSES_PER_WAIT: Final = 1_000
_PAUSE_PER_PROBER_S: Final = 0.0005
"""A knock takes a tenth of that, most of it the system's."""
_NAP_S: Final = 0.01
_EXAMPLE: Final = Revision("shop", "cart-00001")
_PLACES: Final = ("{namespace}", "{name}")

_log: Final = event_log(__name__)


class Knocker(Protocol):
    """One address."""

    async def knock(self, *, timeout_s: float) -> str:
        """Ask once. Why nobody answers, or `""`."""
        ...


class Naps(Protocol):
    """Short sleeps."""

    async def __call__(self, seconds: float) -> None: ...

    def close(self) -> None:
        """Let go of who sleeps."""
        ...


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """Where and how often to ask. The longest times are the Activator's."""

    template: str = DEFAULT_TEMPLATE
    interval_s: float = 0.2
    """The longest pause."""
    least_interval_s: float = 0.0005
    """The shortest."""
    timeout_s: float = 0.3
    fresh_s: float = 1.0
    most_at_once: int = 64
    addresses: Mapping[Revision, str] = field(default_factory=dict)
    """Of those that the template does not fit."""

    def pause_s(self, waited_s: float, *, probers: int) -> float:
        """Before the next question to one of so many revisions."""
        wanted_s = max(waited_s / _PAUSES_PER_WAIT, self.least_interval_s)
        return max(min(wanted_s, self.interval_s), probers * _PAUSE_PER_PROBER_S)

    def target(self, revision: Revision) -> ProbeTarget:
        return parse_target(self.addresses.get(revision) or _filled(self.template, revision))


def template_fault(template: str) -> str:
    """What is wrong with a template, for people; `""` if nothing is."""
    if "{name}" not in template:
        return "has no {name}"
    return address_fault(_filled(template, _EXAMPLE))


def address_fault(address: str) -> str:
    """As `template_fault`, of an address."""
    try:
        parse_target(address)
    except ValueError as error:
        return str(error)
    return ""


def _filled(template: str, revision: Revision) -> str:
    for place, value in zip(_PLACES, revision, strict=True):
        template = template.replace(place, value)
    return template


class Probe:
    """A `Readiness` that asks the revisions' addresses."""

    def __init__(
        self,
        settings: ProbeSettings,
        *,
        tasks: TaskSpawner,
        clock: Clock,
        door: Callable[[ProbeTarget], Knocker] = Door,
        naps: Naps | None = None,
    ) -> None:
        self._settings = settings
        self._tasks = tasks
        self._clock = clock
        self._door = door
        self._naps = naps or FineSleep()
        self._slots = asyncio.Semaphore(settings.most_at_once)
        self._crowd = Crowd()
        self._probers: set[Revision] = set()
        self._answered_at_s: dict[Revision, float] = {}
        self._failures: dict[Revision, str] = {}
        self._logged = EventLimit(interval_s=_LOG_INTERVAL_S)
        self._is_closed = False
        self.asked = 0
        """How often an address was asked."""

    @property
    def probing(self) -> int:
        """Revisions that are being asked again and again."""
        return len(self._probers)

    def is_ready(self, revision: Revision, /) -> bool | None:
        """False only while somebody waits for it in vain; otherwise an old "no" says nothing."""
        answered_at_s = self._answered_at_s.get(revision)
        if answered_at_s is not None:
            if self._clock.monotonic_s() - answered_at_s <= self._settings.fresh_s:
                return True
            del self._answered_at_s[revision]
        return False if revision in self._failures else None

    def may_exist(self, revision: Revision, /) -> bool:
        # Whatever is no name of Kubernetes's would let requests choose where this connects to.
        return is_revision(revision)

    async def wait(self, revision: Revision, /, *, timeout_s: float) -> bool:
        if self._is_closed or not self.may_exist(revision):
            return False
        if self.is_ready(revision):
            return True
        if revision not in self._probers:
            self._probers.add(revision)
            self._tasks.spawn(self._probe(revision), name=f"probe of {revision}")
        became_ready = await self._crowd.wait(revision, timeout_s=timeout_s)
        if not became_ready and (failure := self._failures.get(revision)):
            self._log_failure(revision, failure)
        return became_ready

    async def aclose(self) -> None:
        self._is_closed = True
        self._crowd.dismiss()
        self._naps.close()

    async def _probe(self, revision: Revision) -> None:
        door = self._door(self._settings.target(revision))
        began_s = self._clock.monotonic_s()
        try:
            while self._crowd.waiting_for(revision):
                begun_s = self._clock.monotonic_s()
                async with self._slots:
                    self.asked += 1
                    failure = await door.knock(timeout_s=self._settings.timeout_s)
                if not failure:
                    self._remember(revision)
                    self._crowd.wake(revision)
                    return
                self._failures[revision] = failure
                pause_s = self._settings.pause_s(begun_s - began_s, probers=self.probing)
                await self._pause(revision, begun_s + pause_s - self._clock.monotonic_s())
        finally:
            self._failures.pop(revision, None)
            self._probers.discard(revision)

    async def _pause(self, revision: Revision, seconds: float) -> None:
        """Short ones are slept through, even if nobody waits any more."""
        if seconds < _NAP_S:
            await self._naps(max(0.0, seconds))
        else:
            await self._crowd.pause(revision, seconds=seconds)

    def _remember(self, revision: Revision) -> None:
        self._answered_at_s.pop(revision, None)
        if len(self._answered_at_s) >= MOST_FRESH:
            del self._answered_at_s[next(iter(self._answered_at_s))]  # the oldest
        self._answered_at_s[revision] = self._clock.monotonic_s()

    def _log_failure(self, revision: Revision, failure: str) -> None:
        held_back = self._logged.pass_now("not ready", now_s=self._clock.monotonic_s())
        if held_back is not None:
            _log.warning(
                "knative_revision_not_ready",
                revision=str(revision),
                reason=failure,
                held_back=held_back,
            )
