"""Reports whose generators wait: a bounded queue of bags and one worker.

Theory of operation. `put` never blocks: what exceeds the bound, or comes after `aclose`, is
dropped and counted. Each bag in the queue holds its generation, so that no handler is closed that
is still needed for it. The worker takes what is there, up to `_AT_ONCE` bags, asks their generators
side by side, and dispatches the bags as one report, in the order in which they came. A bag whose
generators fail is dropped and counted.
"""

import asyncio
from typing import Final, Protocol, Self

from remixer.attributes.bag import Bag, TrackedBag
from remixer.attributes.values import Value
from remixer.foundation.errors import CheckFailedError
from remixer.foundation.log import event_log
from remixer.runtime.guard import Guard
from remixer.runtime.handler_tasks import HandlerTasks
from remixer.runtime.metrics import RuntimeMetrics
from remixer.runtime.preprocess import generate
from remixer.runtime.report import Reporter, view_with
from remixer.runtime.routes import RouteTable

_log: Final = event_log(__name__)

MAX_BAGS: Final = 10_000  # some seconds of a busy fleet; each holds the bytes of its request
_AT_ONCE: Final = 64  # arbitrary; calls to one back end that a report may cause at a time
_FLUSH_TIMEOUT_S: Final = 0.4  # see `remixer.runtime.handlers` for the sum of all such limits


class Holdable(Protocol):
    """A generation: routes that stay usable while held."""

    @property
    def routes(self) -> RouteTable: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_exc: object) -> None: ...


class PreprocessQueue:
    """Bags on their way to the generators of one generation."""

    def __init__(
        self,
        generation: Holdable,
        *,
        guard: Guard,
        metrics: RuntimeMetrics,
        tasks: HandlerTasks,
        max_bags: int = MAX_BAGS,
    ) -> None:
        self._generation = generation
        self._guard = guard
        self._metrics = metrics
        self._reporter = Reporter(guard=guard, metrics=metrics)
        self._tasks = tasks
        self._bags: asyncio.Queue[Bag] = asyncio.Queue(max_bags)
        self._is_closed = False

    def start(self) -> None:
        """Begin to ask."""
        self._tasks.spawn(self._work(), name="preprocess reports")

    def put(self, bag: Bag) -> None:
        if self._is_closed:
            self._drop(1, "closed")
        elif self._bags.full():
            self._drop(1, "queue_full")
        else:
            self._generation.__enter__()
            self._bags.put_nowait(bag)

    async def flush(self) -> None:
        await self._bags.join()

    async def aclose(self) -> None:
        self._is_closed = True
        try:
            async with asyncio.timeout(_FLUSH_TIMEOUT_S):
                await self.flush()
        except TimeoutError:
            _log.warning("preprocess_flush_timed_out", bags=self._bags.qsize())
        await self._tasks.end()
        left = self._taken(self._bags.qsize())
        self._done(len(left))
        if left:
            _log.warning("preprocess_not_finished", bags=len(left))
            self._drop(len(left), "closed")

    async def _work(self) -> None:
        """Take bags for ever."""
        while True:
            bags = [await self._bags.get(), *self._taken(_AT_ONCE - 1)]
            try:
                await self._report(bags)
            except asyncio.CancelledError:
                self._drop(len(bags), "closed")
                raise
            finally:
                self._done(len(bags))

    def _taken(self, at_most: int) -> list[Bag]:
        return [self._bags.get_nowait() for _ in range(min(at_most, self._bags.qsize()))]

    def _done(self, count: int) -> None:
        for _ in range(count):
            self._bags.task_done()
            self._generation.__exit__()

    async def _report(self, bags: list[Bag]) -> None:
        routes = self._generation.routes
        views = [TrackedBag(bag) for bag in bags]
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(self._generated(view)) for view in views]
        ready = [
            view_with(view, generated, routes)
            for view, task in zip(views, asked, strict=True)
            if (generated := task.result()) is not None
        ]
        outcome = self._reporter.report_views(routes, ready)
        if outcome.errors:
            _log.warning("report_failed", errors=len(outcome.errors), first=outcome.errors[0])

    async def _generated(self, view: TrackedBag) -> dict[str, Value] | None:
        """What the generators give; None after a failure, which is counted."""
        route = self._generation.routes.route_for(view)
        try:
            return await generate(route, view, None, guard=self._guard)
        except CheckFailedError as error:
            self._drop(1, "preprocess_failed")
            _log.debug("preprocess_failed", reason=error.message)
            return None

    def _drop(self, bags: int, reason: str) -> None:
        self._metrics.report_dropped(bags, reason)
        _log.debug("report_not_preprocessed", bags=bags, reason=reason)
