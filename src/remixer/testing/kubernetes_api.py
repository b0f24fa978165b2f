"""A Kubernetes API server for tests: lists and watches on loopback, with faults on demand.

    async with FakeKubernetesApi() as api:
        api.apply(PODS, {"metadata": {"namespace": "shop", "name": "cart-1"}})
        path = api.write_kubeconfig(tmp_path)

It keeps objects by their list's path (`/api/v1/pods`), gives every change a resource version,
pages lists, filters by `labelSelector=key=value` and `labelSelector=key`, and refuses to watch
from versions before `forget_history`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import yaml
from aiohttp import web

PODS: Final = "/api/v1/pods"
REPLICA_SETS: Final = "/apis/apps/v1/replicasets"
REPLICATION_CONTROLLERS: Final = "/api/v1/replicationcontrollers"
ENDPOINT_SLICES: Final = "/apis/discovery.k8s.io/v1/endpointslices"

JsonObject: TypeAlias = Mapping[str, Any]
_Key: TypeAlias = tuple[str, str]
_GONE: Final = 410


def secrets_path(namespace: str) -> str:
    """Where secrets of a namespace are listed."""
    return f"/api/v1/namespaces/{namespace}/secrets"


@dataclass(frozen=True, slots=True)
class _Change:
    version: int
    event: bytes
    labels: Mapping[str, str]


class _Shelf:
    """The objects of one path and the history of their changes."""

    def __init__(self) -> None:
        self.objects: dict[_Key, JsonObject] = {}
        self.changes: list[_Change] = []
        self.changed = asyncio.Event()


class FakeKubernetesApi:
    """Start it as an async context manager. `requests` has every path and query, in order."""

    def __init__(self, *, token: str = "") -> None:
        """With a token: whoever brings another gets 401."""
        self.token = token
        self.url = ""
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.refusals: dict[str, int] = {}
        """Path to HTTP status: such requests are refused until the entry is removed."""
        self.garbage: dict[str, bytes] = {}
        """Path to what lists and watches answer with instead."""
        self.silent: set[str] = set()
        """Paths that answer nothing at all."""
        self._shelves: dict[str, _Shelf] = {}
        self._version = 1
        self._oldest_version = 0
        self._watches: set[asyncio.Event] = set()
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(
            web.Server(self._answer, handler_cancellation=True), shutdown_timeout=0.01
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.drop_watches()
        if self._runner is not None:
            await self._runner.cleanup()

    # ---------------------------------------------------------------- objects

    def apply(self, path: str, item: JsonObject) -> None:
        """Make or replace an object; watches are told."""
        key = _key(item)
        shelf = self._shelf(path)
        kind = "MODIFIED" if key in shelf.objects else "ADDED"
        shelf.objects[key] = stamped = self._stamped(item)
        self._tell(shelf, kind, stamped)

    def delete(self, path: str, item: JsonObject, *, silently: bool = False) -> None:
        """Delete an object; `silently`: as if the event got lost."""
        shelf = self._shelf(path)
        del shelf.objects[_key(item)]
        if not silently:
            self._tell(shelf, "DELETED", self._stamped(item))

    def send(self, path: str, event: bytes) -> None:
        """Send these bytes to all watches of a path."""
        self._version += 1
        shelf = self._shelf(path)
        shelf.changes.append(_Change(self._version, event, {}))
        shelf.changed.set()

    def bookmark(self, path: str) -> None:
        """Tell watches the newest version."""
        self._version += 1
        item = {"kind": "Bookmark", "metadata": {"resourceVersion": str(self._version)}}
        self._tell(self._shelf(path), "BOOKMARK", item)

    # ---------------------------------------------------------------- faults

    def forget_history(self) -> None:
        """Watches from older versions get 410 from now on; running ones are ended."""
        self._version += 1
        self._oldest_version = self._version
        self.drop_watches()

    def drop_watches(self) -> None:
        """Break off every running watch."""
        for each in self._watches:
            each.set()

    @property
    def watching(self) -> int:
        """Running watches."""
        return len(self._watches)

    def count(self, path: str, *, watch: bool) -> int:
        """Requests so far for lists or watches of a path."""
        return sum(each == path and ("watch" in query) is watch for each, query in self.requests)

    # ---------------------------------------------------------------- credentials

    def kubeconfig(self) -> dict[str, Any]:
        """A kubeconfig for this server."""
        user = {"token": self.token} if self.token else {}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            "clusters": [{"name": "here", "cluster": {"server": self.url}}],
            "users": [{"name": "me", "user": user}],
        }

    def write_kubeconfig(self, folder: Path) -> str:
        """The path of a file with `kubeconfig`."""
        path = folder / "kubeconfig"
        path.write_text(yaml.safe_dump(self.kubeconfig()))
        return str(path)

    # ---------------------------------------------------------------- answers

    def _shelf(self, path: str) -> _Shelf:
        return self._shelves.setdefault(path, _Shelf())

    def _stamped(self, item: JsonObject) -> JsonObject:
        self._version += 1
        return {**item, "metadata": {**item["metadata"], "resourceVersion": str(self._version)}}

    def _tell(self, shelf: _Shelf, kind: str, item: JsonObject) -> None:
        event = json.dumps({"type": kind, "object": item}).encode() + b"\n"
        labels = item["metadata"].get("labels", {})
        shelf.changes.append(_Change(self._version, event, labels))
        shelf.changed.set()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path, query = request.path, dict(request.query)
        self.requests.append((path, query))
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return _status(401, "Unauthorized")
        if path in self.refusals:
            return _status(self.refusals[path], "refused by the test")
        if path in self.silent:
            await self._until_dropped(asyncio.Event())
            return web.Response()
        if path in self.garbage:
            return web.Response(body=self.garbage[path])
        wanted = _selector(query)
        if "watch" not in query:
            return self._list(path, query, wanted)
        if int(query["resourceVersion"]) < self._oldest_version:
            return _status(_GONE, "too old resource version")
        return await self._watch(request, wanted)

    def _list(
        self, path: str, query: dict[str, str], wanted: Callable[[JsonObject], bool]
    ) -> web.Response:
        shelf = self._shelf(path)
        items = [each for each in shelf.objects.values() if wanted(each["metadata"])]
        begin = int(query.get("continue", 0))
        end = begin + int(query.get("limit", len(items) or 1))
        metadata = {"resourceVersion": str(self._version)}
        if end < len(items):
            metadata["continue"] = str(end)
        return web.json_response({"kind": "List", "metadata": metadata, "items": items[begin:end]})

    async def _watch(
        self, request: web.BaseRequest, wanted: Callable[[JsonObject], bool]
    ) -> web.StreamResponse:
        shelf = self._shelf(request.path)
        since = int(request.query["resourceVersion"])
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        dropped = asyncio.Event()
        async with self._counted(dropped):
            while not dropped.is_set():
                shelf.changed.clear()
                for change in [each for each in shelf.changes if each.version > since]:
                    since = change.version
                    if wanted({"labels": change.labels}):
                        await response.write(change.event)
                await _first(dropped.wait(), shelf.changed.wait())
                if not dropped.is_set():
                    # Other watches of the path wake up too before the mark is cleared.
                    await asyncio.sleep(0)
        return response

    async def _until_dropped(self, dropped: asyncio.Event) -> None:
        async with self._counted(dropped):
            await dropped.wait()

    @asynccontextmanager
    async def _counted(self, dropped: asyncio.Event) -> AsyncIterator[None]:
        self._watches.add(dropped)
        try:
            yield
        finally:
            self._watches.discard(dropped)


async def _first(*waits: Any) -> None:  # noqa: ANN401 - coroutines of any result
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in waits]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()


def _key(item: JsonObject) -> _Key:
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _selector(query: dict[str, str]) -> Callable[[JsonObject], bool]:
    name, has_value, value = query.get("labelSelector", "").partition("=")
    if not has_value:
        return lambda metadata: not name or name in metadata.get("labels", {})
    return lambda metadata: metadata.get("labels", {}).get(name) == value


def _status(code: int, message: str) -> web.Response:
    body = {"kind": "Status", "status": "Failure", "code": code, "message": message}
    return web.json_response(body, status=code)
