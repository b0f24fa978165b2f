"""What reports of one configuration come to, column by column.

Theory of operation. A `ReportPlans` belongs to one route table. For each step of a route it has a
computation that tells to which bags the rule applies, and one for the instances of each target; they
remember what recurs (`remixer.expr.columnar`). Steps that several routes share are planned once.
All that is remembered ends with the table, or when there is too much of it: then it begins anew.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from remixer.attributes.bag import Bag
from remixer.attributes.columns import BagColumns, SelectedColumns
from remixer.expr.columnar import (
    Computation,
    Done,
    DoneForOne,
    ExpressionColumn,
    Memo,
    MemoBudget,
    NotMadeError,
)
from remixer.expr.errors import EvaluationError
from remixer.expr.reads import readings_of
from remixer.runtime.conditions import applies
from remixer.runtime.guard import Guard
from remixer.runtime.report_delivery import Delivery
from remixer.runtime.routes import ReportStep, Route, RouteTable, Target
from remixer.templates.build import InstanceError
from remixer.templates.columnar import ColumnarInstances

_MOST_REMEMBERED: Final = 20_000
"""Results of all rules together; some tens of megabytes."""


@dataclass(frozen=True, slots=True)
class Instances:
    """What one target gets: an instance for each of `positions`, in their order."""

    delivery: Delivery
    positions: Sequence[int]
    instances: Sequence[object]
    problems: Sequence[tuple[int, str]]
    """Positions of bags of which no instance could be made, and why."""


class ReportPlans:
    """Plans of the routes of one table."""

    def __init__(self, table: RouteTable, guard: Guard) -> None:
        self.table = table
        self._guard = guard
        self._deliveries: dict[tuple[str, str], Delivery] = {}
        self._budget = MemoBudget(_MOST_REMEMBERED)
        self._instances = ColumnarInstances(self._budget)
        self._steps: dict[int, _Step] = {}
        self._routes: dict[int, tuple[_Step, ...]] = {}

    @property
    def is_spent(self) -> bool:
        """Whether it remembers as much as it may."""
        return self._budget.left <= 0

    def gather(
        self, route: Route, columns: BagColumns, positions: Sequence[int]
    ) -> Iterator[Instances]:
        """Instances for each target of a route of the table, in order of steps and targets.

        `columns`: of the bags that go there, at least one. `positions`: which they are of all.
        """
        done: Done = {}
        for step in self._steps_of(route):
            yield from step.gather(columns, positions, done)

    def gather_one(
        self, route: Route, bag: Bag, problems: list[str]
    ) -> dict[Delivery, list[object]]:
        """As `gather`, for a bag that is alone: instances by where they go, as first met."""
        done: DoneForOne = {}
        batches: dict[Delivery, list[object]] = {}
        for step in self._steps_of(route):
            if not (step.is_always or step.is_for(bag, done)):
                continue
            for target in step.targets:
                try:
                    instance = target.make(bag, done)
                except (EvaluationError, NotMadeError, InstanceError):
                    try:
                        instance = target.build(bag)
                    except InstanceError as error:
                        problems.append(str(error))
                        continue
                delivery = target.delivery
                if delivery in batches:
                    batches[delivery].append(instance)
                else:
                    batches[delivery] = [instance]
        return batches

    def _steps_of(self, route: Route) -> "tuple[_Step, ...]":
        steps = self._routes.get(id(route))
        if steps is None:
            steps = self._routes[id(route)] = tuple(map(self._step, route.report))
        return steps

    def _step(self, step: ReportStep) -> "_Step":
        planned = self._steps.get(id(step))
        if planned is None:
            planned = self._steps[id(step)] = _Step(
                step, self._condition(step), self._targets_of(step)
            )
        return planned

    def _condition(self, step: ReportStep) -> Computation | None:
        """None if there is none to evaluate column by column."""
        if step.match is None:
            return None
        return Memo(readings_of(step.match), ExpressionColumn(step.match), budget=self._budget)

    def _targets_of(self, step: ReportStep) -> "tuple[_Target, ...]":
        return tuple(
            _Target(target, self._computation(target), self._delivery_of(target))
            for target in step.targets
        )

    def _delivery_of(self, target: Target[object]) -> Delivery:
        entry = target.entry
        key = (entry.handler, entry.template)
        delivery = self._deliveries.get(key)
        if delivery is None:
            delivery = self._deliveries[key] = Delivery(target, self._guard)
        return delivery

    def _computation(self, target: Target[object]) -> Computation | None:
        config = target.instance
        if config.expressions is None:
            return None
        return self._instances.of(config.template, config.name, config.expressions)


class _Step:
    """A rule's part in reports."""

    __slots__ = ("_compute", "_step", "is_always", "targets")

    def __init__(
        self, step: ReportStep, compute: Computation | None, targets: "tuple[_Target, ...]"
    ) -> None:
        self._step = step
        self._compute = compute
        self.targets = targets
        self.is_always = step.condition is None

    def is_for(self, bag: Bag, done: DoneForOne) -> bool:
        """Whether the rule applies to a bag."""
        step = self._step
        if self._compute is not None:
            try:
                return bool(self._compute.one(bag, done))
            except EvaluationError:
                pass  # told below
        return applies(step.condition, step.rule, bag)

    def gather(
        self, columns: BagColumns, positions: Sequence[int], done: Done
    ) -> Iterator[Instances]:
        if self._step.condition is not None:
            chosen = self._chosen(columns, done)
            if not chosen:
                return
            if len(chosen) < len(columns):
                columns = SelectedColumns(columns, chosen)
                positions = [positions[each] for each in chosen]
                done = {}
        for target in self.targets:
            yield target.gather(columns, positions, done)

    def _chosen(self, columns: BagColumns, done: Done) -> Sequence[int]:
        """The bags to which the rule applies."""
        every = range(len(columns))
        if self._compute is None:
            return [each for each in every if self._applies(columns, each)]
        made = self._compute.many(columns, done)
        if made.is_same:
            return every if made.values[0] else ()
        return [
            each
            for each, value in enumerate(made.values)
            if value or (each in made.failed and self._applies(columns, each))
        ]

    def _applies(self, columns: BagColumns, position: int) -> bool:
        step = self._step
        return applies(step.condition, step.rule, columns.bag_at(position))


