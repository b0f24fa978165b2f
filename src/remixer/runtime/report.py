"""The REPORT variety: instances of all bags are gathered, then each handler is called once.

A bag whose generators fail is left out; the others of the same report go on. A bag whose
generators wait is handed to `later` and reported when they have answered, because a report never
blocks.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from remixer.attributes.bag import Bag, SuppliedBag, TrackedBag
from remixer.attributes.values import Value
from remixer.foundation.errors import CheckFailedError
from remixer.mixer.outcome import REPORTED, ReportOutcome
from remixer.runtime.calls import Call, Failure
from remixer.runtime.conditions import applies
from remixer.runtime.guard import Guard
from remixer.runtime.metrics import RuntimeMetrics
from remixer.runtime.preprocess import generate
from remixer.runtime.routes import Route, RouteTable, Target
from remixer.runtime.stepping import run_to_end
from remixer.templates.build import InstanceError

MAX_ERRORS: Final = 20
"""Errors that an outcome names; the others are counted. A thousand bags may fail alike."""

Later: TypeAlias = Callable[[Bag], None]
"""Takes a bag whose generators wait; never blocks."""
View: TypeAlias = tuple[TrackedBag, Route]
"""A bag that is preprocessed, and what applies to it."""


@dataclass(slots=True)
class _Batch:
    """Instances for one handler and template, in the order of the bags."""

    target: Target[object]
    instances: list[object] = field(default_factory=list)


def report(
    table: RouteTable,
    bags: Sequence[Bag],
    *,
    later: Later,
    guard: Guard,
    metrics: RuntimeMetrics,
) -> ReportOutcome:
    """Dispatch `bags`. An instance that cannot be built is left out and named in the outcome.

    Handlers that never wait are called at once and their failures named too; the others get
    their batch through a bounded queue.
    """
    errors: list[str] = []
    views = _views(table, bags, later, guard, errors)
    return report_views(views, errors, guard=guard, metrics=metrics)


def _views(
    table: RouteTable, bags: Iterable[Bag], later: Later, guard: Guard, errors: list[str]
) -> Iterator[View]:
    """The bags with what plain generators give for them."""
    for bag in bags:
        view = TrackedBag(bag)
        route = table.route_for(view)
        if not route.generators:
            yield view, route
        elif route.generate_may_wait:
            later(bag)
        else:
            try:
                generated = run_to_end(generate(route, view, None, guard=guard))
            except CheckFailedError as error:
                errors.append(error.message)
            else:
                yield view_with(view, generated, table)


def view_with(bag: TrackedBag, generated: Mapping[str, Value], table: RouteTable) -> View:
    """A bag with what its generators gave, and the route that it takes then."""
    view = SuppliedBag(bag, generated)
    return view, table.route_for(view)


def report_views(
    views: Iterable[View],
    errors: list[str],
    *,
    guard: Guard,
    metrics: RuntimeMetrics,
) -> ReportOutcome:
    """Dispatch bags that are preprocessed; `errors` come first in the outcome."""
    batches: dict[tuple[str, str], _Batch] = {}
    for view, route in views:
        _gather(route, view, batches, errors)
    for batch in batches.values():
        _deliver(batch, guard, errors)
    metrics.destinations(len(batches), sum(len(batch.instances) for batch in batches.values()))
    return _outcome(errors)


def _gather(
    route: Route,
    bag: TrackedBag,
    batches: dict[tuple[str, str], _Batch],
    errors: list[str],
) -> None:
    for step in route.report:
        if not applies(step.condition, step.rule, bag):
            continue
        for target in step.targets:
            try:
                instance = target.instance.build(bag)
            except InstanceError as error:
                errors.append(str(error))
                continue
            key = (target.entry.handler, target.entry.template)
            batch = batches.get(key)
            if batch is None:
                batch = batches[key] = _Batch(target)
            batch.instances.append(instance)


def _deliver(batch: _Batch, guard: Guard, errors: list[str]) -> None:
    handler = batch.target.handler
    call = Call(batch.target.entry, (batch.instances,))
    if handler.report_sink is not None:
        handler.report_sink.put(call, batch.instances)
        return
    result = guard.run_now(call)
    if isinstance(result, Failure):
        errors.append(f"{handler.display_name}: {result.reason}")


def _outcome(errors: list[str]) -> ReportOutcome:
    if len(errors) > MAX_ERRORS:
        more = f"and {len(errors) - MAX_ERRORS} more"
        return ReportOutcome((*errors[:MAX_ERRORS], more))
    return ReportOutcome(tuple(errors)) if errors else REPORTED
