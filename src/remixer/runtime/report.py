"""The REPORT variety: instances of all bags are gathered, then each handler is called once.

A bag whose generators fail is left out; the others of the same report go on. A bag whose
generators wait is handed to `later` and reported when they have answered, because a report never
blocks.

Bags that take the same route are looked at together, attribute by attribute: see `report_plan`. The
outcome is that of one bag after the other: handlers get instances in the order of the bags, and
errors are named in it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from operator import itemgetter
from typing import Final, NamedTuple, TypeAlias, cast

from remixer.attributes.bag import Bag, SuppliedBag, TrackedBag
from remixer.attributes.columns import (
    BagColumns,
    GatheredColumns,
    SameColumn,
    SelectedColumns,
    columns_of,
)
from remixer.attributes.values import Value
from remixer.foundation.errors import CheckFailedError
from remixer.mixer.outcome import REPORTED, ReportOutcome
from remixer.runtime.guard import Guard
from remixer.runtime.metrics import RuntimeMetrics
from remixer.runtime.preprocess import generate
from remixer.runtime.report_plan import MOST_REMEMBERED, Instances, ReportPlans
from remixer.runtime.routes import NAMESPACE_ATTRIBUTES, Route, RouteTable
from remixer.runtime.stepping import run_to_end

MAX_ERRORS: Final = 20
"""Errors that an outcome names; the others are counted. A thousand bags may fail alike."""

Later: TypeAlias = Callable[[Bag], None]
"""Takes a bag whose generators wait; never blocks."""
View: TypeAlias = tuple[TrackedBag, Route]
"""A bag that is preprocessed, and what applies to it."""


class _Problem(NamedTuple):
    """Why something of a bag was not reported, and when it would be met bag by bag."""

    position: int
    order: int
    text: str


class _Group(NamedTuple):
    """Bags that take one route. `positions`: which they are in the report."""

    route: Route
    columns: BagColumns
    positions: Sequence[int]


class _Part(NamedTuple):
    """What one target gets. `order`: of the target among those that its bags meet."""

    order: int
    gathered: Instances


class Reporter:
    """Reports bags by the routes of one table after another."""

    __slots__ = ("_guard", "_metrics", "_most_remembered", "_plans")

    def __init__(
        self, *, guard: Guard, metrics: RuntimeMetrics, most_remembered: int = MOST_REMEMBERED
    ) -> None:
        self._guard = guard
        self._metrics = metrics
        self._most_remembered = most_remembered
        self._plans = self._new_plans(RouteTable())

    def forget(self) -> None:
        """Let go of the latest table, and of all that was remembered for it."""
        self._plans = self._new_plans(RouteTable())

    def report(self, table: RouteTable, bags: Sequence[Bag], *, later: Later) -> ReportOutcome:
        """Dispatch `bags`. An instance that cannot be built is left out and named in the outcome.

        Handlers that never wait are called at once and their failures named too; the others get
        their batch through a bounded queue.
        """
        if len(bags) == 1:
            (bag,) = bags
            route = table.route_for(bag)
            if not route.generators:
                return self._report_one(table, route, bag)
        groups = _groups(table, columns_of(bags)) if bags else ()
        problems: list[_Problem] = []
        if any(group.route.generators for group in groups):
            groups = [*self._preprocessed(table, groups, later, problems)]
        return self._dispatch(table, groups, problems)

    def report_views(self, table: RouteTable, views: Iterable[View]) -> ReportOutcome:
        """Dispatch bags that are preprocessed."""
        return self._dispatch(table, [*_groups_of_views(enumerate(views))], [])

    def _report_one(self, table: RouteTable, route: Route, bag: Bag) -> ReportOutcome:
        """As `_dispatch`, for a bag that is alone: most reports of a quiet client are."""
        errors: list[str] = []
        batches = self._plans_of(table).gather_one(route, bag, errors)
        count = 0
        for delivery, instances in batches.items():
            count += len(instances)
            delivery.deliver(instances, errors)
        self._metrics.destinations(len(batches), count)
        return _outcome(errors)

    def _plans_of(self, table: RouteTable) -> ReportPlans:
        plans = self._plans
        if plans.table is not table:
            plans = self._plans = self._new_plans(table)
        plans.settle()
        return plans

    def _new_plans(self, table: RouteTable) -> ReportPlans:
        return ReportPlans(table, self._guard, most_remembered=self._most_remembered)

    def _preprocessed(
        self,
        table: RouteTable,
        groups: Iterable[_Group],
        later: Later,
        problems: list[_Problem],
    ) -> Iterator[_Group]:
        """The bags with what plain generators give for them."""
        waiting: list[tuple[int, Bag, Route]] = []
        for group in groups:
            if group.route.generators:
                waiting += zip(group.positions, group.columns, repeat(group.route))
            else:
                yield group
        views: list[tuple[int, View]] = []
        for position, bag, route in sorted(waiting, key=itemgetter(0)):
            if route.generate_may_wait:
                later(bag)
                continue
            view = TrackedBag(bag)
            try:
                generated = run_to_end(generate(route, view, None, guard=self._guard))
            except CheckFailedError as error:
                problems.append(_Problem(position, -1, error.message))
            else:
                views.append((position, view_with(view, generated, table)))
        yield from _groups_of_views(views)

    def _dispatch(
        self, table: RouteTable, groups: Iterable[_Group], problems: list[_Problem]
    ) -> ReportOutcome:
        plans = self._plans_of(table)
        batches: dict[object, list[_Part]] = {}
        for group in groups:
            for order, gathered in enumerate(plans.gather(*group)):
                problems += [_Problem(at, order, text) for at, text in gathered.problems]
                if gathered.positions:
                    parts = batches.setdefault(gathered.delivery, [])
                    parts.append(_Part(order, gathered))
        errors = [problem.text for problem in sorted(problems)]
        count = 0
        for batch in sorted(batches.values(), key=_first_met):
            instances = _in_order(batch)
            count += len(instances)
            batch[0].gathered.delivery.deliver(instances, errors)
        self._metrics.destinations(len(batches), count)
        return _outcome(errors)


def view_with(bag: TrackedBag, generated: Mapping[str, Value], table: RouteTable) -> View:
    """A bag with what its generators gave, and the route that it takes then."""
    view = SuppliedBag(bag, generated)
    return view, table.route_for(view)


def _groups(table: RouteTable, columns: BagColumns) -> Sequence[_Group]:
    """The bags by route."""
    every = range(len(columns))
    try:
        return (_Group(table.route_for(_OneForAll(columns)), columns, every),)
    except _DiffersError:
        pass
    # What is no text leads nowhere, whatever it is.
    texts = [
        [value if type(value) is str else None for value in columns.column(name)]
        for name in _NAMESPACE_ATTRIBUTES
    ]
    rows: dict[tuple[str | None, ...], list[int]] = {}
    for position, row in enumerate(zip(*texts, strict=True)):
        rows.setdefault(row, []).append(position)
    routes: dict[int, tuple[Route, list[int]]] = {}
    for row, positions in rows.items():
        route = table.route_for(cast("Bag", dict(zip(_NAMESPACE_ATTRIBUTES, row, strict=True))))
        routes.setdefault(id(route), (route, []))[1].extend(positions)
    return [
        _Group(route, SelectedColumns(columns, positions), positions)
        for route, found in routes.values()
        for positions in [sorted(found)]
    ]


class _DiffersError(Exception):
    """Bags have different values."""


class _OneForAll:
    """A bag that has what all bags of columns have; raises `_DiffersError` for what differs."""

    __slots__ = ("_columns",)

    def __init__(self, columns: BagColumns) -> None:
        self._columns = columns

    def __getitem__(self, name: str) -> Value | None:
        column = self._columns.column(name)
        if type(column) is SameColumn:
            return column[0]
        raise _DiffersError

    def names(self) -> Iterator[str]:
        """None: it is asked for single attributes only."""
        return iter(())


def _groups_of_views(views: Iterable[tuple[int, View]]) -> Iterator[_Group]:
    found: dict[int, tuple[Route, list[int], list[Bag]]] = {}
    for position, (view, route) in views:
        _, positions, bags = found.setdefault(id(route), (route, [], []))
        positions.append(position)
        bags.append(view)
    for route, positions, bags in found.values():
        yield _Group(route, GatheredColumns(bags), positions)


def _first_met(batch: Sequence[_Part]) -> tuple[int, int]:
    """When, bag by bag, the first instance of a batch would be made."""
    return min([(part.gathered.positions[0], part.order) for part in batch])


def _in_order(batch: Sequence[_Part]) -> list[object]:
    """The instances of a batch, bag by bag."""
    first = batch[0].gathered
    if len(batch) == 1:
        return [*first.instances]
    if all(part.gathered.positions is first.positions for part in batch):
        rows = zip(*[part.gathered.instances for part in batch], strict=True)
        return [*chain.from_iterable(rows)]
    met = [
        (position, part.order, instance)
        for part in batch
        for position, instance in zip(part.gathered.positions, part.gathered.instances, strict=True)
    ]
    return [instance for _, _, instance in sorted(met, key=itemgetter(0, 1))]


def _outcome(errors: list[str]) -> ReportOutcome:
    if len(errors) > MAX_ERRORS:
        more = f"and {len(errors) - MAX_ERRORS} more"
        return ReportOutcome((*errors[:MAX_ERRORS], more))
    return ReportOutcome(tuple(errors)) if errors else REPORTED


_NAMESPACE_ATTRIBUTES: Final = tuple(sorted(NAMESPACE_ATTRIBUTES))
