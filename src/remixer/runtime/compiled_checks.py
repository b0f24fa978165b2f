"""The compiled checks of one configuration, written when they are first needed.

Where work can be done later (`slices`), a route's first request has its function written between
that one and those that follow, which the interpreter answers until the function is there. A route
that had a function and was changed gets its next one without being asked. A route of many rules has a
function for each set of rules that may apply (`selected_checks`). A route that no change has touched
keeps its function from one configuration to the next (`carried`).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, Self, TypeAlias

from remixer.attributes.vocabulary import Vocabulary
from remixer.mixer.outcome import CheckOutcome
from remixer.mixer.request import CheckRequest
from remixer.runtime.carried import carried
from remixer.runtime.check_code import CheckFunction, interpreted, write_check
from remixer.runtime.compiled_check import CompiledCheck
from remixer.runtime.function_writer import NotWritableError
from remixer.runtime.guard import Guard
from remixer.runtime.metrics import RuntimeMetrics
from remixer.runtime.routes import Route, RouteStamp, RouteTable
from remixer.runtime.routing import routed
from remixer.runtime.selected_checks import SelectedChecks, Taker
from remixer.runtime.slices import Work, done_now

MAX_COMPILED: Final = 1_000
"""Functions, about 12 kB each; what is asked later is interpreted."""


Later: TypeAlias = Callable[[Work], None]
"""Does work when there is time; see `Slices.add`."""


class _Compiled(NamedTuple):
    stamp: RouteStamp | None
    check: CheckFunction
    selected: SelectedChecks | None = None
    """Whose `check` it is."""


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
        self._count = 0

    def followed_by(
        self, table: RouteTable, vocabulary: Vocabulary, *, later: Later | None = None
    ) -> Self:
        """Those of the next configuration."""
        metrics = self._metrics
        following = type(self)(table, vocabulary, guard=self._guard, metrics=metrics, later=later)
        following._follow(*carried(self._compiled, table))  # noqa: SLF001 - its own kind, being made
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

    def _follow(self, kept: Mapping[str, _Compiled], changed: Iterable[Route]) -> None:
        for name, compiled in kept.items():
            self._keep(name, compiled)
        if self._later is not None:
            for route in changed:
                self._first_asked(route)

    def _keep(self, name: str, compiled: _Compiled) -> None:
        if compiled.selected is None:
            self._compiled[name] = compiled
            self._count += 1
            return
        selected = compiled.selected.ordered_from(self._order)
        self._compiled[name] = _Compiled(compiled.stamp, selected.check, selected)
        self._count += len(selected.functions)

    def _first_asked(self, route: Route) -> _Compiled:
        if route.check_index is not None:
            selected = SelectedChecks(route, route.check_index, self._order)
            found = _Compiled(route.stamp, selected.check, selected)
            self._compiled[route.name] = found
            return found

        def take(check: CheckFunction) -> None:
            self._compiled[route.name] = _Compiled(route.stamp, check)

        self._compiled[route.name] = _INTERPRETED
        if not self._order(route, (), take):
            del self._compiled[route.name]
            return _INTERPRETED
        return self._compiled[route.name]

    def _order(self, route: Route, read: tuple[str, ...], take: Taker) -> bool:
        """See `Order`."""
        if self._count >= MAX_COMPILED:
            return False
        self._count += 1
        work = self._write(route, read, take)
        if self._later is None:
            done_now(work)
        else:
            self._later(work)
        return True

    def _write(self, route: Route, read: tuple[str, ...], take: Taker) -> Work:
        try:
            code = yield from write_check(route, self._vocabulary, self._guard, read=read)
        except NotWritableError:
            take(interpreted)
        else:
            take(CompiledCheck(code, route, guard=self._guard, metrics=self._metrics).check)


_INTERPRETED: Final = _Compiled(None, interpreted)
