"""The compiled checks of one configuration, written when they are first needed.

A route that no change has touched keeps its function from one configuration to the next: equal
stamps mean equal rules and the same handlers.
"""

from typing import Final, NamedTuple, Self

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

MAX_COMPILED: Final = 1_000
"""Routes, about 12 kB each; those that are asked later are interpreted."""


class _Compiled(NamedTuple):
    stamp: RouteStamp | None
    check: CheckFunction


class CompiledChecks:
    """Answers checks that a compiled function can answer."""

    def __init__(
        self, table: RouteTable, vocabulary: Vocabulary, *, guard: Guard, metrics: RuntimeMetrics
    ) -> None:
        self._by_namespace = table.by_namespace
        self._default = table.default
        self._vocabulary = vocabulary
        self._guard = guard
        self._metrics = metrics
        self._compiled: dict[str, _Compiled] = {}
        """By the route's name."""

    def followed_by(self, table: RouteTable, vocabulary: Vocabulary) -> Self:
        """Those of the next configuration."""
        following = type(self)(table, vocabulary, guard=self._guard, metrics=self._metrics)
        for name, compiled in self._compiled.items():
            route = table.by_namespace.get(name) if name else table.default
            stamp = None if route is None else route.stamp
            if stamp is not None and stamp == compiled.stamp:
                following._compiled[name] = compiled  # noqa: SLF001 - its own kind, being made
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
            compiled = self._compile(route)
        return compiled[1](bag, kind, destination, source, request.deadline, request.last_good)

    def _compile(self, route: Route) -> _Compiled:
        check: CheckFunction = _interpreted
        if len(self._compiled) >= MAX_COMPILED:
            return _Compiled(None, check)
        try:
            code = write_check(route, self._vocabulary, self._guard)
        except NotWritableError:
            pass
        else:
            check = CompiledCheck(code, route, guard=self._guard, metrics=self._metrics).check
        compiled = self._compiled[route.name] = _Compiled(route.stamp, check)
        return compiled


def _interpreted(*_request: object) -> CheckOutcome | None:
    """Stands where no function could be written."""
    return None
