"""Expressions evaluated for many bags at once, and a memory of what computations made.

Theory of operation. A computation takes columns and gives one value per bag (`Made`). Where all that
it reads is alike in all bags, it is done once. A `Memo` remembers what another computation made of
the values that it read, because evaluation depends on nothing else. Its first key is, for each
reading, the value that all bags have, or that they differ; so that of a batch in which one
attribute changes, the changing values themselves are the keys that remain. For one bag alone there
are no columns: the first key is the types of what it has, the second the values.

What differs for an expression differs in a key: 1, True and 1.0, an absent entry and an absent map.
Values that cannot be told apart that way (doubles that differ, whole maps) are not remembered.
"""

from collections.abc import Callable, Collection, Sequence
from operator import itemgetter
from typing import Final, NamedTuple, Protocol, TypeAlias, cast

from remixer.attributes.bag import Bag
from remixer.attributes.columns import BagColumns, Column, SameColumn, SelectedColumns, settled
from remixer.attributes.values import Duration, PlainStringMap, Timestamp, Value
from remixer.expr.compile import Expression
from remixer.expr.errors import EvaluationError
from remixer.expr.reads import Reading

NONE_FAILED: Final[frozenset[int]] = frozenset()


class Made(NamedTuple):
    """One value per bag. What stands at `failed` positions means nothing."""

    values: Sequence[object]
    failed: frozenset[int] = NONE_FAILED
    is_same: bool = False
    """Whether all values are one object."""


Done: TypeAlias = dict[object, Made]
"""What was made of the same columns before, by whom."""
DoneForOne: TypeAlias = dict[object, object]
"""What was made of the same bag before, by whom."""
_Row: TypeAlias = dict[str, Value | None]
"""What one bag has, of all that an expression mentions."""


class NotMadeError(Exception):
    """There is no value for a bag, for another reason than an expression without one."""


class Computation(Protocol):
    """Makes values of what bags have."""

    def many(self, columns: BagColumns, done: Done) -> Made:
        """A value for each of at least one bag."""
        ...

    def one(self, bag: Bag, done: "DoneForOne") -> object:
        """The value for one bag; raises `EvaluationError` or `NotMadeError`."""
        ...


def same(value: object, columns: BagColumns) -> Made:
    """One value for all."""
    return Made([value] * len(columns), is_same=True)


def all_failed(columns: BagColumns) -> Made:
    """No value for any."""
    count = len(columns)
    return Made([None] * count, frozenset(range(count)))


class Constant:
    """The computation of what is known before any bag."""

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value

    def many(self, columns: BagColumns, _done: Done) -> Made:
        return same(self._value, columns)

    def one(self, _bag: Bag, _done: DoneForOne) -> object:
        return self._value


_ALL_SAME: Final[frozenset[type]] = frozenset({SameColumn})


class ExpressionColumn:
    """The computation of one expression."""

    __slots__ = ("_evaluate", "_names", "of_bag")

    def __init__(
        self, expression: Expression, convert: Callable[[Value], Value] | None = None
    ) -> None:
        """`convert` is called with each value."""
        # An evaluation asks for attributes that the expression mentions, and for nothing else.
        evaluate = cast("Callable[[_Row], Value]", expression.evaluate)
        self._names = sorted(expression.attributes)
        self._evaluate = evaluate if convert is None else lambda row: convert(evaluate(row))
        self.of_bag = cast("Callable[[Bag], Value]", self._evaluate)

    def one(self, bag: Bag, _done: DoneForOne) -> object:
        return self.of_bag(bag)

    def many(self, columns: BagColumns, _done: Done) -> Made:
        names, evaluate = self._names, self._evaluate
        read = [columns.column(name) for name in names]
        if _ALL_SAME.issuperset(map(type, read)):
            try:
                row = {name: column[0] for name, column in zip(names, read, strict=True)}
                return same(evaluate(row), columns)
            except EvaluationError:
                return all_failed(columns)
        try:
            if len(read) == 1:
                name = names[0]
                return Made([evaluate({name: value}) for value in read[0]])
            rows = zip(*read, strict=True)
            return Made([evaluate(dict(zip(names, row))) for row in rows])  # noqa: B905 - each is as long as `names`
        except EvaluationError:
            return self._one_by_one(read)

    def _one_by_one(self, read: Sequence[Column]) -> Made:
        values: list[object] = []
        failed: list[int] = []
        for position, row in enumerate(zip(*read, strict=True)):
            value: object = None
            try:
                value = self._evaluate(dict(zip(self._names, row, strict=True)))
            except EvaluationError:
                failed.append(position)
            values.append(value)
        return Made(values, frozenset(failed))


