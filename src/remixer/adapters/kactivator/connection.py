"""The durable connection to one autoscaler, shared by all handlers that speak to it alike.

Theory of operation. `arrive` and `leave` are called for each request and never wait: they move the
`Reporting` on. What is due at once, at most one report per revision, is sent on the spot if it is
the only one within a millisecond, else kept, so that a flood goes in few messages. `run` is the
connection's life, in three loops. One keeps a websocket open: when it ends, it is opened again
at once; when that fails, or it ends again within a second, after a growing, jittered pause. One
sends what is due, first requests first, in as few messages as the encoding allows. One ticks, once
a second.

Nothing is queued while there is no connection: what was due is counted as lost, and a new
connection is told first of all whom requests wait for. Requests that were answered at once wait
somewhere else: of their revisions a new connection is told if the old one may have lost them. So a
lost message costs no wake-up, and nothing stale is ever sent.

Handlers come and go. Each brings a task that wants to be the one that runs; when it goes, the next
takes over, with a connection of its own.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from math import inf
from random import Random
from typing import Final

from remixer.adapters.kactivator.hints import hint_of
from remixer.adapters.kactivator.metrics import LinkCounts, LinkStatus, exposition
from remixer.adapters.kactivator.readiness import Revision
from remixer.adapters.kactivator.reporting import MOST_REVISIONS, Report, Reporting
from remixer.drivers.http_client import shown_url
from remixer.drivers.websocket import WebSocket, WebSocketConnector, WebSocketError
from remixer.foundation.backoff import Backoff
from remixer.foundation.event_limit import EventLimit
from remixer.sdk import Clock, event_log
from remixer.sdk.knative_stats import (
    Encoding,
    RevisionKey,
    Stat,
    encode_messages,
    message_template,
    needs_time,
)

TICK_S: Final = 1.0
_BACKOFF: Final = Backoff(first_s=0.1, longest_s=15.0)
"""About as Knative's own sender, whose last pause has 11 to 17 s."""
_LASTING_S: Final = 1.0
"""A connection that ends sooner was none."""
_LOG_INTERVAL_S: Final = 30.0
_MOST_WOKEN: Final = 10_000
"""Revisions of which is remembered when the autoscaler was told last."""
_BATCH: Final = 100
"""Reports encoded in one go: about a millisecond."""
_ALONE_S: Final = 0.001
"""First requests that come in shorter succession share messages."""
_DOUBT_S: Final = 10.0
"""As long as a dead peer may go unnoticed."""

_log: Final = event_log(__name__)


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """What two handlers must agree on to share a connection."""

    url: str
    encoding: Encoding
    pod_name: str
    per_request: float = 1.0
    most_revisions: int = MOST_REVISIONS


@dataclass(frozen=True, slots=True)
class LinkTools:
    """What a connection needs of the process."""

    connector: WebSocketConnector
    clock: Clock
    random: Random = field(default_factory=Random)


