"""Instances of many bags at once.

Theory of operation. The plan of an instance (`remixer.templates.build`) becomes a computation over
columns. Maps and inner messages are remembered by what their expressions read, for labels recur. An
instance that differs from another one in nothing else is remembered too, by the identity of what it
is made of. One with an expression's value in a field of its own, such as the value of a metric, is
made anew each time, of the remembered maps.

So an instance, and a map in it, may be handed over many times: nobody may change them.

Where an expression has no value, or the carrier refuses what it is given, the bag's position counts
as failed: `build` tells why, asked for that bag alone.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from inspect import signature
from itertools import repeat
from typing import Final, TypeAlias, assert_never

from remixer.attributes.bag import Bag
from remixer.attributes.columns import BagColumns
from remixer.attributes.values import ValueType
from remixer.expr.columnar import (
    NONE_FAILED,
    Computation,
    Constant,
    Done,
    DoneForOne,
    ExpressionColumn,
    Made,
    Memo,
    MemoBudget,
    NotMadeError,
    all_failed,
    same,
)
from remixer.expr.compile import Expression
from remixer.expr.reads import Reading, readings_of
from remixer.foundation.errors import InternalError
from remixer.templates.build import (
    Known,
    Leaf,
    MapPlan,
    MessagePlan,
    Plan,
    instance_plan,
    whole_entries,
)
from remixer.templates.schema import Template

_Parts: TypeAlias = tuple[tuple[str, Computation], ...]


class ColumnarInstances:
    """Makes computations of instances. Equal maps of several instances are computed once."""

    def __init__(self, budget: MemoBudget) -> None:
        self._budget = budget
        self._maps: dict[object, Memo] = {}
        self._remembering: list[Memo | _RecurringCarriers] = []

    def forget(self) -> None:
        """Make all computations forget. What was made of remembered values goes with them."""
        for each in self._remembering:
            each.forget()

    def of(
        self, template: Template, name: str, expressions: Mapping[str, Expression]
    ) -> Computation:
        """The computation of an instance; arguments as of `instance_builder`."""
        plan = instance_plan(template, name, expressions)
        match plan:
            case Known(value=value):
                return Constant(value)
            case MessagePlan(computed=computed):
                parts = self._parts(plan)
                if any(isinstance(part, Leaf) for _, part in computed):
                    return _Carriers(plan.carrier, plan.known, parts)
                recurring = _RecurringCarriers(plan.carrier, plan.known, parts)
                self._remembering.append(recurring)
                return recurring
            case Leaf() | MapPlan():
                message = f"instance {name} is planned as a {type(plan).__name__}"
                raise InternalError(message)
            case _:
                assert_never(plan)

    def _computation(self, plan: Plan) -> Computation:
        match plan:
            case Known(value=value):
                return Constant(value)
            case Leaf(expression=expression):
                is_map = expression.type is ValueType.STRING_MAP
                return ExpressionColumn(expression, whole_entries if is_map else None)
            case MapPlan():
                return self._map(plan)
            case MessagePlan():
                message = _Carriers(plan.carrier, plan.known, self._parts(plan))
                return self._memo(message, plan)
            case _:
                assert_never(plan)

    def _map(self, plan: MapPlan) -> Memo:
        key = _map_key(plan)
        memo = self._maps.get(key)
        if memo is None:
            compute = _Maps(plan.known, self._parts(plan))
            memo = self._maps[key] = self._memo(compute, plan)
        return memo

    def _parts(self, plan: MapPlan | MessagePlan) -> _Parts:
        return tuple((name, self._computation(part)) for name, part in plan.computed)

    def _memo(self, compute: Computation, plan: Plan) -> Memo:
        readings = {reading for each in _expressions(plan) for reading in readings_of(each)}
        memo = Memo(_without_entries_of_whole(readings), compute, budget=self._budget)
        self._remembering.append(memo)
        return memo


def _expressions(plan: Plan) -> Iterator[Expression]:
    match plan:
        case Known():
            pass
        case Leaf(expression=expression):
            yield expression
        case MapPlan(computed=computed) | MessagePlan(computed=computed):
            for _, part in computed:
                yield from _expressions(part)
        case _:
            assert_never(plan)


def _without_entries_of_whole(readings: set[Reading]) -> list[Reading]:
    """Single entries say nothing of a map that is read as a whole."""
    whole = {each.name for each in readings if each.key is None}
    kept = [each for each in readings if each.key is None or each.name not in whole]
    return sorted(kept, key=lambda each: (each.name, each.key or ""))


def _map_key(plan: MapPlan) -> object:
    """Equal for maps that come out equal of any bag."""
    known = tuple((key, type(value), repr(value)) for key, value in plan.known.items())
    texts = tuple(
        (key, each.text, each.type, each.semantics)
        for key, part in plan.computed
        for each in _expressions(part)
    )
    return known, texts


class _Maps:
    """The computation of a map from those of its entries."""

    __slots__ = ("_computations", "_keys", "_known")

    def __init__(self, known: Mapping[str, object], parts: _Parts) -> None:
        self._known = dict(known)
        self._keys = [key for key, _ in parts]
        self._computations = [part for _, part in parts]

    def many(self, columns: BagColumns, done: Done) -> Made:
        known, keys = self._known, self._keys
        made = [part.many(columns, done) for part in self._computations]
        if False not in [each.is_same for each in made]:
            entries = dict(zip(keys, [each.values[0] for each in made], strict=True))
            return same(known | entries, columns)
        rows = zip(*[each.values for each in made], strict=True)
        values = [known | dict(zip(keys, row)) for row in rows]  # noqa: B905 - a row is as long as `keys`
        return Made(values, _failed(made))

    def one(self, bag: Bag, done: DoneForOne) -> object:
        values = [part.one(bag, done) for part in self._computations]
        return self._known | dict(zip(self._keys, values, strict=True))


class _Carriers:
    """The computation of a message from those of its fields."""

    __slots__ = (
        "_blank",
        "_carrier",
        "_computations",
        "_known",
        "_leaves",
        "_names",
        "_others",
        "_slots",
    )

    def __init__(
        self, carrier: Callable[..., object], known: Mapping[str, object], parts: _Parts
    ) -> None:
        self._carrier = carrier
        self._known = known
        self._names = [name for name, _ in parts]
        self._computations = [part for _, part in parts]
        order = _order(carrier, {*known, *self._names})
        self._blank = [known.get(name) for name in order or ()]
        self._slots = None if order is None else [order.index(name) for name in self._names]
        placed = [*zip(self._slots or (), self._computations)]  # noqa: B905 - perhaps no slots
        self._leaves = [
            (slot, part.of_bag) for slot, part in placed if isinstance(part, ExpressionColumn)
        ]
        self._others = [
            (slot, part.one) for slot, part in placed if not isinstance(part, ExpressionColumn)
        ]

    def one(self, bag: Bag, done: DoneForOne) -> object:
        if self._slots is None:
            return self._carrier_of([part.one(bag, done) for part in self._computations])
        fields = self._blank.copy()
        for slot, evaluate in self._leaves:
            fields[slot] = evaluate(bag)
        for slot, one in self._others:
            fields[slot] = one(bag, done)
        try:
            return self._carrier(*fields)
        except Exception as error:  # as below
            raise NotMadeError from error

    def many(self, columns: BagColumns, done: Done) -> Made:
        made = [part.many(columns, done) for part in self._computations]
        failed = _failed(made)
        try:
            if failed:
                return self._of_others(made, failed)
            if False not in [each.is_same for each in made]:
                return same(self._carrier_of([each.values[0] for each in made]), columns)
            return Made(self._carriers([each.values for each in made]))
        except NotMadeError:
            return all_failed(columns)

    def _of_others(self, made: Sequence[Made], failed: frozenset[int]) -> Made:
        """Those of the bags that have all fields."""
        count = len(made[0].values)
        others = [position for position in range(count) if position not in failed]
        carriers = self._carriers([[each.values[at] for at in others] for each in made])
        values: list[object] = [None] * count
        for position, carrier in zip(others, carriers, strict=True):
            values[position] = carrier
        return Made(values, failed)

    def _carrier_of(self, values: Sequence[object]) -> object:
        """Of one value for each computed field. Raises `NotMadeError`."""
        try:
            if self._slots is None:
                return self._carrier(**self._known, **dict(zip(self._names, values, strict=True)))
            fields = self._blank.copy()
            for slot, value in zip(self._slots, values):  # noqa: B905 - one for each slot
                fields[slot] = value
            return self._carrier(*fields)
        except Exception as error:  # the carrier may be a third party's class; `build` tells
            raise NotMadeError from error

    def _carriers(self, fields_made: Sequence[Sequence[object]]) -> list[object]:
        """Of as many values for each computed field. Raises `NotMadeError`."""
        if self._slots is None:
            return [*map(self._carrier_of, zip(*fields_made, strict=True))]
        columns: list[Iterable[object]] = [*map(repeat, self._blank)]
        for slot, values in zip(self._slots, fields_made, strict=True):
            columns[slot] = values
        try:
            # Computed fields end: a message without any is a constant.
            return [*map(self._carrier, *columns)]
        except Exception as error:  # as above
            raise NotMadeError from error


class _RecurringCarriers(_Carriers):
    """As `_Carriers`, for messages that are made of remembered values alone."""

    __slots__ = ("_remembered",)

    def __init__(
        self, carrier: Callable[..., object], known: Mapping[str, object], parts: _Parts
    ) -> None:
        super().__init__(carrier, known, parts)
        # By identity of the values, which are kept, so that no other object takes it over.
        self._remembered: dict[tuple[int, ...], tuple[object, Sequence[object]]] = {}

    def forget(self) -> None:
        """Let go of all that was made."""
        self._remembered.clear()

    def one(self, bag: Bag, done: DoneForOne) -> object:
        return self._carrier_of([part.one(bag, done) for part in self._computations])

    def _carrier_of(self, values: Sequence[object]) -> object:
        key = (*map(id, values),)
        found = self._remembered.get(key)
        if found is None:
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            found = self._remembered[key] = (super()._carrier_of(values), values)
        return found[0]

    def _carriers(self, fields_made: Sequence[Sequence[object]]) -> list[object]:
        return [*map(self._carrier_of, zip(*fields_made, strict=True))]


_MOST_REMEMBERED: Final = 1_024
"""Carriers of one message; arbitrary, as many as `Memo` remembers maps."""


def _order(carrier: Callable[..., object], given: set[str]) -> tuple[str, ...] | None:
    """In which order the carrier takes its fields; None if it is to be called with keywords.

    A call with keywords takes three times as long.
    """
    try:
        parameters = signature(carrier).parameters
    except (TypeError, ValueError):
        return None
    if any(each.kind is not each.POSITIONAL_OR_KEYWORD for each in parameters.values()):
        return None
    return tuple(parameters) if parameters.keys() == given else None


def _failed(made: Sequence[Made]) -> frozenset[int]:
    return NONE_FAILED.union(*[each.failed for each in made])
