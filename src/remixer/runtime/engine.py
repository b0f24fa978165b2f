"""The innermost Mixer: one generation of configuration at a time, behind the port.

Theory of operation. `self._generation` is swapped by one assignment (`use`). A request reads it
once and keeps it. What never waits is answered by `check_now`: by a function compiled for the route
if there can be one, else by the same coroutine as `check`, stepped by hand to its end, which it
reaches without suspending because no handler of the route waits.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from remixer.attributes.bag import Bag, SuppliedBag, TrackedBag
from remixer.attributes.values import Value
from remixer.attributes.vocabulary import Vocabulary
from remixer.mixer.outcome import CheckOutcome, QuotaOutcome, ReportOutcome
from remixer.mixer.request import CheckRequest
from remixer.runtime.check import check
from remixer.runtime.compiled_checks import CompiledChecks
from remixer.runtime.compiled_quotas import CompiledQuotas
from remixer.runtime.generation import Generation
from remixer.runtime.guard import Guard
from remixer.runtime.metrics import RuntimeMetrics
from remixer.runtime.preprocess import Preprocessed, generate
from remixer.runtime.quota import allocate
from remixer.runtime.report import Reporter
from remixer.runtime.routes import Route, RouteTable, route_names
from remixer.runtime.stepping import run_to_end

_NewView: TypeAlias = Callable[[], TrackedBag]


class Engine:
    """Evaluates rules and calls adapters. Implements `remixer.mixer.port.Mixer`."""

    def __init__(self, *, guard: Guard, metrics: RuntimeMetrics) -> None:
        self._guard = guard
        self._metrics = metrics
        self._reporter = Reporter(guard=guard, metrics=metrics)
        self._generation = Generation()
        self._compiled = CompiledChecks(RouteTable(), Vocabulary(), guard=guard, metrics=metrics)
        self._quotas = CompiledQuotas(RouteTable(), Vocabulary(), guard=guard)

    @property
    def generation(self) -> Generation:
        """The configuration in force."""
        return self._generation

    def use(self, generation: Generation) -> Generation:
        """Put `generation` in force for all requests from now on; returns the one before."""
        before, self._generation = self._generation, generation
        self._reporter.forget()
        vocabulary = generation.snapshot.vocabulary
        later = generation.later
        self._compiled = self._compiled.followed_by(generation.routes, vocabulary, later=later)
        self._quotas = self._quotas.followed_by(generation.routes, vocabulary)
        return before

    def check_now(self, request: CheckRequest) -> CheckOutcome | None:
        outcome = self._compiled.check_now(request)
        if outcome is None:
            return self.interpreted_now(request)
        if not request.quotas or not outcome.status.is_ok:
            return outcome
        quotas = self._quotas.allocate_now(request)
        return outcome.with_quotas(quotas) if quotas else outcome

    async def check(self, request: CheckRequest) -> CheckOutcome:
        with self._generation as generation:
            bag = TrackedBag(request.bag)
            route = generation.routes.route_for(bag)
            return await self._check(generation, route, bag, request)

    def grant_now(self, request: CheckRequest) -> Mapping[str, QuotaOutcome] | None:
        return self._quotas.allocate_now(request)

    async def grant(self, request: CheckRequest) -> Mapping[str, QuotaOutcome]:
        with self._generation as generation:
            bag = TrackedBag(request.bag)
            route = generation.routes.route_for(bag)
            return await self._grant(generation, route, bag, request)

    def place_of(self, bag: Bag) -> tuple[Hashable, object]:
        """Whose rules decide a request, and their stamp: see `RouteStamp`."""
        route = self._generation.routes.route_for(bag)
        return route.name, route.stamp

    def may_allocate(self, bag: Bag) -> bool:
        """Whether a quota may apply to a request that takes the route of `bag`."""
        route = self._generation.routes.route_for(bag)
        return bool(route.quota or route.generators)

    @property
    def rules(self) -> object:
        """Another object whenever a rule was changed."""
        return self._generation

    def place_names(self, known: Mapping[str, Value | None]) -> Sequence[str]:
        """The attributes that the place depends on, beside those that are `known`."""
        return route_names(known)

    def report(self, bags: Sequence[Bag]) -> ReportOutcome:
        generation = self._generation
        return self._reporter.report(generation.routes, bags, later=generation.preprocess_later)

    def interpreted_now(self, request: CheckRequest) -> CheckOutcome | None:
        """As `check_now`, by the interpreter alone: the oracle of compiled checks."""
        generation = self._generation
        bag = TrackedBag(request.bag)
        route = generation.routes.route_for(bag)
        if route.check_may_wait or (request.quotas and route.quota_may_wait):
            return None
        return run_to_end(self._check(generation, route, bag, request))

    async def _check(
        self, generation: Generation, route: Route, bag: TrackedBag, request: CheckRequest
    ) -> CheckOutcome:
        """Finishes without suspending unless the route says that it may wait."""
        deadline = request.deadline
        new_view: _NewView | None = None
        if route.generators:
            generated = await generate(route, bag, deadline, guard=self._guard)
            new_view = Preprocessed(request.bag, generated, bag.references()).view
            bag = SuppliedBag(bag, generated)
            route = generation.routes.route_for(bag)
        outcome = await check(
            route,
            bag,
            deadline,
            guard=self._guard,
            metrics=self._metrics,
            last_good=request.last_good,
        )
        if not request.quotas or not outcome.status.is_ok:
            return outcome
        new_view = new_view or partial(TrackedBag, request.bag)
        quotas = await self._allocate(generation, new_view, request)
        return outcome.with_quotas(quotas) if quotas else outcome

    async def _grant(
        self, generation: Generation, route: Route, bag: TrackedBag, request: CheckRequest
    ) -> Mapping[str, QuotaOutcome]:
        """The quotas alone; as `_check` about suspending."""
        new_view: _NewView = partial(TrackedBag, request.bag)
        if route.generators:
            generated = await generate(route, bag, request.deadline, guard=self._guard)
            new_view = Preprocessed(request.bag, generated, bag.references()).view
        return await self._allocate(generation, new_view, request)

    async def _allocate(
        self, generation: Generation, new_view: _NewView, request: CheckRequest
    ) -> Mapping[str, QuotaOutcome]:
        return await allocate(
            generation.routes,
            new_view,
            request.quotas,
            request.once,
            request.deadline,
            guard=self._guard,
        )
