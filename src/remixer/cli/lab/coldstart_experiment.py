"""What is done with the parts: wakes in turn, bursts, requests when awake, no autoscaler.

Architectures take turns, so that what else the machine does hits all alike. A wake's pod stays
for a while after its answer: what the autoscaler decides at its next tick belongs to it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final
from urllib.parse import urlsplit

from remixer.cli.lab.coldstart_client import Answer, ClientConnection, ask_at_once
from remixer.cli.lab.coldstart_cpu import kept_awake, worker_cpu_us
from remixer.cli.lab.coldstart_envoys import host_of
from remixer.cli.lab.coldstart_mesh import WARM, Arm, ColdstartMesh
from remixer.cli.lab.coldstart_steps import Ports, Steps, steps_of
from remixer.cli.lab.coldstart_tap import LoopbackTap, Segment
from remixer.cli.lab.coldstart_wakes import Burst, Row, Survival, Wake, Warm, percentile
from remixer.cli.lab.options import ColdstartOptions
from remixer.foundation.clock import Clock
from remixer.transport.addresses import TcpAddress

_WITHIN_S: Final = 15.0
"""For an answer: many times what a healthy one takes."""
_LINGER_S: Final = 2.5
"""Longer than from one tick of the autoscaler to the next."""
_PAUSE_S: Final = 0.03
"""Between wakes: for what follows an answer, such as new endpoints."""
_SETTLED_S: Final = 0.15
"""After that the new pod's process has started, and waits."""
_BLOCK: Final = 100
"""Requests through one Envoy before the next has its turn."""
_ALONE_S: Final = 0.5
"""Between the requests without an autoscaler and its return."""
_US_PER_S: Final = 1e6
_MS_PER_S: Final = 1e3
_OK: Final = 200
_TARGET: Final = 70
"""Concurrent requests that one pod is to have: 70 % of Knative's 100."""


