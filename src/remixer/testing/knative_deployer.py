"""Starts and stops pods as a scaler decides: processes of `knative_pod`, on loopback.

A revision keeps one port from `reserve` to the end, bound and never listened on: while it has no
pod, whoever connects is refused. More pods of one revision share the port, as they would share
the address of a Kubernetes service. Pods end with their deployer, however it ends: each watches
the pipe between them.
"""

import asyncio
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from remixer.testing import knative_pod

_STOP_S: Final = 2.0
_MOST_PODS: Final = 20
"""Of one revision; a scaler that wants more is counted and not obeyed: the machine is one."""
_PROGRAM: Final = Path(knative_pod.__file__)


@dataclass(frozen=True, slots=True)
class PodUp:
    """The first pod of a revision listens. Seconds of the monotonic clock."""

    revision: str
    started_at_s: float
    """When the deployer was told."""
    up_at_s: float


class _Revision:
    """Its port, and how many pods it is to have."""

    def __init__(self) -> None:
        self.keeper = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.keeper.bind(("127.0.0.1", 0))
        self.stops: list[asyncio.Event] = []
        self.is_up = False

    @property
    def port(self) -> int:
        port: int = self.keeper.getsockname()[1]
        return port


@dataclass(slots=True)
class Deployer:
    """An async context manager. All pods are gone when it ends."""

    pod_start_s: float
    on_start: Callable[[str], None]
    """A revision without pods gets one: its address is known, nobody listens yet."""
    on_up: Callable[[PodUp], None]
    on_down: Callable[[str], None]
    """A revision has no pod any more."""
    started: dict[str, int] = field(default_factory=dict)
    """Pods so far by revision."""
    _revisions: dict[str, _Revision] = field(default_factory=dict)
    _group: asyncio.TaskGroup = field(default_factory=asyncio.TaskGroup)

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for revision in self._revisions:
            self.scale(revision, 0)
        try:
            await self._group.__aexit__(kind, error, trace)
        finally:
            for each in self._revisions.values():
                each.keeper.close()

    def reserve(self, revision: str) -> int:
        """The port of its pods; connections to it are refused until one is up."""
        kept = self._revisions[revision] = _Revision()
        return kept.port

    def scale(self, revision: str, replicas: int) -> None:
        """So many pods are wanted from now on. Returns at once."""
        kept = self._revisions[revision]
        while len(kept.stops) > replicas:
            kept.stops.pop().set()
        if not kept.stops and not replicas and kept.is_up:
            kept.is_up = False
            self.on_down(revision)
        while len(kept.stops) < min(replicas, _MOST_PODS):
            stop = asyncio.Event()
            kept.stops.append(stop)
            self.started[revision] = self.started.get(revision, 0) + 1
            if len(kept.stops) == 1:
                self.on_start(revision)
            self._group.create_task(self._pod(revision, kept, stop), name=f"pod of {revision}")

    async def _pod(self, revision: str, kept: _Revision, stop: asyncio.Event) -> None:
        started_at_s = time.monotonic()
        ready_at_s = started_at_s + self.pod_start_s
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", str(_PROGRAM), str(kept.port), f"{ready_at_s:.6f}"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(self._tell_when_up(revision, kept, process, started_at_s))
                await stop.wait()
                watch.cancel()
        finally:
            await asyncio.shield(_ended(process))

    async def _tell_when_up(
        self,
        revision: str,
        kept: _Revision,
        process: asyncio.subprocess.Process,
        started_at_s: float,
    ) -> None:
        assert process.stdout is not None  # noqa: S101 - a pipe, see above
        line = await process.stdout.readline()
        if line and not kept.is_up:
            kept.is_up = True
            self.on_up(PodUp(revision, started_at_s, float(line)))


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Kindly, and then not."""
    assert process.stdin is not None  # noqa: S101 - a pipe, see above
    process.stdin.close()
    try:
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