class MemoBudget:
    """How much all memos together may still remember; at zero, whoever owns them makes them forget.

    It grows with each memo, so that those that are many need not forget at each question.
    """

    __slots__ = ("_most", "left")

    def __init__(self, most: int) -> None:
        self._most = most
        self.left = most

    def grow(self) -> None:
        """By what one more memo may remember."""
        self._most += _MORE_FOR_EACH
        self.left += _MORE_FOR_EACH

    def renew(self) -> None:
        """Begin anew, now that all memos have forgotten."""
        self.left = self._most


_MORE_FOR_EACH: Final = 4
"""What a memo remembers of one bag alone, and of bags together that are alike: keys and results."""


class Memo:
    """Remembers what a computation made, by the values of `readings`, which are all that it reads.

    Values must not be None. If most of what comes is new each time, it is let through for a while.
    """

    __slots__ = (
        "_asked",
        "_budget",
        "_inner",
        "_let_through",
        "_most",
        "_read",
        "_readings",
        "_remembered",
        "_tables",
    )

    def __init__(
        self,
        readings: Sequence[Reading],
        inner: Computation,
        *,
        budget: MemoBudget,
        most: int = 1_024,
    ) -> None:
        self._readings = readings
        self._read = _reader(readings)
        self._inner = inner
        self._budget = budget
        self._most = most
        self._tables: dict[tuple[object, ...], dict[object, object]] = {}
        self._remembered = 0
        self._asked = 0
        self._let_through = 0
        budget.grow()

    def one(self, bag: Bag, done: DoneForOne) -> object:
        value = done.get(self)
        if value is None:
            value = done[self] = self._made_of_one(bag, done)
        return value

    def _made_of_one(self, bag: Bag, done: DoneForOne) -> object:
        if self._let_through > 0:
            self._let_through -= 1
            return self._inner.one(bag, done)
        self._asked += 1
        values = self._read(bag)
        kinds = (*map(type, values),)
        table = self._tables.get(kinds)
        if table is None:
            if not _REMEMBERED_ALONE.issuperset(kinds):
                return self._inner.one(bag, done)
            self._make_room((kinds,))
            table = self._tables[kinds] = {}
        value = table.get(values)
        if value is None:
            value = self._inner.one(bag, done)
            self._make_room((values,))
            table[values] = value
        return value

    def many(self, columns: BagColumns, done: Done) -> Made:
        made = done.get(self)
        if made is None:
            made = done[self] = self._made(columns, done)
        return made

    def _made(self, columns: BagColumns, done: Done) -> Made:
        if self._let_through > 0:
            self._let_through -= len(columns)
            return self._inner.many(columns, done)
        marks: list[object] = []
        varying: list[Column] = []
        for name, key in self._readings:
            column = columns.column(name)
            if key is not None:
                column = _entries(column, key)
            if type(column) is SameColumn:
                value = column[0]
                mark = value if type(value) in _UNLIKE_ALL else _mark_of(value)
            else:
                mark = _mark_of_many(column)
                varying.append(column)
            if mark is _UNUSABLE:
                return self._inner.many(columns, done)
            marks.append(mark)
        self._asked += len(columns)
        first_key = (_DIFFERS, *marks)
        table = self._tables.get(first_key)
        if table is None:
            self._make_room((first_key,))
            table = self._tables[first_key] = {}
        if not varying:
            return self._of_all(table, columns)
        return self._of_each(table, varying, columns)

    def _of_all(self, table: dict[object, object], columns: BagColumns) -> Made:
        value = table.get(())
        if value is None:
            made = self._inner.many(SelectedColumns(columns, (0,)), {})
            if made.failed:
                return all_failed(columns)
            value = table[()] = made.values[0]
        return same(value, columns)

    def _of_each(
        self, table: dict[object, object], varying: Sequence[Column], columns: BagColumns
    ) -> Made:
        keys: Sequence[object] = varying[0] if len(varying) == 1 else [*zip(*varying, strict=True)]
        values = [*map(table.get, keys)]
        missing = [position for position, value in enumerate(values) if value is None]
        if not missing:
            return Made(values)
        new = {keys[position]: position for position in missing}
        made = self._inner.many(SelectedColumns(columns, [*new.values()]), {})
        self._make_room(new)
        for number, key in enumerate(new):
            if number not in made.failed:
                table[key] = made.values[number]
        for position in missing:
            values[position] = table.get(keys[position])
        failed = frozenset([position for position in missing if values[position] is None])
        return Made(values, failed)

    def _make_room(self, keys: Collection[object]) -> None:
        """Forget all if `keys` are too many more. A table that is in use meanwhile stays usable."""
        weight = len(keys) + sum(map(_characters, keys)) // _CHARACTERS_OF_ONE
        self._budget.left -= weight
        self._remembered += weight
        if self._remembered < self._most:
            return
        if 2 * self._remembered > self._asked:
            self._let_through = _LET_THROUGH
        self.forget()

    def forget(self) -> None:
        """All. Not while it is asked."""
        self._tables.clear()
        self._remembered = self._asked = 0


