"""Knative's activator, as far as a cold start meets it: a proxy that holds, reports and forwards.

    python -m remixer.testing.knative_activator '{"autoscaler": "ws://…", "kubernetes": "http://…"}'

Theory of operation. A request names its revision in two headers that the ingress appends. The
first one of an idle revision is reported at once, all that are held once a second
(`knative_activator_load`). A request waits until a pod of its revision has answered a probe
(`knative_activator_endpoints`), is then sent there with `K-Proxy-Request`, and its answer comes
back. Requests are read whole before they are sent on; each new connection is tried again with
growing waits, for a pod that is ready may still refuse. It ends with its standard input.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

from remixer.drivers.aio_websocket import AioWebSocketConnector
from remixer.drivers.kubernetes import KubernetesApi, kubeconfig_text
from remixer.drivers.kubernetes_watch import Follower, Watched
from remixer.drivers.websocket import WebSocket, WebSocketError
from remixer.foundation.clock import SystemClock
from remixer.testing.knative_activator_endpoints import ActivatorEndpoints
from remixer.testing.knative_activator_load import REPORT_S, ActivatorLoad
from remixer.testing.knative_cluster import endpoint_slices_of
from remixer.testing.knative_http import Downstream, HttpUpstreams, header
from remixer.transport.addresses import TcpAddress
from remixer.wire.knative_stats import Encoding, RevisionKey, Stat, encode_messages

NAMESPACE_HEADER: Final = "knative-serving-namespace"
REVISION_HEADER: Final = "knative-serving-revision"
HOLD_S: Final = 300.0
_RECONNECT_S: Final = 0.1
_DIAL_FIRST_S: Final = 0.05
_DIAL_FACTOR: Final = 1.4
_DIALS: Final = 15
_MARK: Final = b"\r\nK-Proxy-Request: activator\r\n"


class Activator:
    """Runs in a task group; `answer` is given whole requests."""

    def __init__(self, *, group: asyncio.TaskGroup, autoscaler: str) -> None:
        self._group = group
        self._autoscaler = autoscaler
        self._upstreams = HttpUpstreams()
        self._load = ActivatorLoad("activator-lab")
        self._socket: WebSocket | None = None
        self.connected = asyncio.Event()
        self.endpoints = ActivatorEndpoints(group=group, upstreams=self._upstreams)

    def start(self) -> None:
        self._group.create_task(self._keep_connected(), name="connection to the autoscaler")
        self._group.create_task(self._report_forever(), name="reports")

    async def answer(self, request: bytes) -> bytes:
        """Hold, forward, answer."""
        key = RevisionKey(header(request, NAMESPACE_HEADER), header(request, REVISION_HEADER))
        if not key.name:
            return _refusal("400 Bad Request", "no revision")
        stat = self._load.arrived(key, now_s=time.monotonic())
        if stat is not None:
            await self._send([stat])
        try:
            async with asyncio.timeout(HOLD_S):
                address = await self.endpoints.healthy(key)
                return await self._forwarded(address, request)
        except TimeoutError:
            return _refusal("504 Gateway Timeout", "activator request timeout")
        finally:
            self._load.left(key, now_s=time.monotonic())

    async def _forwarded(self, address: TcpAddress, request: bytes) -> bytes:
        wait_s = _DIAL_FIRST_S
        marked = request.replace(b"\r\n", _MARK, 1)
        for _ in range(_DIALS):
            try:
                return await self._upstreams.ask(address, marked)
            except ConnectionRefusedError:
                await asyncio.sleep(wait_s)
                wait_s *= _DIAL_FACTOR
            except OSError as error:
                return _refusal("502 Bad Gateway", str(error))
        return _refusal("502 Bad Gateway", f"nobody listens at {address}")

    # ---------------------------------------------------------------- stats

    async def _send(self, stats: list[Stat]) -> None:
        """What cannot be sent is lost, as it is with the real one."""
        if self._socket is None or not stats:
            return
        try:
            for message in encode_messages(stats, Encoding()):
                await self._socket.send(message)
        except WebSocketError:
            return

    async def _report_forever(self) -> None:
        while True:
            await asyncio.sleep(REPORT_S)
            await self._send(self._load.report(now_s=time.monotonic()))

    async def _keep_connected(self) -> None:
        connector = AioWebSocketConnector()
        while True:
            try:
                socket = await connector.connect(self._autoscaler)
            except WebSocketError:
                await asyncio.sleep(_RECONNECT_S)
                continue
            self._socket = socket
            self.connected.set()
            try:
                await socket.ended()
            finally:
                self._socket = None
                await socket.aclose()


def _refusal(status: str, reason: str) -> bytes:
    body = f"{reason}\n".encode()
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


async def serve(settings: Mapping[str, Any]) -> None:
    """Until standard input ends. The first line of output tells where it listens."""
    loop = asyncio.get_running_loop()
    stdin = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    api = KubernetesApi(kubeconfig_text(_kubeconfig(settings["kubernetes"]), name="the cluster"))
    await api.start()
    try:
        async with asyncio.TaskGroup() as group:
            activator = Activator(group=group, autoscaler=settings["autoscaler"])
            activator.start()
            follower = Follower(
                Watched(endpoint_slices_of(settings["namespace"])),
                api=api,
                sink=activator.endpoints,
                clock=SystemClock(),
            )
            group.create_task(follower.run(), name="endpoints")
            server = await loop.create_server(
                lambda: Downstream(group=group, answer=activator.answer), "127.0.0.1", 0
            )
            await follower.synced.wait()
            await activator.connected.wait()
            sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
            sys.stdout.flush()
            async with server:
                await _input_ended(stdin)
    except* _EndOfInput:
        pass
    finally:
        await api.aclose()


class _EndOfInput(Exception):  # noqa: N818 - no error
    """Ends the group and all its tasks."""


async def _input_ended(stdin: asyncio.StreamReader) -> None:
    await stdin.read()
    raise _EndOfInput


def _kubeconfig(url: str) -> bytes:
    here = {"clusters": [{"name": "here", "cluster": {"server": url}}]}
    context = [{"name": "here", "context": {"cluster": "here", "user": "me"}}]
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": context,
        "users": [{"name": "me", "user": {}}],
        **here,
    }
    return json.dumps(document).encode()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
