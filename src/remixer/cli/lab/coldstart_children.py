"""Stand-ins that speak JSON lines: the cluster and the activator, as processes of their own.

They are modules of `remixer.testing`, named here and not imported: what plays a cluster is
nothing that a command needs, until somebody runs this one. Both end with their standard input,
so that nothing stays behind whatever becomes of us.
"""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from remixer.cli.demo.processes import stop
from remixer.cli.lab.coldstart_wakes import Story
from remixer.foundation.errors import StartupError
from remixer.transport.addresses import TcpAddress

CLUSTER: Final = "remixer.testing.knative_cluster"
ACTIVATOR: Final = "remixer.testing.knative_activator"
_READY_S: Final = 30.0
_ANSWER_S: Final = 20.0
_STOP_S: Final = 10.0
_LONGEST_LINE: Final = 1 << 20


class Child:
    """One process. `ask` is for one caller at a time."""

    def __init__(self, module: str, *, log: Path) -> None:
        self._module = module
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, settings: Mapping[str, Any]) -> Any:  # noqa: ANN401 - parsed JSON
        """Its first line. Raises `StartupError` with the reason in its log."""
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", self._module, json.dumps(settings)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=_LONGEST_LINE,
                start_new_session=True,
            )
        return await self._line(_READY_S)

    async def ask(self, command: str, **arguments: Any) -> Any:  # noqa: ANN401 - JSON
        """Raises `StartupError` if it has ended."""
        assert self._process is not None  # noqa: S101 - who asks earlier is wrong
        assert self._process.stdin is not None  # noqa: S101 - a pipe, see above
        self._process.stdin.write(json.dumps({"command": command, **arguments}).encode() + b"\n")
        return await self._line(_ANSWER_S)

    async def aclose(self) -> None:
        """Safe before `start`."""
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            await stop(process, within_s=_STOP_S)

    async def _line(self, within_s: float) -> Any:  # noqa: ANN401 - parsed JSON
        assert self._process is not None  # noqa: S101 - see above
        assert self._process.stdout is not None  # noqa: S101 - a pipe, see above
        try:
            async with asyncio.timeout(within_s):
                line = await self._process.stdout.readline()
        except TimeoutError:
            line = b""
        if not line:
            message = f"{self._module} said nothing; its log: {self._log.read_text()}"
            raise StartupError(message)
        return json.loads(line)


class Cluster:
    """Autoscaler, pods, and Kubernetes's word of them."""

    def __init__(self, *, log: Path) -> None:
        self._child = Child(CLUSTER, log=log)
        self.autoscaler = ""
        """A websocket address."""
        self.kubernetes = ""
        """The API's URL."""
        self.pods: Mapping[str, TcpAddress] = {}
        """Where the pods of each revision are, or will be."""

    async def start(self, revisions: Sequence[str], *, pod_start_s: float) -> None:
        told = await self._child.start({"revisions": revisions, "pod_start_s": pod_start_s})
        self.autoscaler, self.kubernetes = told["autoscaler"], told["kubernetes"]
        self.pods = {
            revision: TcpAddress("127.0.0.1", port) for revision, port in told["ports"].items()
        }

    async def story(self, revision: str) -> Story:
        return Story.of(await self._child.ask("story", revision=revision))

    async def retire(self, revision: str) -> None:
        await self._child.ask("retire", revision=revision)

    async def stop_autoscaler(self) -> None:
        await self._child.ask("stop_autoscaler")

    async def start_autoscaler(self, undecided: Sequence[str]) -> None:
        """Of `undecided` it knows nothing."""
        await self._child.ask("start_autoscaler", revisions=undecided)

    async def aclose(self) -> None:
        await self._child.aclose()


class ActivatorProcess:
    """The activator."""

    def __init__(self, *, log: Path) -> None:
        self._child = Child(ACTIVATOR, log=log)

    async def start(self, cluster: Cluster, *, namespace: str) -> TcpAddress:
        """Once it has connections to the autoscaler and to Kubernetes."""
        settings = {
            "autoscaler": cluster.autoscaler,
            "kubernetes": cluster.kubernetes,
            "namespace": namespace,
        }
        return TcpAddress("127.0.0.1", await self._child.start(settings))

    async def aclose(self) -> None:
        await self._child.aclose()