class AutoscalerLink:
    """One autoscaler, as one kind of sender."""

    def __init__(self, spec: LinkSpec, tools: LinkTools) -> None:
        self._spec = spec
        self._tools = tools
        self._clock = tools.clock
        self._reporting = Reporting(
            per_request=spec.per_request, most_revisions=spec.most_revisions
        )
        self._firsts: dict[Revision, Report] = {}
        self._due: dict[Revision, Report] = {}
        self._wake = asyncio.Event()
        self._socket: WebSocket | None = None
        self._sent_alone_at_s = -inf
        self._was_connected = False
        self._running = asyncio.Lock()
        self._woken_at_s: dict[Revision, float | None] = {}
        self._logged = EventLimit(interval_s=_LOG_INTERVAL_S)
        self._needs_time = needs_time(spec.encoding)
        first = Report(Revision("", ""), spec.per_request, 1.0, is_first=True)
        self._first_message = message_template(self._stat(first), spec.encoding)
        self.counts = LinkCounts()
        self.last_error = ""
        """Why there is no connection; `""` while there is one."""

    @property
    def status(self) -> LinkStatus:
        self.counts.revisions_forgotten = self._reporting.forgotten
        return LinkStatus(
            shown_url(self._spec.url),
            self._spec.encoding.name,
            self._socket is not None,
            len(self._reporting),
            self._reporting.held,
            self.last_error,
        )

    @property
    def tracked(self) -> int:
        """Revisions of which anything is remembered; bounded."""
        return max(len(self._reporting), len(self._woken_at_s), len(self._firsts), len(self._due))

    def arrive(self, revision: Revision) -> None:
        """A request for a revision that is not awake: tell, if it is the first."""
        report = self._reporting.arrive(revision, now_s=self._clock.monotonic_s())
        if report is not None and not self._sent_alone(report):
            self._put(report)

    def leave(self, revision: Revision, *, requests: int = 1) -> None:
        """Requests that arrived wait no more."""
        self._reporting.leave(revision, now_s=self._clock.monotonic_s(), requests=requests)

    def wake(self, revision: Revision) -> None:
        """One request at one moment, where nobody knows how long it waits."""
        self._woken_at_s.pop(revision, None)
        if len(self._woken_at_s) >= min(_MOST_WOKEN, self._spec.most_revisions):
            del self._woken_at_s[next(iter(self._woken_at_s))]  # woken longest ago
        self._woken_at_s[revision] = None
        self.arrive(revision)
        self.leave(revision)

    def woken_within(self, revision: Revision, seconds: float) -> bool:
        """Whether the autoscaler was told so lately that the revision is awake by now, or soon."""
        told_at_s = self._woken_at_s.get(revision)
        return told_at_s is not None and self._clock.monotonic_s() - told_at_s < seconds

    async def run(self) -> None:
        """Live until cancelled. Of several that run, one works and the others wait for its end."""
        async with self._running, asyncio.TaskGroup() as group:
            group.create_task(self._stay_connected(), name="connection")
            group.create_task(self._send_forever(), name="sender")
            group.create_task(self._tick_forever(), name="ticks")

    # ---------------------------------------------------------------- connecting

    async def _stay_connected(self) -> None:
        failures = 0
        while True:
            begun_s = self._clock.monotonic_s()
            reason = await self._one_life()
            self.counts.failures += 1
            self.last_error = reason
            lasted = self._clock.monotonic_s() - begun_s >= _LASTING_S and self._was_connected
            failures = 0 if lasted else failures + 1
            pause_s = _BACKOFF.pause_s(failures, self._tools.random) if failures else 0.0
            self._tell_failure(reason, pause_s)
            await asyncio.sleep(pause_s)

    async def _one_life(self) -> str:
        """Connect, and stay until the end. Why it ended."""
        self._was_connected = False
        try:
            socket = await self._tools.connector.connect(self._spec.url)
        except WebSocketError as error:
            hint = hint_of(error)
            return f"{error}. {hint}" if hint else str(error)
        try:
            self._was_connected = True
            self._begin(socket)
            end = await socket.ended()
            return f"{shown_url(self._spec.url)}: ended with {end}"
        finally:
            self._socket = None
            self._doubt_the_latest()
            await socket.aclose()

    def _doubt_the_latest(self) -> None:
        """The kernel takes messages for a peer that is gone, and a restarted one forgets them."""
        now_s = self._clock.monotonic_s()
        for revision, told_at_s in self._woken_at_s.items():
            if told_at_s is not None and now_s - told_at_s < _DOUBT_S:
                self._woken_at_s[revision] = None
                self._reporting.doubt(revision, now_s=now_s)

    def _begin(self, socket: WebSocket) -> None:
        self._socket = socket
        self.last_error = ""
        self.counts.connections += 1
        self._logged = EventLimit(interval_s=_LOG_INTERVAL_S)
        _log.info(
            "knative_autoscaler_connected",
            autoscaler=shown_url(self._spec.url),
            encoding=self._spec.encoding.name,
        )
        for report in self._reporting.held_now(now_s=self._clock.monotonic_s()):
            self._put(report)

    def _tell_failure(self, reason: str, pause_s: float) -> None:
        held_back = self._logged.pass_now("link", now_s=self._clock.monotonic_s())
        if held_back is not None:
            _log.warning(
                "knative_autoscaler_not_connected",
                reason=reason,
                next_in_s=round(pause_s, 3),
                held_back=held_back,
            )

    # ---------------------------------------------------------------- sending

    def _put(self, report: Report) -> None:
        if report.is_first:
            self._firsts[report.revision] = report
            self._due.pop(report.revision, None)
        elif report.revision not in self._firsts:
            self._due[report.revision] = report
        self._wake.set()

    async def _send_forever(self) -> None:
        while True:
            await self._wake.wait()
            socket = self._socket
            if socket is None:
                self.counts.stats_lost += len(self._firsts) + len(self._due)
                self._firsts.clear()
                self._due.clear()
                self._wake.clear()
                continue
            batch = self._next_batch()
            if not batch:
                self._wake.clear()
                continue
            try:
                await self._send(socket, batch)
            except WebSocketError as error:
                self.counts.stats_lost += len(batch)
                self._tell_failure(str(error), 0.0)
                await socket.aclose()  # whoever listens on it connects again
            await asyncio.sleep(0)  # checks go first, however much there is to tell

    def _next_batch(self) -> tuple[Report, ...]:
        """First requests come before what is told of the others every second."""
        source = self._firsts or self._due
        return tuple(source.pop(each) for each in tuple(islice(source, _BATCH)))

    def _sent_alone(self, report: Report) -> bool:
        """Whether it is on its way already: not even a turn of the loop is waited for."""
        now_s, socket = self._clock.monotonic_s(), self._socket
        if (
            socket is None
            or self._firsts
            or now_s - self._sent_alone_at_s < _ALONE_S
            or self._needs_time
        ):
            return False
        self._sent_alone_at_s = now_s
        try:
            is_sent = socket.send_now(self._first_message(*report.revision))
        except WebSocketError:
            return False  # whoever sends in its turn meets it again, and ends the connection
        if is_sent:
            self._due.pop(report.revision, None)
            self.counts.messages_sent += 1
            self._take_note((report,))
        return is_sent

    async def _send(self, socket: WebSocket, reports: tuple[Report, ...]) -> None:
        stats = [self._stat(each) for each in reports]
        for message in encode_messages(stats, self._spec.encoding):
            await socket.send(message)
            self.counts.messages_sent += 1
        self._take_note(reports)

    def _take_note(self, reports: tuple[Report, ...]) -> None:
        """These are sent."""
        self.counts.stats_sent += len(reports)
        self._reporting.delivered(each.revision for each in reports)
        now_s = self._clock.monotonic_s()
        for each in reports:
            if each.concurrency and each.revision in self._woken_at_s:
                self._woken_at_s[each.revision] = now_s

    def _stat(self, report: Report) -> Stat:
        return Stat(
            RevisionKey(*report.revision),
            self._spec.pod_name,
            report.concurrency,
            request_count=report.request_count,
            time_ns=self._clock.unix_ns() if self._needs_time else None,
        )

    async def _tick_forever(self) -> None:
        next_s = self._clock.monotonic_s()
        while True:
            now_s = self._clock.monotonic_s()
            next_s = max(next_s + TICK_S, now_s)
            await asyncio.sleep(next_s - now_s)
            for report in self._reporting.tick(now_s=self._clock.monotonic_s()):
                self._put(report)