def _characters(key: object) -> int:
    """Of all texts in a key: clients choose how long a path or a header is."""
    if isinstance(key, str | bytes):
        return len(key)
    return sum(map(_characters, key)) if isinstance(key, tuple) else 0


_CHARACTERS_OF_ONE: Final = 256
"""Keys with this many characters weigh as much as one more result."""
_LET_THROUGH: Final = 100_000
"""Bags for which a memo is not tried that did not help; arbitrary."""


class _Absent:
    """Stands in keys for what no value is."""

    __slots__ = ()


_UNUSABLE: Final = _Absent()
_NO_ENTRY: Final = cast("Value", _Absent())
_NO_MAP: Final = cast("Value", _Absent())
_DIFFERS: Final = _Absent()

# Values of these types equal no value of another type.
_UNLIKE_ALL: Final = frozenset({str, bytes, type(None), _Absent})
_NUMBERS: Final = frozenset({int, bool, Timestamp, Duration})
_REMEMBERED_ALONE: Final = _UNLIKE_ALL | _NUMBERS


class _Readable(Protocol):
    """A bag."""

    def __getitem__(self, name: str, /) -> Value | None: ...


_Read: TypeAlias = Callable[[_Readable], tuple[Value | None, ...]]


def _reader(readings: Sequence[Reading]) -> _Read:
    """Reads all at once."""
    names = [name for name, _ in readings]
    keys = [(number, key) for number, (_, key) in enumerate(readings) if key is not None]
    if len(names) == 1:
        name = names[0]
        read: _Read = lambda bag: (bag[name],)
    else:
        read = cast("_Read", itemgetter(*names)) if names else lambda _: ()
    if not keys:
        return read

    def read_entries(bag: _Readable) -> tuple[Value | None, ...]:
        values = [*read(bag)]
        for number, key in keys:
            found = values[number]
            if type(found) is PlainStringMap and key in found:
                values[number] = found[key]
            else:
                values[number] = _entry(found, key)
        return (*values,)

    return read_entries


def _mark_of(value: object) -> object:
    """A value that all bags have, so that it equals no other one."""
    kind = type(value)
    if kind in _NUMBERS:
        return kind, value
    if isinstance(value, float) and kind is float:
        return kind, value.hex()
    return _UNUSABLE


def _mark_of_many(column: Column) -> object:
    """That values differ, and of which type they are."""
    kinds = set(map(type, column)) - _UNLIKE_ALL
    if not kinds:
        return _DIFFERS
    kind = kinds.pop()
    return _UNUSABLE if kinds or kind not in _NUMBERS else (_DIFFERS, kind)


def _entries(column: Column, key: str) -> Column:
    """One entry of each string map; see `_Absent` for what is none."""
    if type(column) is SameColumn:
        return SameColumn([_entry(column[0], key)] * len(column))
    return settled([_entry(value, key) for value in column])


def _entry(value: Value | None, key: str) -> Value | None:
    """One entry of a string map; see `_Absent` for what is none."""
    if value is None:
        return None
    if isinstance(value, str | int | float | bytes):
        return _NO_MAP
    entry = value[key]
    return _NO_ENTRY if entry is None else entry
