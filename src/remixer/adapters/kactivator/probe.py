"""Readiness by asking: a revision is ready when its address answers.

Theory of operation. Nothing is asked while nobody waits. The first who waits for a revision
starts its prober, further ones join; it knocks at once and then every `interval_s`, as Knative's
Activator does, until it is answered or the last waiter has left. All probers share a number of
slots, so that addresses that answer nothing cost slots, not sockets without end.

A good answer counts for `fresh_s`: so long the revision is taken for ready without asking, which
is how long requests may still go to a pod that has just died.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final, Protocol

from remixer.adapters.kactivator.crowd import Crowd
from remixer.adapters.kactivator.keys import is_revision
from remixer.adapters.kactivator.readiness import Revision
from remixer.drivers.reachability import ProbeTarget, knock, parse_target
from remixer.foundation.event_limit import EventLimit
from remixer.sdk import Clock, TaskSpawner, event_log

DEFAULT_TEMPLATE: Final = "http://{name}-private.{namespace}.svc.cluster.local/"
"""The private service of a revision: the public one answers with the Activator's own pods."""
MOST_FRESH: Final = 10_000
"""Answers remembered; a gateway serves fewer services."""
_LOG_INTERVAL_S: Final = 30.0
_EXAMPLE: Final = Revision("shop", "cart-00001")
_PLACES: Final = ("{namespace}", "{name}")

_log: Final = event_log(__name__)


class Knock(Protocol):
    """Asks once; says why nobody answers, or `""`."""

    def __call__(self, target: ProbeTarget, /, *, timeout_s: float) -> Awaitable[str]: ...


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """Where and how often to ask. The times are the Activator's."""

    template: str = DEFAULT_TEMPLATE
    interval_s: float = 0.2
    timeout_s: float = 0.3
    fresh_s: float = 1.0
    most_at_once: int = 64


def template_fault(template: str) -> str:
    """What is wrong with a template, for people; `""` if nothing is."""
    if "{name}" not in template:
        return "has no {name}"
    try:
        parse_target(_filled(template, _EXAMPLE))
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
        self, settings: ProbeSettings, *, tasks: TaskSpawner, clock: Clock, ask: Knock = knock
    ) -> None:
        self._settings = settings
        self._tasks = tasks
        self._clock = clock
        self._ask = ask
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

    async def _probe(self, revision: Revision) -> None:
        target = parse_target(_filled(self._settings.template, revision))
        try:
            while self._crowd.waiting_for(revision):
                begun_s = self._clock.monotonic_s()
                async with self._slots:
                    self.asked += 1
                    failure = await self._ask(target, timeout_s=self._settings.timeout_s)
                if not failure:
                    self._remember(revision)
                    self._crowd.wake(revision)
                    return
                self._failures[revision] = failure
                next_s = begun_s + self._settings.interval_s - self._clock.monotonic_s()
                await self._crowd.pause(revision, seconds=max(0.0, next_s))
        finally:
            self._failures.pop(revision, None)
            self._probers.discard(revision)

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
