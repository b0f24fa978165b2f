"""The compiled checks of one configuration, written when they are first needed.

Where work can be done later (`slices`), a route's first request has its function written between
that one and those that follow, which the interpreter answers until the function is there. A route
that had a function and was changed gets its next one without being asked. A route that no change has touched keeps its function from one configuration to the next: equal
stamps mean equal rules and the same handlers.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Self, TypeAlias

from remixer.attributes.vocabulary import Vocabulary
from remixer.mixer.outcome import CheckOutcome
from remixer.mixer.request import CheckRequest
from remixer.runtime.check_code import CheckFunction, write_check
from remixer.runtime.compiled_check import CompiledCheck
from remixer.runtime.function_writer import NotWritableError
from remixer.runtime.guard import Guard
from remixer.runtime.metrics import RuntimeMetrics
from remixer.runtime.routes import Route, RouteStamp, RouteTable
from remixer.runtime.routing import routed
from remixer.runtime.slices import Work, done_now

MAX_COMPILED: Final = 1_000
"""Routes, about 12 kB each; those that are asked later are interpreted."""


Later: TypeAlias = Callable[[Work], None]
"""Does work when there is time; see `Slices.add`."""


class _Compiled(NamedTuple):
    stamp: RouteStamp | None
    check: CheckFunction


class CompiledChecks:
    """Answers checks that a compiled function can answer."""

    def __init__(
        self,
        table: RouteTable,
        vocabulary: Vocabulary,
        *,
        guard: Guard,
        metrics: RuntimeMetrics,
        later: Later | None = None,
    ) -> None:
        """Functions are written at once without `later`."""
        self._by_namespace = table.by_namespace
        self._default = table.default
        self._vocabulary = vocabulary
        self._guard = guard
        self._metrics = metrics
        self._later = later
        self._compiled: dict[str, _Compiled] = {}
        """By the route's name."""

    def followed_by(
        self, table: RouteTable, vocabulary: Vocabulary, *, later: Later | None = None
    ) -> Self:
        """Those of the next configuration."""
        metrics = self._metrics
        following = type(self)(table, vocabulary, guard=self._guard, metrics=metrics, later=later)
        following._follow(self._compiled)  # noqa: SLF001 - its own kind, being made
        return following

    def check_now(self, request: CheckRequest) -> CheckOutcome | None:
        """The verdict without quotas; None, with nothing asked, if it must be interpreted.

        Raises `CheckFailedError`.
        """
        bag = request.bag
        chosen = routed(self._default, self._by_namespace, bag)
        if chosen is None:
            return None
        route, kind, destination, source = chosen
        if route.quota_may_wait and request.quotas:
            return None
        compiled = self._compiled.get(route.name)
        if compiled is None:
            compiled = self._first_asked(route)
        return compiled[1](bag, kind, destination, source, request.deadline, request.last_good)

    def _follow(self, before: Mapping[str, _Compiled]) -> None:
        changed: list[Route] = []
        for name, compiled in before.items():
            route = self._by_namespace.get(name) if name else self._default
            if route is None:
                continue
            if compiled.stamp is not None and compiled.stamp == route.stamp:
                self._compiled[name] = compiled
            else:
                changed.append(route)
        if self._later is not None:
            for route in changed:
                self._first_asked(route)

    def _first_asked(self, route: Route) -> _Compiled:
        if len(self._compiled) >= MAX_COMPILED:
            return _INTERPRETED
        self._compiled[route.name] = _INTERPRETED
        work = self._compile(route)
        if self._later is None:
            done_now(work)
        else:
            self._later(work)
        return self._compiled[route.name]

    def _compile(self, route: Route) -> Work:
        check: CheckFunction = _interpreted
        try:
            code = yield from write_check(route, self._vocabulary, self._guard)
        except NotWritableError:
            pass
        else:
            check = CompiledCheck(code, route, guard=self._guard, metrics=self._metrics).check
        self._compiled[route.name] = _Compiled(route.stamp, check)


def _interpreted(*_request: object) -> CheckOutcome | None:
    """Stands where no function could be written."""
    return None


_INTERPRETED: Final = _Compiled(None, _interpreted)
