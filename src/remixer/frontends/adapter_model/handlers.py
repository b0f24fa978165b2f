"""Handlers of one adapter, by the configuration that callers send along.

Theory of operation. An *entry* is one handler, made for one *key*: the raw bytes of the
parameters, and the types of the instances where a session told them. Whoever finds no entry
starts its building; others wait for the same task, and a caller that gives up does not stop it. An
entry is *kept* while it is among the most recently used ones or a session holds it, and *in use*
while calls run. It closes when it is neither, so that a changed configuration never takes the
handler from under a call. A handler that could not be built is remembered for a second, so that
a broken configuration does not mean a build per call.

Source: the pattern of Mixer's out-of-process adapters without sessions.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Final, Protocol

from remixer.foundation.clock import Clock
from remixer.foundation.errors import PolicyError, UnavailableError
from remixer.sdk.adapter import Handler

MAX_KEPT: Final = 16
"""Handlers that nobody holds by a session. A Mixer has one configuration per handler resource."""
_REMEMBERED_FAILURE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class HandlerKey:
    """What a handler was made from; equal keys, equal handlers."""

    params: bytes = b""
    form: str = ""
    """Name of the message that `params` are."""
    types: bytes = b""


class BuiltHandler(Protocol):
    """A handler, and how to end it."""

    @property
    def handler(self) -> Handler: ...

    def aclose(self) -> Coroutine[object, None, None]:
        """Close it, within a bound; never raises."""
        ...


class Build(Protocol):
    """Makes the handler of a key."""

    async def __call__(self) -> BuiltHandler:
        """Raises `PolicyError`, and nothing else."""
        ...


@dataclass(slots=True, eq=False)
class Entry:
    """One handler; see the theory of operation."""

    key: HandlerKey
    building: "asyncio.Task[None] | None" = None
    built: BuiltHandler | None = None
    failure: PolicyError | None = None
    failed_at_s: float = 0.0
    calls: int = 0
    sessions: int = 0
    is_recent: bool = True

    @property
    def is_needed(self) -> bool:
        return bool(self.calls or self.sessions or self.is_recent)


class HandlerStore:
    """All handlers of one adapter's server."""

    def __init__(self, *, clock: Clock, group: asyncio.TaskGroup, max_kept: int = MAX_KEPT) -> None:
        self._clock = clock
        self._group = group
        self._max_kept = max_kept
        self._entries: OrderedDict[HandlerKey, Entry] = OrderedDict()
        self._work: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def __len__(self) -> int:
        """How many handlers callers can reach."""
        return len(self._entries)

    def ready(self, key: HandlerKey) -> Entry | None:
        """The entry, if its handler can be called at once."""
        entry = self._entries.get(key)
        if entry is None or entry.built is None:
            return None
        self._entries.move_to_end(key)
        return entry

    async def get(self, key: HandlerKey, build: Build) -> Entry:
        """The entry, built if need be, and in use: `leave` it.

        Raises the `PolicyError` that its building ended with.
        """
        entry = self._find(key) or self._start(key, build)
        self.enter(entry)
        try:
            await _built(entry)
        except BaseException:
            self.leave(entry)
            raise
        return entry

    def enter(self, entry: Entry) -> None:
        """A call begins: the handler stays open until it ends."""
        entry.calls += 1

    def leave(self, entry: Entry) -> None:
        """A call ended."""
        entry.calls -= 1
        self._close_unneeded(entry)

    def hold(self, entry: Entry) -> None:
        """A session begins."""
        entry.sessions += 1

    def release(self, entry: Entry) -> None:
        """A session ended. With the last one the handler goes; calls under way still have it."""
        entry.sessions -= 1
        if not entry.sessions:
            self._forget(entry)

    async def aclose(self) -> None:
        """Close all handlers; nothing is built any more."""
        self._is_closed = True
        for entry in tuple(self._entries.values()):
            if entry.building is not None:
                entry.building.cancel()
            entry.calls = entry.sessions = 0
            self._forget(entry)
        while self._work:
            await asyncio.wait(self._work)

    def _find(self, key: HandlerKey) -> Entry | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        is_old = self._clock.monotonic_s() - entry.failed_at_s >= _REMEMBERED_FAILURE_S
        if entry.failure is not None and is_old:
            self._forget(entry)
            return None
        self._entries.move_to_end(key)
        return entry

    def _start(self, key: HandlerKey, build: Build) -> Entry:
        if self._is_closed:
            message = "the adapter is stopping"
            raise UnavailableError(message)
        entry = self._entries[key] = Entry(key)
        entry.building = self._spawn(self._build(entry, build), name="handler build")
        recent = [each for each in self._entries.values() if not each.sessions]
        for oldest in recent[: max(0, len(recent) - self._max_kept)]:
            self._forget(oldest)
        return entry

    async def _build(self, entry: Entry, build: Build) -> None:
        """Never raises: it would end its siblings in the group."""
        try:
            entry.built = await build()
        except PolicyError as error:
            entry.failure = error
            entry.failed_at_s = self._clock.monotonic_s()
        except asyncio.CancelledError:
            entry.failure = UnavailableError("the adapter is stopping")
            raise
        finally:
            entry.building = None
            self._close_unneeded(entry)

    def _forget(self, entry: Entry) -> None:
        entry.is_recent = False
        if self._entries.get(entry.key) is entry:
            del self._entries[entry.key]
        self._close_unneeded(entry)

    def _close_unneeded(self, entry: Entry) -> None:
        if entry.built is None or entry.is_needed:
            return
        built, entry.built = entry.built, None
        self._spawn(built.aclose(), name="handler close")

    def _spawn(self, work: Coroutine[object, None, None], *, name: str) -> asyncio.Task[None]:
        task = self._group.create_task(work, name=name)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task


async def _built(entry: Entry) -> None:
    """Wait until the entry is ready; raises its failure."""
    if entry.building is not None:
        await asyncio.shield(entry.building)
    if entry.failure is not None:
        # One error for all who wait: without the traces of those before.
        raise entry.failure.with_traceback(None)
