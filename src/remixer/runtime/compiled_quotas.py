"""The compiled quotas of one configuration, written when they are first asked for."""

from contextlib import suppress
from functools import partial
from typing import Final

from remixer.attributes.bag import TrackedBag
from remixer.attributes.vocabulary import Vocabulary
from remixer.mixer.outcome import QuotaOutcome
from remixer.mixer.request import CheckRequest, MatchingQuotas, QuotaArgs
from remixer.runtime.function_writer import NotWritableError
from remixer.runtime.guard import Guard
from remixer.runtime.quota import MAX_QUOTAS, QuotasAsked, after_failure, allocate_now
from remixer.runtime.quota_code import FailedCall, QuotaFunction, write_quota
from remixer.runtime.routes import Route, RouteTable
from remixer.runtime.routing import routed

MAX_COMPILED: Final = 1_000
"""Quotas, about 10 kB each; those that are asked for later are interpreted."""


class CompiledQuotas:
    """Allocates by compiled functions where there can be some, and else as `allocate_now` does."""

    def __init__(self, table: RouteTable, vocabulary: Vocabulary, *, guard: Guard) -> None:
        self._table = table
        self._vocabulary = vocabulary
        self._guard = guard
        self._functions: dict[tuple[str, str], QuotaFunction] = {}
        """By the names of route and quota."""

    def allocate_now(self, request: CheckRequest) -> dict[str, QuotaOutcome] | None:
        """As `remixer.runtime.quota.allocate_now`, for a route without generators."""
        quotas = request.quotas
        if isinstance(quotas, MatchingQuotas) or len(quotas) > MAX_QUOTAS:
            return self._interpreted(request, quotas)
        bag = request.bag
        chosen = routed(self._table.default, self._table.by_namespace, bag)
        if chosen is None:
            return self._interpreted(request, quotas)
        route, kind, destination, source = chosen
        if route.quota_may_wait:
            return None
        deadline, once = request.deadline, request.deduplication_id
        outcomes: dict[str, QuotaOutcome] = {}
        for name, args in quotas.items():
            key = (route.name, name.lower())
            function = self._functions.get(key) or self._function(key, route)
            id_ = once and once + name
            amount, part = args.amount, args.best_effort
            found = function(bag, kind, destination, source, deadline, amount, part, id_)
            if type(found) is QuotaOutcome:
                outcomes[name] = found
            else:
                outcomes[name] = self._less_usual(found, request, name, args)
        return outcomes

    def _less_usual(
        self,
        found: QuotaOutcome | FailedCall | None,
        request: CheckRequest,
        name: str,
        args: QuotaArgs,
    ) -> QuotaOutcome:
        if isinstance(found, FailedCall):
            deadline, bag = request.deadline, request.bag
            return after_failure(found, self._table, bag, name.lower(), deadline, guard=self._guard)
        outcomes = self._interpreted(request, {name: args})
        assert outcomes is not None  # noqa: S101 - no handler of the route waits
        return outcomes[name]

    def _interpreted(
        self, request: CheckRequest, quotas: QuotasAsked
    ) -> dict[str, QuotaOutcome] | None:
        return allocate_now(
            self._table,
            partial(TrackedBag, request.bag),
            quotas,
            request.deduplication_id,
            request.deadline,
            guard=self._guard,
        )

    def _function(self, key: tuple[str, str], route: Route) -> QuotaFunction:
        steps = route.quota.get(key[1])
        if steps is None or len(self._functions) >= MAX_COMPILED:
            return _interpret
        function: QuotaFunction = _interpret
        with suppress(NotWritableError):
            function = write_quota(steps, self._vocabulary, self._guard)
        self._functions[key] = function
        return function


def _interpret(*_call: object) -> None:
    """Stands where no function could be written."""
