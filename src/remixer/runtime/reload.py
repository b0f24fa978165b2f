"""From a new snapshot to a new generation in force, without touching requests in flight.

Steps: build or reuse handlers -> lay out routes -> one assignment -> wait until nobody uses the
old generation, nor an older one with the same handlers -> close the handlers that the new one did
not take over. The waiting happens in the background, so a slow request never delays the next
configuration.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from remixer.config.snapshot import Snapshot
from remixer.foundation.log import event_log
from remixer.runtime.config_counts import counts_of
from remixer.runtime.engine import Engine
from remixer.runtime.generation import Generation
from remixer.runtime.handlers import HandlerBuilder, HandlerTable, close_handlers
from remixer.runtime.metrics import RuntimeMetrics
from remixer.runtime.route_layout import build_routes
from remixer.runtime.slices import Slices, Work

_log: Final = event_log(__name__)

# Longer than any adapter deadline: whoever still holds the old generation then has lost its
# caller. The original gave up at this point and leaked the handlers; they are closed here.
_DRAIN_TIMEOUT_S: Final = 10.0
_MOST_LOGGED_PROBLEMS: Final = 100  # one fault may repeat in thousands of resources


class Reloader:
    """Puts snapshots in force, one after another."""

    def __init__(
        self,
        *,
        engine: Engine,
        handlers: HandlerBuilder,
        metrics: RuntimeMetrics,
        group: asyncio.TaskGroup,
        slices: Slices | None = None,
    ) -> None:
        """With `slices`, requests do not wait for functions of their route to be written."""
        self._engine = engine
        self._handlers = handlers
        self._metrics = metrics
        self._group = group
        self._slices = slices
        self._applying = asyncio.Lock()
        self._superseded: list[Generation] = []
        self._retiring: set[asyncio.Task[None]] = set()
        self._draining: set[asyncio.Timeout] = set()
        self._is_closing = False

    async def apply(self, snapshot: Snapshot) -> Generation:
        """Put `snapshot` in force; returns the new generation.

        Calls take turns: each compares its handlers with those of the one before.
        """
        async with self._applying:
            before = self._engine.generation
            handlers = await self._handlers.build(snapshot.handlers, before.handlers)
            snapshot = replace(snapshot, problems=snapshot.problems + handlers.problems)
            generation = Generation(
                number=before.number + 1,
                snapshot=snapshot,
                handlers=handlers,
                routes=build_routes(snapshot, handlers.handlers),
                later=self._later(),
            )
            self._begin_preprocessing(generation)
            self._engine.use(generation)
            self._tell(generation)
            self._superseded.append(before)
            retire = self._retire(tuple(self._superseded), handlers)
            task = self._group.create_task(retire, name="retire")
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)
            return generation

    async def flush(self) -> None:
        """Return when all reports accepted so far were handed to their handlers."""
        generation = self._engine.generation
        if generation.preprocessing is not None:
            await generation.preprocessing.flush()
        for live in generation.handlers.handlers.values():
            if live.report_sink is not None:
                await live.report_sink.flush()

    async def aclose(self) -> None:
        """Close all handlers; call when no request can come any more. Twice is safe."""
        self._is_closing = True
        self._later()
        last = self._engine.use(Generation())
        for scope in self._draining:
            scope.reschedule(asyncio.get_running_loop().time())
        if last.preprocessing is not None:
            await last.preprocessing.aclose()
        await close_handlers(last.handlers.handlers.values())
        if self._retiring:
            await asyncio.wait(self._retiring)

    def _later(self) -> Callable[[Work], None] | None:
        """For the next generation; what the one before still wanted is dropped."""
        if self._slices is None:
            return None
        self._slices.drop()
        return self._slices.add

    def _begin_preprocessing(self, generation: Generation) -> None:
        """Reports need somewhere to wait if a generator does."""
        routes = generation.routes
        if any(each.generate_may_wait for each in (routes.default, *routes.by_namespace.values())):
            generation.preprocessing = self._handlers.preprocessing(generation)

    async def _retire(self, superseded: tuple[Generation, ...], successor: HandlerTable) -> None:
        """Close what the last of `superseded` had and `successor` did not take over.

        Waits for the older ones too: handlers are shared from one generation to the next.
        """
        old = superseded[-1]
        await self._drained(superseded)
        if old.preprocessing is not None:
            await old.preprocessing.aclose()
        self._superseded.remove(old)
        closing = old.handlers.missing_from(successor)
        failures = await close_handlers(closing)
        self._metrics.handlers_changed(
            new=successor.new,
            reused=successor.reused,
            closed=len(closing),
            build_failures=len(successor.problems),
            close_failures=failures,
        )

    async def _drained(self, generations: tuple[Generation, ...]) -> None:
        """Return when no request holds any of them, or after the time limit."""
        scope = asyncio.timeout(0.0 if self._is_closing else _DRAIN_TIMEOUT_S)
        self._draining.add(scope)
        try:
            async with scope:
                for each in generations:
                    await each.drained()
        except TimeoutError:
            held = {each.number: each.holders for each in generations if each.holders}
            _log.warning(
                "drain_timed_out", generations=list(map(str, held)), holders=sum(held.values())
            )
        finally:
            self._draining.discard(scope)

    def _tell(self, generation: Generation) -> None:
        snapshot = generation.snapshot
        self._metrics.config_loaded(
            counts_of(snapshot, generation.handlers.handlers, generation.routes)
        )
        for problem in snapshot.problems[:_MOST_LOGGED_PROBLEMS]:
            _log.warning("config_problem", problem=str(problem), code=problem.code)
        if (more := len(snapshot.problems) - _MOST_LOGGED_PROBLEMS) > 0:
            _log.warning("config_problems_not_shown", count=more, see="remixer validate")
        _log.info(
            "config_in_force",
            generation=generation.number,
            rules=len(snapshot.rules),
            handlers=len(generation.handlers.handlers),
            problems=len(snapshot.problems),
        )
