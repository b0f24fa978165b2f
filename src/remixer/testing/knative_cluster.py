"""As much of a Knative cluster as a cold start needs, in one process: who decides, who starts pods.

    python -m remixer.testing.knative_cluster '{"revisions": ["lab/a-1"], "pod_start_s": 0.5}'

An autoscaler (`knative_autoscaler`), a deployer that follows it (`knative_deployer`), and a
Kubernetes API that tells of endpoints (`kubernetes_api`): a revision's slice names its address
when its pod starts, as not ready, and as ready when it listens. In a cluster that takes about a
second more; here nobody waits for it, the activator neither.

It speaks JSON lines: the first one tells where everything is, then each line of standard input is
answered by one. It ends with its standard input, and its pods with it. Times are seconds of the
monotonic clock, which all processes of a machine share.
"""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import Any, Self

from remixer.testing.knative_autoscaler import Decision, KnativeAutoscaler
from remixer.testing.knative_decider import UNDECIDED
from remixer.testing.knative_deployer import Deployer, PodUp
from remixer.testing.kubernetes_api import FakeKubernetesApi


def endpoint_slices_of(namespace: str) -> str:
    """Where the API lists them. Each namespace's watchers hear of no other's pods."""
    return f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"


@dataclass(frozen=True, slots=True)
class RevisionStory:
    """What happened to one revision. None: it did not."""

    stats_at_s: tuple[float, ...]
    decided_at_s: float | None
    """When one pod or more were wanted for the first time."""
    most_desired: int
    pods_started: int
    up_at_s: float | None
    """When its first pod listened."""


class KnativeCluster:
    """An async context manager around everything."""

    def __init__(self, revisions: Sequence[str], *, pod_start_s: float) -> None:
        """`revisions` as `namespace/name`, idle at first."""
        self._revisions = tuple(revisions)
        self._stack = AsyncExitStack()
        self._ups: dict[str, PodUp] = {}
        self.autoscaler = KnativeAutoscaler()
        self.api = FakeKubernetesApi()
        self.ports: dict[str, int] = {}
        """Of each revision's pods."""
        self._deployer = Deployer(
            pod_start_s, on_start=self._started, on_up=self._up, on_down=self._down
        )

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.api)
            await stack.enter_async_context(self._deployer)
            await stack.enter_async_context(self.autoscaler)
            self.autoscaler.on_decision.append(self._decided)
            for revision in self._revisions:
                self.ports[revision] = self._deployer.reserve(revision)
                self.autoscaler.add(revision)
                self._tell(revision, is_ready=None)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    # ---------------------------------------------------------------- what can be asked

    def story(self, revision: str) -> RevisionStory:
        decisions = [
            each for each in self.autoscaler.decisions if str(each.key) == revision and each.after
        ]
        up = self._ups.get(revision)
        return RevisionStory(
            stats_at_s=tuple(
                each.at_s for each in self.autoscaler.seen if str(each.stat.key) == revision
            ),
            decided_at_s=decisions[0].at_s if decisions else None,
            most_desired=max((each.after for each in decisions), default=0),
            pods_started=self._deployer.started.get(revision, 0),
            up_at_s=up.up_at_s if up else None,
        )

    def retire(self, revision: str) -> None:
        """No pods any more, and none again."""
        self.autoscaler.remove(revision)
        self._deployer.scale(revision, 0)

    async def stop_autoscaler(self) -> None:
        """As a process that is killed: nobody is told, nothing is remembered."""
        await self.autoscaler.server.stop(graceful=False)

    async def start_autoscaler(self, revisions: Sequence[str]) -> None:
        """A new one at the old address: of `revisions` it has decided nothing yet."""
        for revision in revisions:
            self.autoscaler.add(revision, desired=UNDECIDED)
        await self.autoscaler.server.start()

    # ---------------------------------------------------------------- what happens by itself

    def _decided(self, decision: Decision) -> None:
        self._deployer.scale(str(decision.key), max(0, decision.after))

    def _started(self, revision: str) -> None:
        self._tell(revision, is_ready=False)

    def _up(self, up: PodUp) -> None:
        self._ups[up.revision] = up
        self._tell(up.revision, is_ready=True)

    def _down(self, revision: str) -> None:
        self._tell(revision, is_ready=None)

    def _tell(self, revision: str, *, is_ready: bool | None) -> None:
        slice_ = endpoint_slice(revision, self.ports[revision], is_ready=is_ready)
        self.api.apply(endpoint_slices_of(revision.partition("/")[0]), slice_)


def endpoint_slice(revision: str, port: int, *, is_ready: bool | None) -> dict[str, Any]:
    """Of the private service, as Kubernetes would write it. `is_ready` None: without a pod."""
    namespace, _, name = revision.partition("/")
    endpoint = {"addresses": ["127.0.0.1"], "conditions": {"ready": is_ready}}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": namespace,
            "name": f"{name}-private-a",
            "labels": {
                "kubernetes.io/service-name": f"{name}-private",
                "networking.internal.knative.dev/serviceType": "Private",
                "serving.knative.dev/revision": name,
            },
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        "endpoints": [] if is_ready is None else [endpoint],
    }


async def serve(revisions: Sequence[str], *, pod_start_s: float) -> None:
    """Until standard input ends."""
    loop = asyncio.get_running_loop()
    stdin = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    async with KnativeCluster(revisions, pod_start_s=pod_start_s) as cluster:
        _say(
            {
                "autoscaler": cluster.autoscaler.url,
                "kubernetes": cluster.api.url,
                "ports": cluster.ports,
            }
        )
        while line := await stdin.readline():
            _say(await _answer(cluster, json.loads(line)))


async def _answer(cluster: KnativeCluster, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    match asked["command"]:
        case "story":
            return asdict(cluster.story(asked["revision"]))
        case "retire":
            cluster.retire(asked["revision"])
        case "stop_autoscaler":
            await cluster.stop_autoscaler()
        case "start_autoscaler":
            await cluster.start_autoscaler(asked["revisions"])
        case other:
            return {"error": f"no such command: {other}"}
    return {}


def _say(document: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _settings = json.loads(sys.argv[1])
    asyncio.run(serve(_settings["revisions"], pod_start_s=_settings["pod_start_s"]))
