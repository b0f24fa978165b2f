"""The configuration service: first state at start, every later state while running.

A state that is worse than the one before never takes the server down: `resolve` leaves out what
is broken, and a fault in the watching itself is logged and the watch begun again.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

from remixer.config.memory import ResolveMemory
from remixer.config.resolve import resolve
from remixer.config.resources import LoadedResources, overlay
from remixer.config.snapshot import Snapshot
from remixer.config.stores.embedded import default_vocabulary
from remixer.config.stores.port import ConfigStore
from remixer.expr.semantics import Semantics
from remixer.foundation.clock import Clock
from remixer.foundation.errors import InternalError, StartupError
from remixer.foundation.log import event_log
from remixer.foundation.problems import Problem
from remixer.runtime.reload import Reloader
from remixer.sdk.adapter import AnyAdapterInfo
from remixer.sdk.remote import RemoteAdapterFactory
from remixer.server.lifecycle import Readiness
from remixer.server.task_home import TaskHome
from remixer.templates.schema import Template

_log: Final = event_log(__name__)

_RETRY_S: Final = 0.5  # as often as the directory store polls
_WATCH_AGAIN_S: Final = 1.0  # after a fault of our own in the watching
_SUBJECT: Final = "configuration"


class Resolver:
    """`resolve` with what this process offers."""

    def __init__(
        self,
        *,
        adapters: Mapping[str, AnyAdapterInfo],
        templates: Mapping[str, Template],
        default_namespace: str,
        semantics: Semantics,
        remote: RemoteAdapterFactory | None = None,
        problems: tuple[Problem, ...] = (),
    ) -> None:
        """`remote` makes the adapters of `adapter` resources; without it there are none.

        `problems` of loading third parties' adapters and templates join every snapshot's.
        """
        self._adapters = adapters
        self._templates = templates
        self._default_namespace = default_namespace
        self._semantics = semantics
        self._remote = remote
        self._problems = problems
        # One run builds on the one before; the same default resources each time, too.
        self._memory = ResolveMemory()
        self._defaults: LoadedResources | None = None

    def __call__(self, loaded: LoadedResources) -> Snapshot:
        if self._defaults is None:
            self._defaults = default_vocabulary()
        snapshot = resolve(
            overlay(self._defaults, loaded),
            adapters=self._adapters,
            templates=self._templates,
            default_namespace=self._default_namespace,
            semantics=self._semantics,
            memory=self._memory,
            remote=self._remote,
        )
        return replace(snapshot, problems=self._problems + snapshot.problems)


class Configuration:
    """Feeds the engine from a store. A `Service`."""

    name = _SUBJECT

    def __init__(
        self,
        *,
        store: ConfigStore,
        resolver: Resolver,
        make_reloader: Callable[[asyncio.TaskGroup], Reloader],
        home: TaskHome,
        clock: Clock,
        readiness: Readiness,
        wait_s: float,
    ) -> None:
        """`wait_s`: how long the store may be unavailable at start."""
        self._store = store
        self._resolver = resolver
        self._make_reloader = make_reloader
        self._home = home
        self._clock = clock
        self._readiness = readiness
        self._wait_s = wait_s
        self._reloader: Reloader | None = None
        readiness.wait_for(_SUBJECT, "not loaded yet")

    async def start(self) -> None:
        self._reloader = self._make_reloader(await self._home.group())
        await self._apply(await self._first_state())
        self._readiness.have(_SUBJECT)

    async def run(self) -> None:
        while True:
            try:
                async for loaded in self._store.changes():
                    await self._apply(loaded)
            except Exception as error:  # noqa: BLE001 - the configuration in force stays
                _log.error("config_watch_failed", reason=str(error) or type(error).__name__)
                await asyncio.sleep(_WATCH_AGAIN_S)
            else:
                return

    async def drain(self, *, grace_s: float) -> None:
        """Hand over the reports that wait for slow handlers; requests have ended by now."""
        if self._reloader is None:
            return
        with suppress(TimeoutError):  # closing the handlers counts what is left
            async with asyncio.timeout(grace_s):
                await self._reloader.flush()

    async def aclose(self) -> None:
        reloader, self._reloader = self._reloader, None
        if reloader is not None:
            await reloader.aclose()

    async def _first_state(self) -> LoadedResources:
        loaded = await self._store.load()
        ends_at_s = self._clock.monotonic_s() + self._wait_s
        # A store that gives something is worth starting with; one unreadable file is a problem.
        while not loaded.is_available and not loaded.resources:
            reasons = "\n".join(map(str, loaded.problems))
            if self._clock.monotonic_s() >= ends_at_s:
                message = (
                    f"no configuration within {self._wait_s:g} s (--config-wait):\n{reasons}\n"
                    "Check --config-store (a directory of YAML files), or leave it out to use the "
                    "embedded default."
                )
                raise StartupError(message)
            _log.warning("config_not_available", reason=reasons)
            await asyncio.sleep(_RETRY_S)
            loaded = await self._store.load()
        return loaded

    async def _apply(self, loaded: LoadedResources) -> None:
        if self._reloader is None:
            message = "a configuration arrived before the start"
            raise InternalError(message)
        # In a thread: a thousand rules take a second or two, and the loop must answer meanwhile.
        snapshot = await asyncio.to_thread(self._resolver, loaded)
        await self._reloader.apply(snapshot)
