"""Live handlers: built from configuration, reused by signature, closed when nobody uses them.

Handlers are built, and closed, side by side: one that hangs costs a reload its own time limit, not
the sum of all.
"""

import asyncio
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from remixer.config.snapshot import HandlerConfig
from remixer.drivers.http_client import HttpClient
from remixer.foundation.breaker import Breaker, BreakerLimits
from remixer.foundation.clock import Clock
from remixer.foundation.log import event_log
from remixer.foundation.problems import Problem
from remixer.runtime.callee import METHODS
from remixer.runtime.guard import Guard, is_being_cancelled
from remixer.runtime.handler_tasks import HandlerTasks
from remixer.runtime.metrics import RuntimeMetrics
from remixer.runtime.preprocess_queue import Holdable, PreprocessQueue
from remixer.runtime.reasons import reason_of
from remixer.runtime.report_queue import ReportQueue
from remixer.sdk.adapter import (
    AttributeHandler,
    CheckHandler,
    Environment,
    Handler,
    HandlerContext,
    OutputCheckHandler,
    QuotaHandler,
    ReportHandler,
    ScrapeRegistry,
)
from remixer.sdk.call_time import call_timeout_of

_log: Final = event_log(__name__)

HANDLER_NOT_BUILT: Final = "HAND001"
"""An adapter could not be built from parameters that it had accepted."""

_BUILD_TIMEOUT_S: Final = 10.0  # a first fetch of a list included; the original had none
_MOST_BUILDS_AT_ONCE: Final = 64  # arbitrary; a configuration has some dozens of handlers
_CLOSE_TIMEOUT_S: Final = 1.5
"""With the flushes of reports and the ends of tasks 4.9 s, less than a service has to close."""


@dataclass(frozen=True, slots=True, eq=False)
class LiveHandler:
    """A built handler and what the routes need to know of it."""

    config: HandlerConfig
    handler: Handler
    tasks: HandlerTasks
    report_sink: ReportQueue | None = None
    """Set if the handler's `report` waits."""
    breakers: dict[BreakerLimits, Breaker] = field(default_factory=dict)
    """Here, because they outlive configurations as the handler does."""

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def display_name(self) -> str:
        return self.config.display_name

    @property
    def adapter(self) -> str:
        return self.config.adapter.name

    @property
    def checks(self) -> CheckHandler:
        return cast("CheckHandler", self.handler)

    @property
    def output_checks(self) -> OutputCheckHandler:
        return cast("OutputCheckHandler", self.handler)

    @property
    def generators(self) -> AttributeHandler:
        return cast("AttributeHandler", self.handler)

    @property
    def quotas(self) -> QuotaHandler:
        return cast("QuotaHandler", self.handler)

    @property
    def reports(self) -> ReportHandler:
        return cast("ReportHandler", self.handler)

    @property
    def call_timeout_s(self) -> float | None:
        return call_timeout_of(self.handler)

    def may_wait(self, method: str) -> bool:
        """Whether the handler's method of this name is `async def`."""
        return _may_wait(self.handler, method)

    def breaker_of(self, limits: BreakerLimits) -> Breaker:
        """The breaker with these limits; the same as long as the handler lives."""
        return self.breakers.setdefault(limits, Breaker(limits))


def _may_wait(handler: object, method: str) -> bool:
    return inspect.iscoroutinefunction(getattr(handler, method, None))


@dataclass(frozen=True, slots=True)
class HandlerTable:
    """Handlers by name, and how the table came about."""

    handlers: Mapping[str, LiveHandler] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    new: int = 0
    reused: int = 0

    def missing_from(self, other: "HandlerTable") -> tuple[LiveHandler, ...]:
        """Handlers that `other` did not take over as they are."""
        return tuple(
            live for name, live in self.handlers.items() if other.handlers.get(name) is not live
        )


