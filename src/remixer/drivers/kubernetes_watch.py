"""Follows one kind of Kubernetes objects: list, then watch, for ever.

Theory of operation. Two states, told apart by `_version`:

* None: list, page by page. Each object goes to the sink at once; when the last page came, the
  sink sweeps what it did not see. Then `_version` is the list's.
* set: watch from it. Every event moves it on, bookmarks too.

A watch that the server ends after a while is the ordinary case: watch again from `_version`.
410 Gone, as status or event, means that the server no longer knows `_version`: list. A list is
also due every `refresh_s`, against events that got lost. Any other failure waits, jittered and
longer each time, and goes on where it was; after `FAILURES_TO_LIST` in a row it lists. A watch
that ends at once with nothing said counts as a failure too, so that no server makes this spin.
The waits start anew when a watch has delivered something or lasted.

Until the first list is complete, `synced` is not set. Meanwhile and later the sink keeps what it
has: old knowledge is served while the server is away.
"""

import asyncio
import random
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Protocol

from remixer.drivers.kubernetes import JsonObject, KubernetesApi, KubernetesError
from remixer.foundation.backoff import Backoff
from remixer.foundation.clock import Clock
from remixer.foundation.event_limit import EventLimit
from remixer.foundation.log import event_log

PAGE_SIZE: Final = 250
MOST_PAGES: Final = 10_000
"""A server that goes on beyond that does not know what it does."""
WATCH_S: Final = 240.0
"""How long the server is asked to keep a watch open; it ends it sooner if it likes."""
_LATE_S: Final = 30.0
"""After that much more a silent connection is taken for dead."""
_LASTING_S: Final = 1.0
FAILURES_TO_LIST: Final = 3
WATCH_BACKOFF: Final = Backoff(first_s=0.5, longest_s=30.0)
"""Between failures in a row."""
_LOG_INTERVAL_S: Final = 30.0

_log: Final = event_log(__name__)