class Experiment:
    """One run."""

    def __init__(
        self,
        mesh: ColdstartMesh,
        options: ColdstartOptions,
        *,
        clock: Clock,
        tell: Callable[[str], None],
    ) -> None:
        self._mesh = mesh
        self._options = options
        self._clock = clock
        self._tell = tell
        self._waiting: deque[tuple[Arm, str, Answer, Sequence[Segment]]] = deque()
        """Answered; their pods still run."""
        self._tap: LoopbackTap | None = None
        self._steps: dict[str, list[Steps]] = {}
        self._arms = list(mesh.arms)
        self._wakes: dict[str, list[Wake]] = {}
        self.dropped: dict[str, str] = {}
        """Architectures that cannot wake anything, by title, and why not."""

    async def rows(self) -> tuple[Row, ...]:
        """One for each architecture that works."""
        await self._rehearse()
        await self._wake_all()
        bursts = await self._bursts()
        warm = await self._warm()
        survivals = await self._without_autoscaler()
        return tuple(
            Row(
                arm.architecture.name,
                arm.architecture.title,
                tuple(self._wakes[arm.architecture.name]),
                burst,
                awake,
                survival,
                tuple(self._steps.get(arm.architecture.name, ())),
            )
            for arm, burst, awake, survival in zip(self._arms, bursts, warm, survivals, strict=True)
        )

    # ---------------------------------------------------------------- wakes

    async def _rehearse(self) -> None:
        self._tell("rehearsing")
        async with AsyncExitStack() as stack:
            for arm in self._arms:
                self._wakes[arm.architecture.name] = []
                connection = await self._connected(stack, arm.ingress.at)
                for name in arm.rehearsals:
                    await self._wake(arm, connection, name)
        await self._collect(all_of_them=True)
        for arm in tuple(self._arms):
            rehearsed = self._wakes[arm.architecture.name]
            if rehearsed[-1].phases is None:
                self._arms.remove(arm)
                self.dropped[arm.architecture.title] = _why_not(rehearsed[-1])
            rehearsed.clear()

    async def _wake_all(self) -> None:
        async with AsyncExitStack() as stack:
            if self._options.steps:
                self._tap = stack.enter_context(LoopbackTap(self._clock))
            connections = [await self._connected(stack, arm.ingress.at) for arm in self._arms]
            for number in range(self._options.wakes):
                self._tell(f"wake {number + 1} of {self._options.wakes}, each architecture in turn")
                for arm, connection in zip(self._arms, connections, strict=True):
                    await self._wake(arm, connection, arm.wakes[number])
            self._tap = None
        await self._collect(all_of_them=True)

    async def _wake(self, arm: Arm, connection: ClientConnection, name: str) -> None:
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(connection.ask(host_of(name), within_s=_WITHIN_S))
            # While the pod starts nobody measures: time to end other pods, and to wait for that.
            await asyncio.sleep(min(_SETTLED_S, self._options.pod_start_s / 2))
            await self._collect(all_of_them=False)
        seen = self._tap.drain() if self._tap is not None else ()
        self._waiting.append((arm, name, asked.result(), seen))
        arm.serves(name)
        await asyncio.sleep(_PAUSE_S)

    async def _collect(self, *, all_of_them: bool) -> None:
        """The stories of those whose time is over."""
        while self._waiting:
            arm, name, answer, seen = self._waiting[0]
            left_s = answer.answered_at_s + _LINGER_S - self._clock.monotonic_s()
            if left_s > 0:
                if not all_of_them:
                    return
                await asyncio.sleep(left_s)
            self._waiting.popleft()
            story = await self._mesh.cluster.story(arm.site.key(name))
            await self._mesh.cluster.retire(arm.site.key(name))
            wake = Wake(*answer, story)
            self._wakes[arm.architecture.name].append(wake)
            if seen and (found := steps_of(seen, self._ports(arm, name), wake)):
                self._steps.setdefault(arm.architecture.name, []).append(found)

    def _ports(self, arm: Arm, name: str) -> Ports:
        cluster = self._mesh.cluster
        autoscaler, kubernetes = (
            urlsplit(url).port or 0 for url in (cluster.autoscaler, cluster.kubernetes)
        )
        decider = arm.decider.port if arm.decider is not None else 0
        return Ports(arm.site.pods[name].port, autoscaler, kubernetes, decider)

    # ---------------------------------------------------------------- bursts

    async def _bursts(self) -> list[Burst]:
        """One after the other; what the autoscaler decides later belongs to them, too."""
        requests = self._options.burst
        answered = []
        for arm in self._arms:
            self._tell(f"{requests} requests at once: {arm.architecture.title}")
            answers = await ask_at_once(
                arm.ingress.at,
                host_of(arm.burst),
                requests=requests,
                within_s=_WITHIN_S,
                clock=self._clock,
            )
            answered.append(answers)
        await asyncio.sleep(_LINGER_S)
        return [
            await self._burst(arm, answers)
            for arm, answers in zip(self._arms, answered, strict=True)
        ]

    async def _burst(self, arm: Arm, answers: Sequence[Answer]) -> Burst:
        key, cluster = arm.site.key(arm.burst), self._mesh.cluster
        story = await cluster.story(key)
        await cluster.retire(key)
        took_s = max(each.answered_at_s for each in answers) - answers[0].asked_at_s
        pod_s = (story.up_at_s or 0.0) - (story.decided_at_s or 0.0)
        needed = -(-len(answers) // _TARGET)
        return Burst(
            sent=len(answers),
            failed=sum(each.status != _OK for each in answers),
            last_answer_ms=(took_s - pod_s) * _MS_PER_S,
            stats=len(story.stats_at_s),
            pods_beyond_need=max(0, story.pods_started - needed),
        )

    # ---------------------------------------------------------------- awake

    async def _warm(self) -> list[Warm]:
        """Of each arm, and of its Envoy where it asks nobody."""
        self._tell(f"{self._options.warm} requests to a revision that is awake, through each Envoy")
        requests = min(_BLOCK, self._options.warm)
        async with AsyncExitStack() as stack:
            pairs = []
            for arm in self._arms:
                asking = await self._connected(stack, arm.ingress.at)
                bare = await self._connected(stack, arm.ingress.bare)
                await asking.ask(host_of(WARM), within_s=_WITHIN_S)
                arm.serves(WARM)
                pairs.append((_Gauge(asking, arm.ingress.pid), _Gauge(bare, arm.ingress.pid)))
            await asyncio.sleep(_LINGER_S)
            async with kept_awake(together=[arm.ingress.pid for arm in self._arms]):
                for block in range(-(-self._options.warm // _BLOCK) + 1):
                    for pair in pairs:
                        # Neither is always the first, whom whatever ran before costs more.
                        for gauge in pair[:: 1 if block % 2 else -1]:
                            await gauge.measure(requests, counts=block > 0)
        return [asking.compared_with(bare) for asking, bare in pairs]

    # ---------------------------------------------------------------- no autoscaler

    async def _without_autoscaler(self) -> list[Survival]:
        self._tell("requests without an autoscaler")
        cluster, arms = self._mesh.cluster, self._arms
        async with AsyncExitStack() as stack:
            connections = [await self._connected(stack, arm.ingress.at) for arm in arms]
            await cluster.stop_autoscaler()
            async with asyncio.TaskGroup() as group:
                asked = [
                    group.create_task(connection.ask(host_of(arm.orphan), within_s=_WITHIN_S))
                    for arm, connection in zip(arms, connections, strict=True)
                ]
                await asyncio.sleep(_ALONE_S)
                await cluster.start_autoscaler([arm.site.key(arm.orphan) for arm in arms])
                back_at_s = self._clock.monotonic_s()
        answers = [each.result() for each in asked]
        return [Survival(each.status, each.answered_at_s - back_at_s) for each in answers]

    async def _connected(self, stack: AsyncExitStack, at: TcpAddress) -> ClientConnection:
        connection = await ClientConnection.to(at, self._clock)
        stack.callback(connection.close)
        return connection


class _Gauge:
    """Measures one Envoy, block by block."""

    def __init__(self, connection: ClientConnection, pid: int) -> None:
        self._connection = connection
        self._pid = pid
        self.latencies_us: list[float] = []
        self.cpu_us: list[float] = []
        """For one request, of each block."""

    async def measure(self, requests: int, *, counts: bool) -> None:
        before_us = worker_cpu_us(self._pid)
        latencies_us = []
        for _ in range(requests):
            answer = await self._connection.ask(host_of(WARM), within_s=_WITHIN_S)
            latencies_us.append((answer.answered_at_s - answer.asked_at_s) * _US_PER_S)
        if counts:
            self.latencies_us += latencies_us
            self.cpu_us.append((worker_cpu_us(self._pid) - before_us) / requests)

    def compared_with(self, bare: "_Gauge") -> Warm:
        more = [each - other for each, other in zip(self.cpu_us, bare.cpu_us, strict=True)]
        return Warm(
            p50_us=percentile(self.latencies_us, 0.5) or 0.0,
            p99_us=percentile(self.latencies_us, 0.99) or 0.0,
            bare_p50_us=percentile(bare.latencies_us, 0.5) or 0.0,
            envoy_cpu_us=percentile(self.cpu_us, 0.5) or 0.0,
            added_cpu_us=percentile(more, 0.5) or 0.0,
        )


def _why_not(wake: Wake) -> str:
    """Of a rehearsal that failed."""
    told = "a stat was sent" if wake.story.stats_at_s else "no stat was sent"
    up = "its pod came up" if wake.story.up_at_s else "no pod came up"
    return f"in rehearsal it answered {wake.status or 'nothing'}; {told}, {up}"
