"""The compiled quotas of one configuration, written when they are first asked for.

A route that no change has touched keeps its functions from one configuration to the next
(`carried`).
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Self

from remixer.attributes.bag import Reference, TrackedBag
from remixer.attributes.vocabulary import Vocabulary
from remixer.mixer.combined_quotas import combined
from remixer.mixer.outcome import QuotaOutcome
from remixer.mixer.request import MATCHING, CheckRequest, MatchingQuotas, QuotaArgs
from remixer.runtime.carried import carried
from remixer.runtime.function_writer import NotWritableError
from remixer.runtime.guard import Guard
from remixer.runtime.preprocess import Preprocessed, generate
from remixer.runtime.quota import (
    MAX_QUOTAS,
    after_failure,
    allocate_now,
    allocate_one_now,
    not_limited,
)
from remixer.runtime.quota_code import FailedCall, QuotaFunction, write_quota
from remixer.runtime.routes import Route, RouteStamp, RouteTable
from remixer.runtime.routing import Routed, routed
from remixer.runtime.stepping import run_to_end

MAX_COMPILED: Final = 1_000
"""Quotas, about 10 kB each; those that are asked for later are interpreted."""

_NOTHING_READ: Final[frozenset[Reference]] = frozenset()


@dataclass(slots=True)
class _Compiled:
    """The functions of one route, by the quotas' names as the route has them."""

    stamp: RouteStamp | None
    functions: dict[str, QuotaFunction] = field(default_factory=dict)


class CompiledQuotas:
    """Allocates by compiled functions where there can be some, and else as `allocate_now` does."""

    def __init__(self, table: RouteTable, vocabulary: Vocabulary, *, guard: Guard) -> None:
        self._table = table
        self._default = table.default
        self._by_namespace = table.by_namespace
        self._vocabulary = vocabulary
        self._guard = guard
        self._compiled: dict[str, _Compiled] = {}
        """By the route's name."""
        self._count = 0
        routes = (table.default, *table.by_namespace.values())
        self._is_needless = not any(route.quota or route.generators for route in routes)
        """Whether there is nothing to allocate for anybody."""

    def followed_by(self, table: RouteTable, vocabulary: Vocabulary) -> Self:
        """Those of the next configuration."""
        following = type(self)(table, vocabulary, guard=self._guard)
        kept, _changed = carried(self._compiled, table)
        following._compiled = kept  # noqa: SLF001 - its own kind, being made
        following._count = sum(len(each.functions) for each in kept.values())  # noqa: SLF001 - the same
        return following

    def allocate_now(self, request: CheckRequest) -> dict[str, QuotaOutcome] | None:
        """The quotas that are asked for; None, with nothing asked, if something may wait.

        As `remixer.runtime.quota.allocate_now`, after what generates attributes.
        """
        quotas = request.quotas
        if self._is_needless and isinstance(quotas, MatchingQuotas) and not quotas.is_combined:
            return {}
        chosen = routed(self._default, self._by_namespace, request.bag)
        if chosen is None:
            return self._interpreted(self._table.route_for(request.bag), request)
        route = chosen[0]
        if route.quota_may_wait or route.generators:
            return self._interpreted(route, request)
        if not isinstance(quotas, MatchingQuotas):
            if len(quotas) > MAX_QUOTAS:
                return self._interpreted(route, request)
            return self._named(chosen, quotas, request)
        if route.quota:
            return self._matching(chosen, quotas, request)
        return self._interpreted(route, request) if quotas.is_combined else {}

    def _named(
        self, chosen: Routed, quotas: Mapping[str, QuotaArgs], request: CheckRequest
    ) -> dict[str, QuotaOutcome]:
        outcomes: dict[str, QuotaOutcome] = {}
        for name, args in quotas.items():
            found = self._found(chosen, name, args, request)
            if isinstance(found, QuotaOutcome):
                outcomes[name] = found
            else:
                outcomes[name] = not_limited(chosen[0], name, args, found)
        return outcomes

    def _matching(
        self, chosen: Routed, quotas: MatchingQuotas, request: CheckRequest
    ) -> dict[str, QuotaOutcome]:
        outcomes: dict[str, QuotaOutcome] = {}
        read = _NOTHING_READ
        args = quotas.args
        for name in chosen[0].quota:
            found = self._found(chosen, name, args, request)
            if isinstance(found, QuotaOutcome):
                outcomes[name] = found
                references = found.references
            else:
                references = found
            if quotas.is_combined:
                # One set again and again is known to whoever encodes it.
                read = references if read <= references else read | references
        if not quotas.is_combined:
            return outcomes
        return {MATCHING: combined(outcomes, amount=args.amount, references=read)}

    def _found(
        self, chosen: Routed, name: str, args: QuotaArgs, request: CheckRequest
    ) -> QuotaOutcome | frozenset[Reference]:
        """The outcome; what was read, if no rule of that quota applies."""
        route, kind, destination, source = chosen
        compiled = self._compiled.get(route.name)
        function = None if compiled is None else compiled.functions.get(name)
        if function is None:
            function = self._function(route, name.lower())
        once = request.once
        found = function(
            request.bag,
            kind,
            destination,
            source,
            request.deadline,
            args.amount,
            args.best_effort,
            once and once + name,
        )
        if isinstance(found, (QuotaOutcome, frozenset)):
            return found
        if isinstance(found, FailedCall):
            table, bag, deadline = self._table, request.bag, request.deadline
            return after_failure(found, table, bag, name.lower(), deadline, guard=self._guard)
        view = TrackedBag(request.bag)
        outcome = allocate_one_now(
            self._table.route_for(view), view, name, args, once, request.deadline, guard=self._guard
        )
        return view.references() if outcome is None else outcome

    def _interpreted(self, route: Route, request: CheckRequest) -> dict[str, QuotaOutcome] | None:
        if route.generate_may_wait or route.quota_may_wait:
            return None
        new_view: Callable[[], TrackedBag] = partial(TrackedBag, request.bag)
        if route.generators:
            bag = new_view()
            self._table.route_for(bag)  # for what it reads
            generated = run_to_end(generate(route, bag, request.deadline, guard=self._guard))
            new_view = Preprocessed(request.bag, generated, bag.references()).view
        return allocate_now(
            self._table,
            new_view,
            request.quotas,
            request.once,
            request.deadline,
            guard=self._guard,
        )

    def _function(self, route: Route, name: str) -> QuotaFunction:
        compiled = self._compiled.get(route.name)
        if compiled is None:
            compiled = _Compiled(route.stamp)
        function = compiled.functions.get(name)
        if function is not None:
            return function
        steps = route.quota.get(name)
        if steps is None or self._count >= MAX_COMPILED:
            return _interpret
        function = _interpret
        with suppress(NotWritableError):
            function = write_quota(steps, self._vocabulary, self._guard)
        self._compiled[route.name] = compiled
        compiled.functions[name] = function
        self._count += 1
        return function


def _interpret(*_call: object) -> None:
    """Stands where no function could be written."""