class ObjectSink(Protocol):
    """Keeps what it needs of objects. No method waits or raises, whatever the objects hold."""

    def begin(self) -> None:
        """A list begins: every object that exists is going to be put."""
        ...

    def put(self, item: JsonObject, /) -> None:
        """`item` exists as this."""
        ...

    def remove(self, item: JsonObject, /) -> None:
        """`item` is gone."""
        ...

    def sweep(self) -> None:
        """The list is complete: what was not put since `begin` is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Watched:
    """Which objects: `/api/v1/pods`, `/api/v1/namespaces/istio-system/secrets`."""

    path: str
    label_selector: str = ""

    @property
    def kind(self) -> str:
        """`pods`, for logs."""
        return self.path.rpartition("/")[2]


class _GoneError(KubernetesError):
    """The server no longer knows the version to watch from."""


class Follower:
    """Keeps one sink up to date. `run` is its life."""

    def __init__(
        self,
        watched: Watched,
        *,
        api: KubernetesApi,
        sink: ObjectSink,
        clock: Clock,
        refresh_s: float = 0.0,
        backoff: Backoff = WATCH_BACKOFF,
        chance: random.Random | None = None,
    ) -> None:
        """`refresh_s` 0: list only when needed."""
        self.watched = watched
        self.synced = asyncio.Event()
        self.last_error = ""
        """Why the latest exchange failed; `""` after a good one."""
        self._api = api
        self._sink = sink
        self._clock = clock
        self._refresh_s = refresh_s
        self._backoff = backoff
        self._chance = chance or random.Random()  # noqa: S311 - spreads load, keeps no secret
        self._failures_logged = EventLimit(interval_s=_LOG_INTERVAL_S)
        self._version: str | None = None
        self._listed_at_s = 0.0
        self._failures = 0

    async def run(self) -> None:
        """List and watch until cancelled."""
        while True:
            try:
                if self._version is None or self._refresh_due_s() <= 0:
                    await self._list()
                await self._watch()
            except KubernetesError as error:
                await self._failed(error)

    async def _failed(self, error: KubernetesError) -> None:
        self._failures += 1
        if isinstance(error, _GoneError) or self._failures % FAILURES_TO_LIST == 0:
            self._version = None
        self.last_error = str(error)
        held_back = self._failures_logged.pass_now("failed", now_s=self._clock.monotonic_s())
        if held_back is not None and not isinstance(error, _GoneError):
            _log.warning(
                "kubernetes_watch_failed",
                kind=self.watched.kind,
                reason=self.last_error,
                held_back=held_back,
            )
        await asyncio.sleep(self._backoff.pause_s(self._failures, self._chance))

    def _refresh_due_s(self) -> float:
        """Seconds until the next list is due; far away without `refresh_s`."""
        if self._refresh_s <= 0:
            return float("inf")
        return self._listed_at_s + self._refresh_s - self._clock.monotonic_s()

    def _query(self, **parameters: str) -> list[tuple[str, str]]:
        if self.watched.label_selector:
            parameters["labelSelector"] = self.watched.label_selector
        return list(parameters.items())

    async def _list(self) -> None:
        self._version = None
        self._sink.begin()
        token = ""
        for _ in range(MOST_PAGES):
            query = self._query(limit=str(PAGE_SIZE), **({"continue": token} if token else {}))
            page = await self._page(query)
            for item in _objects(page):
                self._sink.put(item)
            token = _text(_metadata(page), "continue")
            if not token:
                break
        else:
            message = f"GET {self.watched.path}: more than {MOST_PAGES} pages"
            raise KubernetesError(message)
        self._sink.sweep()
        self._version = _text(_metadata(page), "resourceVersion")
        self._listed_at_s = self._clock.monotonic_s()
        self.last_error = ""
        self.synced.set()

    async def _page(self, query: list[tuple[str, str]]) -> JsonObject:
        try:
            page = await self._api.get(self.watched.path, query)
        except KubernetesError as error:
            if error.status == HTTPStatus.GONE:  # the list took longer than its token lives
                raise _GoneError(str(error), status=error.status) from error
            raise
        if not isinstance(page.get("items"), list | None):
            message = f"GET {self.watched.path}: the answer is no list"
            raise KubernetesError(message)
        return page

    async def _watch(self) -> None:
        wanted_s = max(1.0, min(WATCH_S, self._refresh_due_s()))
        query = self._query(
            watch="true",
            allowWatchBookmarks="true",
            resourceVersion=self._version or "0",
            timeoutSeconds=str(round(wanted_s)),
        )
        begun_s = self._clock.monotonic_s()
        events = self._api.watch(self.watched.path, query, timeout_s=wanted_s + _LATE_S)
        said_something = False
        try:
            async with aclosing(events):
                async for event in events:
                    self._take(event)
                    said_something = True
                    self._failures = 0
        except KubernetesError as error:
            if error.status == HTTPStatus.GONE:
                raise _GoneError(str(error), status=error.status) from error
            raise
        if said_something or self._clock.monotonic_s() - begun_s >= _LASTING_S:
            self._failures = 0
            return
        message = f"GET {self.watched.path}: the watch ended at once"
        raise KubernetesError(message)

    def _take(self, event: JsonObject) -> None:
        """One event. Raises `KubernetesError` for what is none."""
        kind, item = event.get("type"), event.get("object")
        if not isinstance(item, dict):
            message = f"GET {self.watched.path}: an event without an object"
            raise KubernetesError(message)
        match kind:
            case "ADDED" | "MODIFIED":
                self._sink.put(item)
            case "DELETED":
                self._sink.remove(item)
            case "BOOKMARK":
                pass
            case "ERROR":
                message = f"GET {self.watched.path}: {_text(item, 'message') or 'watch failed'}"
                code = item.get("code")
                raise KubernetesError(message, status=code if isinstance(code, int) else 0)
            case _:
                message = f"GET {self.watched.path}: an event of unknown type"
                raise KubernetesError(message)
        self._version = _text(_metadata(item), "resourceVersion") or self._version
        self.last_error = ""


def _objects(page: JsonObject) -> list[JsonObject]:
    return [item for item in page.get("items") or () if isinstance(item, dict)]


def _metadata(item: JsonObject) -> Mapping[str, Any]:
    metadata = item.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _text(mapping: Mapping[str, Any], key: str) -> str:
    value = mapping.get(key)
    return value if isinstance(value, str) else ""