class HandlerBuilder:
    """Makes handler tables, one after another."""

    def __init__(
        self,
        *,
        clock: Clock,
        http: HttpClient,
        scrape: ScrapeRegistry,
        group: asyncio.TaskGroup,
        guard: Guard,
        metrics: RuntimeMetrics,
    ) -> None:
        self._guard = guard
        self._metrics = metrics
        self._clock = clock
        self._http = http
        self._scrape = scrape
        self._group = group

    async def build(self, configs: Sequence[HandlerConfig], old: HandlerTable) -> HandlerTable:
        """A table for `configs`, with equal handlers of `old` carried over untouched.

        A handler that cannot be built is missing from the table and named in its problems. If
        cancelled, closes what it built.
        """
        kept = {
            config.name: before
            for config in configs
            if (before := old.handlers.get(config.name)) is not None
            and before.config.signature == config.signature
        }
        wanted = [config for config in configs if config.name not in kept]
        built = await self._build_all(wanted)
        found = {**kept, **{each.name: each for each in built if isinstance(each, LiveHandler)}}
        return HandlerTable(
            handlers={
                config.name: found[config.name] for config in configs if config.name in found
            },
            problems=tuple(each for each in built if isinstance(each, Problem)),
            new=len(found) - len(kept),
            reused=len(kept),
        )

    def preprocessing(self, generation: Holdable) -> PreprocessQueue:
        """A running queue for reports of `generation` whose generators wait."""
        queue = PreprocessQueue(
            generation,
            guard=self._guard,
            metrics=self._metrics,
            tasks=HandlerTasks(group=self._group, handler="preprocess"),
        )
        queue.start()
        return queue

    async def _build_all(self, configs: Iterable[HandlerConfig]) -> list[LiveHandler | Problem]:
        places = asyncio.Semaphore(_MOST_BUILDS_AT_ONCE)
        tasks: list[asyncio.Task[LiveHandler | Problem]] = []
        try:
            async with asyncio.TaskGroup() as group:
                tasks.extend(
                    group.create_task(self._build_in_turn(config, places)) for config in configs
                )
        except asyncio.CancelledError:
            done = [task.result() for task in tasks if not task.cancelled()]
            await close_handlers(each for each in done if isinstance(each, LiveHandler))
            raise
        return [task.result() for task in tasks]

    async def _build_in_turn(
        self, config: HandlerConfig, places: asyncio.Semaphore
    ) -> LiveHandler | Problem:
        async with places:
            return await self._build_one(config)

    async def _build_one(self, config: HandlerConfig) -> LiveHandler | Problem:
        tasks = HandlerTasks(group=self._group, handler=config.name)
        environment = Environment(
            clock=self._clock, http=self._http, tasks=tasks, scrape=self._scrape
        )
        context = HandlerContext(name=config.display_name, instances=config.instances)
        scope = asyncio.timeout(_BUILD_TIMEOUT_S)
        try:
            async with scope:
                handler = await config.adapter.build(config.params, context, environment)
        except (Exception, asyncio.CancelledError) as error:
            await tasks.end()
            if isinstance(error, asyncio.CancelledError) and is_being_cancelled():
                raise
            is_late = scope.expired()
            reason = f"not done after {_BUILD_TIMEOUT_S:g} s" if is_late else reason_of(error)
            return _not_built(config, reason)
        live = LiveHandler(config, handler, tasks, self._report_queue(config, handler))
        if missing := ", ".join(f"`{name}`" for name in _missing_methods(live)):
            await close_handlers([live])
            return _not_built(config, f"its handler has no method {missing}")
        return live

    def _report_queue(self, config: HandlerConfig, handler: Handler) -> ReportQueue | None:
        if not _may_wait(handler, "report"):
            return None
        queue = ReportQueue(
            handler=config.name,
            guard=self._guard,
            metrics=self._metrics,
            tasks=HandlerTasks(group=self._group, handler=config.name),
        )
        queue.start()
        return queue


def _missing_methods(live: LiveHandler) -> Iterator[str]:
    """What the handler must be able to do for the instances sent to it, and cannot.

    Source: Mixer 1.3 refuses a handler that does not support its templates.
    """
    wanted = [METHODS[each] for each in sorted(live.config.varieties)]
    for name in ("aclose", *wanted):
        if not callable(getattr(live.handler, name, None)):
            yield name


def _not_built(config: HandlerConfig, reason: str) -> Problem:
    _log.error("handler_build_failed", handler=config.name, reason=reason)
    return Problem(
        code=HANDLER_NOT_BUILT,
        message=f"adapter {config.adapter.name} could not be built: {reason}",
        location=config.location,
        resource=config.name,
        hint="Rules that use this handler skip it until the configuration changes.",
    )


async def close_handlers(handlers: Iterable[LiveHandler]) -> int:
    """Close all, side by side; the number that failed to close in time or raised.

    Reports that were accepted are handed over first; those for which the time does not suffice
    are counted as dropped.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_close(live), name=f"close {live.name}") for live in handlers]
    return sum(not task.result() for task in tasks)


async def _close(live: LiveHandler) -> bool:
    """Whether the handler closed in order."""
    if live.report_sink is not None:
        await live.report_sink.aclose()
    try:
        return await _aclose(live)
    finally:
        await live.tasks.end()


async def _aclose(live: LiveHandler) -> bool:
    scope = asyncio.timeout(_CLOSE_TIMEOUT_S)
    try:
        async with scope:
            await live.handler.aclose()
    except (Exception, asyncio.CancelledError) as error:
        if isinstance(error, asyncio.CancelledError) and is_being_cancelled():
            raise
        is_late = scope.expired()
        reason = f"not done after {_CLOSE_TIMEOUT_S:g} s" if is_late else reason_of(error)
        _log.error("handler_close_failed", handler=live.name, reason=reason)
        return False
    return True
