"""Columns of bags, and when one value stands for all."""

import pytest

from remixer.attributes.bag import plain_bag
from remixer.attributes.columns import GatheredColumns, SameColumn, SelectedColumns, settled
from remixer.attributes.values import Duration, PlainStringMap, Timestamp, Value

MAP = PlainStringMap({"a": "b"})
NAN = float("nan")


@pytest.mark.parametrize(
    "values",
    [["12", str(12)], [None, None], [7, 7], [b"x", b"x"], [MAP, MAP], [NAN, NAN], [0.0]],
)
def test_values_that_are_alike_make_a_same_column(values: list[Value | None]) -> None:
    assert type(settled(values)) is SameColumn


@pytest.mark.parametrize(
    "values",
    [
        ["a", "b"],
        [1, True],
        [1, 1.0],
        [1, Timestamp(1)],
        [Duration(1), Timestamp(1)],
        [0.0, -0.0],
        [None, ""],
        [MAP, PlainStringMap(MAP)],
    ],
)
def test_values_that_an_expression_could_tell_apart_do_not(values: list[Value | None]) -> None:
    assert type(settled(values)) is list


def test_bags_give_their_columns_and_parts_of_them() -> None:
    bags = [plain_bag({"n": number}) for number in range(4)]
    columns = GatheredColumns(bags)
    assert columns.column("n") == [0, 1, 2, 3]
    assert type(columns.column("other")) is SameColumn
    some = SelectedColumns(columns, (3, 1))
    assert (len(some), some.column("n"), some.column("other")) == (2, [3, 1], [None, None])
    assert [*some] == [bags[3], bags[1]]
    assert some[-1] is bags[1]
    assert columns[1:3] == bags[1:3]
