"""What reports of one configuration come to, column by column.

Theory of operation. A `ReportPlans` belongs to one route table. For each step of a route it has a
computation that tells to which bags the rule applies, and one for the instances of each target; they
remember what recurs (`remixer.expr.columnar`). Steps that several routes share are planned once, and
so is an instance that many rules have. Nothing is planned before a bag needs it: of many rules, most
are passed over by what their conditions begin with (`remixer.runtime.report_steps`).
All plans end with the table. What they remember ends when there is too much of it; plans stay.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, cast

from remixer.attributes.bag import Bag
from remixer.attributes.columns import BagColumns, SameColumn, SelectedColumns
from remixer.expr.columnar import (
    Computation,
    Done,
    DoneForOne,
    ExpressionColumn,
    Memo,
    MemoBudget,
    NotMadeError,
)
from remixer.expr.compile import Expression
from remixer.expr.errors import EvaluationError
from remixer.expr.reads import readings_of
from remixer.runtime.conditions import applies, shows_errors
from remixer.runtime.guard import Guard
from remixer.runtime.report_delivery import Delivery
from remixer.runtime.report_steps import StepsOfRoute
from remixer.runtime.routes import ReportStep, Route, RouteTable, Target
from remixer.templates.build import InstanceError
from remixer.templates.columnar import ColumnarInstances

MOST_REMEMBERED: Final = 20_000
"""Results of all rules together, beside a few for each; some tens of megabytes."""
_ALL_SAME: Final[frozenset[type]] = frozenset({SameColumn})


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

    def __init__(self, table: RouteTable, guard: Guard, *, most_remembered: int) -> None:
        """`most_remembered`: as `MOST_REMEMBERED`, which is for servers."""
        self.table = table
        self._planner = _Planner(guard, most_remembered)
        self._steps: dict[int, _Step] = {}
        self._routes: dict[int, StepsOfRoute[_Step]] = {}

    def settle(self) -> None:
        """Forget what was remembered, if it is too much. Not while something is gathered."""
        self._planner.settle()

    def gather(
        self, route: Route, columns: BagColumns, positions: Sequence[int]
    ) -> Iterator[Instances]:
        """Instances for each target of a route of the table, in order of steps and targets.

        `columns`: of the bags that go there, at least one. `positions`: which they are of all.
        """
        for step, part in self._steps_of(route).for_many(columns, positions, self._step):
            yield from step.gather(part.columns, part.positions, part.done)

    def gather_one(
        self, route: Route, bag: Bag, problems: list[str]
    ) -> dict[Delivery, list[object]]:
        """As `gather`, for a bag that is alone: instances by where they go, as first met."""
        done: DoneForOne = {}
        batches: dict[Delivery, list[object]] = {}
        for step in self._steps_of(route).for_one(bag, self._step):
            if not applies(step.condition, step.rule, bag):
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

    def _steps_of(self, route: Route) -> "StepsOfRoute[_Step]":
        steps = self._routes.get(id(route))
        if steps is None:
            steps = self._routes[id(route)] = StepsOfRoute(route.report)
        return steps

    def _step(self, step: ReportStep) -> "_Step":
        planned = self._steps.get(id(step))
        if planned is None:
            planned = self._steps[id(step)] = _Step(step, self._planner)
        return planned


class _Planner:
    """Plans targets and conditions of one table. Knows none of its steps: these know it."""

    def __init__(self, guard: Guard, most_remembered: int) -> None:
        self._guard = guard
        self._deliveries: dict[tuple[str, str], Delivery] = {}
        self._budget = MemoBudget(most_remembered)
        self._instances = ColumnarInstances(self._budget)
        self._computations: dict[int, Computation] = {}
        self._conditions: list[Memo] = []

    def settle(self) -> None:
        if self._budget.left > 0:
            return
        self._instances.forget()
        for memo in self._conditions:
            memo.forget()
        self._budget.renew()

    def targets_of(self, step: ReportStep) -> "tuple[_Target, ...]":
        return tuple(
            _Target(target, self._computation(target), self._delivery_of(target))
            for target in step.targets
        )

    def condition_of(self, match: Expression) -> Computation:
        memo = Memo(readings_of(match), ExpressionColumn(match), budget=self._budget)
        self._conditions.append(memo)
        return memo

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
        # The table, which is kept, keeps the configuration: no other object takes its identity.
        found = self._computations.get(id(config))
        if found is None:
            found = self._instances.of(config.template, config.name, config.expressions)
            self._computations[id(config)] = found
        return found


class _Step:
    """A rule's part in reports; planned as far as it was needed."""

    __slots__ = ("_compute", "_match", "_planner", "_step", "_targets", "condition", "rule")

    def __init__(self, step: ReportStep, planner: _Planner) -> None:
        self._step = step
        self._planner = planner
        self._match = step.match
        self._compute: Computation | None = None
        self._targets: tuple[_Target, ...] | None = None
        self.condition = step.condition
        self.rule = step.rule

    @property
    def targets(self) -> "tuple[_Target, ...]":
        """What the rule reports, to whom."""
        targets = self._targets
        if targets is None:
            targets = self._targets = self._planner.targets_of(self._step)
        return targets

    def gather(
        self, columns: BagColumns, positions: Sequence[int], done: Done
    ) -> Iterator[Instances]:
        if self.condition is not None:
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
        match = self._match
        if match is None:
            return [each for each in every if self._applies(columns, each)]
        read = [columns.column(name) for name in match.attributes]
        if _ALL_SAME.issuperset(map(type, read)):
            # An evaluation asks for what the expression mentions, and for nothing else.
            row = {name: column[0] for name, column in zip(match.attributes, read, strict=True)}
            try:
                return every if match.evaluate(cast("Bag", row)) else ()
            except EvaluationError:
                self._tell(columns, every)
                return ()
        made = self._remembering(match).many(columns, done)
        if made.is_same:
            return every if made.values[0] else ()
        if not made.failed:
            return [each for each, value in enumerate(made.values) if value]
        self._tell(columns, sorted(made.failed))
        return [each for each in every if made.values[each] and each not in made.failed]

    def _remembering(self, match: Expression) -> Computation:
        """The computation of the condition."""
        compute = self._compute
        if compute is None:
            compute = self._compute = self._planner.condition_of(match)
        return compute

    def _tell(self, columns: BagColumns, failed: Iterable[int]) -> None:
        """Tell why the condition has no value, if somebody wants to see it."""
        if shows_errors():
            for each in failed:
                self._applies(columns, each)

    def _applies(self, columns: BagColumns, position: int) -> bool:
        return applies(self.condition, self.rule, columns.bag_at(position))


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