class AutoscalerLinks:
    """All connections of a process, and a `ScrapeSource` of what they did."""

    def __init__(self) -> None:
        self._links: dict[LinkSpec, tuple[AutoscalerLink, int]] = {}
        self.checks: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        return len(self._links)

    def hold(self, spec: LinkSpec, tools: LinkTools) -> "LinkHold":
        """Share the connection, or make it."""
        link, holders = self._links.get(spec) or (AutoscalerLink(spec, tools), 0)
        self._links[spec] = (link, holders + 1)
        return LinkHold(link, self, spec)

    def release(self, spec: LinkSpec) -> None:
        """One holder less; the last one takes the connection with it."""
        link, holders = self._links.pop(spec)
        if holders > 1:
            self._links[spec] = (link, holders - 1)

    def render(self) -> bytes:
        links = [link for link, _ in self._links.values()]
        return exposition(((each.status, each.counts) for each in links), self.checks)


class LinkHold:
    """One handler's share of a connection. Its task runs `link.run`."""

    def __init__(self, link: AutoscalerLink, links: AutoscalerLinks, spec: LinkSpec) -> None:
        self.link = link
        self._links = links
        self._spec = spec
        self._is_held = True

    def release(self) -> None:
        """Once or twice."""
        if self._is_held:
            self._is_held = False
            self._links.release(self._spec)
