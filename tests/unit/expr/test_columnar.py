"""What a memo may take for the same, how much it keeps, and when it gives up."""

from collections.abc import Mapping, Sequence

import pytest

from remixer.attributes.bag import Bag, PlainBag, plain_bag
from remixer.attributes.columns import BagColumns, GatheredColumns
from remixer.attributes.values import Duration, PlainStringMap, Timestamp, Value, ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.expr.columnar import Done, DoneForOne, Made, Memo, MemoBudget
from remixer.expr.compile import Expression, compile_expression
from remixer.expr.reads import Reading, readings_of

NAMES = Vocabulary(
    {"a": ValueType.STRING, "n": ValueType.INT64, "h": ValueType.STRING_MAP, "i": ValueType.STRING}
)


class Echo:
    """Makes a new object of what a bag has, and counts."""

    def __init__(self, name: str = "a", key: str | None = None) -> None:
        self.name = name
        self.key = key
        self.made = 0

    def one(self, bag: Bag, _done: DoneForOne) -> object:
        self.made += 1
        value = bag[self.name]
        if self.key is None or not isinstance(value, PlainStringMap):
            return [value]
        return [value, value[self.key]]

    def many(self, columns: BagColumns, _done: Done) -> Made:
        return Made([self.one(bag, {}) for bag in columns])


def memo_of(echo: Echo, *, budget: int = 1_000, most: int = 100) -> Memo:
    reading = Reading(echo.name, echo.key)
    return Memo([reading], echo, budget=MemoBudget(budget), most=most)


def bags(values: Sequence[Value | Mapping[str, str] | None]) -> list[PlainBag]:
    return [plain_bag({} if value is None else {"a": value}) for value in values]


def told(made: object) -> str:
    assert isinstance(made, list)
    return str([(type(each).__name__, each) for each in made])


DIFFERENT = [1, True, 1.0, Timestamp(1), Duration(1), 0.0, -0.0, 0, False, "1", b"1", None]


@pytest.mark.parametrize("first", DIFFERENT, ids=repr)
@pytest.mark.parametrize("second", DIFFERENT, ids=repr)
def test_what_differs_for_an_expression_is_not_taken_for_the_same(
    first: Value | None, second: Value | None
) -> None:
    memo = memo_of(Echo())
    both = bags([first, second])
    wanted = [told([first]), told([second])]
    assert [told(memo.one(bag, {})) for bag in both] == wanted
    for columns in (both, both[:1], both[1:], [*both, *bags(["x"])]):
        made = memo.many(GatheredColumns(columns), {})
        assert [told(each) for each in made.values] == [told([bag["a"]]) for bag in columns]


MAPS: list[Value | Mapping[str, str] | None] = [None, {}, {"k": ""}, {"k": "v"}, {"j": "v"}, "k"]


@pytest.mark.parametrize("first", MAPS, ids=repr)
@pytest.mark.parametrize("second", MAPS, ids=repr)
def test_an_absent_entry_is_no_absent_map(
    first: Value | Mapping[str, str] | None, second: Value | Mapping[str, str] | None
) -> None:
    class Kind(Echo):
        def one(self, bag: Bag, _done: DoneForOne) -> object:
            value = bag["a"]
            return [type(value).__name__, value["k"] if isinstance(value, PlainStringMap) else ""]

    memo = memo_of(Kind(key="k"))
    both = bags([first, second])
    wanted = [Kind().one(bag, {}) for bag in both]
    assert [memo.one(bag, {}) for bag in both] == wanted
    assert memo.many(GatheredColumns(both), {}).values == wanted


def test_what_recurs_is_made_once() -> None:
    echo = Echo()
    memo = memo_of(echo)
    for _ in range(3):
        made = memo.many(GatheredColumns(bags(["x", "y", "x", "x"])), {})
    assert echo.made == 2
    assert made.values[0] is made.values[2]
    assert memo.one(bags(["x"])[0], {}) is memo.one(bags(["x"])[0], {})


def test_a_memo_that_does_not_help_steps_aside() -> None:
    echo = Echo()
    memo = memo_of(echo, most=10)
    for number in range(30):
        memo.one(bags([f"new {number}"])[0], {})
    made = echo.made
    memo.one(bags(["new 29"])[0], {})
    assert echo.made == made + 1


def test_long_texts_weigh_more_and_all_weigh_something() -> None:
    budget = MemoBudget(1_000)
    memo = Memo([Reading("a")], Echo(), budget=budget, most=10_000)
    before = budget.left
    memo.one(bags(["x"])[0], {})
    light = before - budget.left
    memo.one(bags(["x" * 10_000])[0], {})
    assert 0 < light < 10
    assert budget.left < before - 30


def test_a_budget_has_room_for_one_question_to_each_of_many_memos() -> None:
    budget = MemoBudget(10)
    memos = [Memo([Reading("a")], Echo(), budget=budget) for _ in range(1_000)]
    for memo in memos:
        memo.one(bags(["x"])[0], {})
        memo.many(GatheredColumns(bags(["x", "x"])), {})
    assert budget.left > 0


def test_memos_that_have_forgotten_remember_anew() -> None:
    budget, echoes = MemoBudget(10), [Echo(), Echo()]
    memos = [Memo([Reading("a")], echo, budget=budget) for echo in echoes]
    full = budget.left
    (bag,) = bags(["x"])
    for memo in memos:
        memo.one(bag, {})
    assert budget.left < full
    for memo in memos:
        memo.forget()
    budget.renew()
    assert budget.left == full
    for memo in [*memos, *memos]:
        memo.one(bag, {})
    assert [echo.made for echo in echoes] == [2, 2]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('a | "x"', {Reading("a")}),
        ('h["k"] | a', {Reading("a"), Reading("h", "k")}),
        ("h[a]", {Reading("a"), Reading("h")}),
        ('h["k"] == h[a]', {Reading("a"), Reading("h"), Reading("h", "k")}),
        (
            'conditional(n == 1, h["k"], h["j"])',
            {Reading("n"), Reading("h", "k"), Reading("h", "j")},
        ),
        ('"x"', set()),
    ],
)
def test_readings_are_all_that_is_mentioned(text: str, wanted: set[Reading]) -> None:
    expression = compile_expression(text, NAMES)
    assert isinstance(expression, Expression)
    assert set(readings_of(expression)) == wanted
