"""Which address an activator may send to: it watches endpoints, and asks each pod itself.

Ready and not ready endpoints are probed alike: at once when one appears or changes, then every
200 ms until it says that it is a queue-proxy. Source: Knative 1.23's revision watcher.
"""

import asyncio
from collections.abc import Iterator
from typing import Any, Final

from remixer.drivers.kubernetes import JsonObject
from remixer.testing.knative_http import HttpUpstreams
from remixer.transport.addresses import TcpAddress
from remixer.wire.knative_stats import RevisionKey

PROBE_EVERY_S: Final = 0.2
PROBE_WITHIN_S: Final = 0.3
_PROBE: Final = (
    b"GET /healthz HTTP/1.1\r\nHost: pod\r\nUser-Agent: Knative-Activator-Probe\r\n"
    b"K-Network-Probe: queue\r\n\r\n"
)
_READY: Final = b"queue"
_REVISION: Final = "serving.knative.dev/revision"


class RevisionPods:
    """The pods of one revision, and who waits for one."""

    def __init__(self) -> None:
        self.known: TcpAddress | None = None
        """What Kubernetes tells; nobody has asked there yet."""
        self.changed = asyncio.Event()
        self.healthy: asyncio.Future[TcpAddress] = asyncio.get_running_loop().create_future()
        self.is_probed = False

    def forget(self) -> None:
        """No pods any more. Whoever waits goes on waiting."""
        self.known = None
        if self.healthy.done():
            self.healthy = asyncio.get_running_loop().create_future()


class ActivatorEndpoints:
    """A sink of EndpointSlices; `healthy` waits. Probes run in `group`."""

    def __init__(self, *, group: asyncio.TaskGroup, upstreams: HttpUpstreams) -> None:
        self._group = group
        self._upstreams = upstreams
        self._pods: dict[RevisionKey, RevisionPods] = {}

    async def healthy(self, key: RevisionKey) -> TcpAddress:
        """Where a pod of it answers, as soon as one does."""
        return await asyncio.shield(self._of(key).healthy)

    # ---------------------------------------------------------------- called by the watch

    def begin(self) -> None:
        """Nothing to do: nothing is ever forgotten by a list here."""

    def put(self, item: JsonObject, /) -> None:
        key, addresses = _key(item), [*_addresses(item)]
        pods = self._of(key)
        if not addresses:
            pods.forget()
            return
        pods.known = addresses[0]
        pods.changed.set()
        if not pods.is_probed and not pods.healthy.done():
            pods.is_probed = True
            self._group.create_task(self._probe_until_healthy(pods), name=f"probes of {key}")

    def remove(self, item: JsonObject, /) -> None:
        self._of(_key(item)).forget()

    def sweep(self) -> None:
        """As `begin`."""

    # ---------------------------------------------------------------- probes

    async def _probe_until_healthy(self, pods: RevisionPods) -> None:
        try:
            while (address := pods.known) is not None:
                pods.changed.clear()
                if await self._answers(address):
                    pods.healthy.set_result(address)
                    return
                await _set_within(pods.changed, PROBE_EVERY_S)
        finally:
            pods.is_probed = False

    async def _answers(self, address: TcpAddress) -> bool:
        try:
            async with asyncio.timeout(PROBE_WITHIN_S):
                return (await self._upstreams.ask(address, _PROBE)).endswith(_READY)
        except (TimeoutError, OSError):
            return False

    def _of(self, key: RevisionKey) -> RevisionPods:
        if key not in self._pods:
            self._pods[key] = RevisionPods()
        return self._pods[key]


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


def _key(item: JsonObject) -> RevisionKey:
    metadata: Any = item["metadata"]
    return RevisionKey(metadata["namespace"], metadata["labels"][_REVISION])


def _addresses(item: JsonObject) -> Iterator[TcpAddress]:
    """Of ready endpoints and of those that are not."""
    for endpoint in item["endpoints"]:
        for host in endpoint["addresses"]:
            yield TcpAddress(host, item["ports"][0]["port"])