class _Target:
    """One instance for one handler."""

    __slots__ = ("_compute", "build", "delivery", "make")

    def __init__(
        self, target: Target[object], compute: Computation | None, delivery: Delivery
    ) -> None:
        self._compute = compute
        self.delivery = delivery
        self.build = target.instance.build
        """Makes an instance of any bag, or tells why there is none; raises `InstanceError`."""
        self.make = self._built if compute is None else compute.one
        """The same, more quickly; what it raises may not tell why."""

    def _built(self, bag: Bag, _done: DoneForOne) -> object:
        return self.build(bag)

    def gather(self, columns: BagColumns, positions: Sequence[int], done: Done) -> Instances:
        if self._compute is None:
            return self._one_by_one(columns, positions, [None] * len(columns), range(len(columns)))
        made = self._compute.many(columns, done)
        if made.failed:
            return self._one_by_one(columns, positions, made.values, made.failed)
        return Instances(self.delivery, positions, made.values, ())

    def _one_by_one(
        self,
        columns: BagColumns,
        positions: Sequence[int],
        values: Sequence[object],
        missing: Container[int],
    ) -> Instances:
        """Builds what is missing, bag by bag, or finds out why there is none."""
        built: list[object] = []
        kept: list[int] = []
        problems: list[tuple[int, str]] = []
        for number, (position, value) in enumerate(zip(positions, values, strict=True)):
            instance = value
            if number in missing:
                try:
                    instance = self.build(columns.bag_at(number))
                except InstanceError as error:
                    problems.append((position, str(error)))
                    continue
            built.append(instance)
            kept.append(position)
        return Instances(self.delivery, kept, built, problems)
