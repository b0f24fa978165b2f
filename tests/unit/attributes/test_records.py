"""Records: columns of finished requests, and rows that become such."""

import pytest

from remixer.attributes.bag import PlainBag, plain_bag
from remixer.attributes.record_rows import RowReader, records_of
from remixer.attributes.records import Column, Kind, Records, column_of, split_by_presence


def test_a_part_has_some_of_the_records() -> None:
    records = Records(3, {"n": Column(Kind.INT64, [1, 2, 3])})
    assert records.part(1, 3) == Records(2, {"n": Column(Kind.INT64, [2, 3])})
    assert records.part(0, 3) is records


def test_cells_that_equal_each_other_are_known_to() -> None:
    assert column_of(Kind.STRING, ["a", "a"]).is_same
    assert not column_of(Kind.STRING, ["a", "b"]).is_same


def test_records_are_split_by_the_attributes_they_have() -> None:
    columns = {
        "everywhere": Column(Kind.STRING, ["a", "b", "c"]),
        "nowhere": Column(Kind.STRING, [None, None, None], is_same=True),
        "somewhere": Column(Kind.INT64, [None, 5, None]),
    }
    without, with_it = split_by_presence(columns, 3)
    assert without == Records(2, {"everywhere": Column(Kind.STRING, ["a", "c"])})
    assert with_it.columns["somewhere"].cells == [5]
    assert with_it.columns["everywhere"].cells == ["b"]


def test_rows_of_one_shape_become_columns_together() -> None:
    reader = RowReader()
    bags = [plain_bag({"path": path, "code": 200}) for path in ("/a", "/b")]
    (records,) = records_of(map(reader.row, bags))
    assert records.count == 2
    assert [*records.columns["path"].cells] == ["/a", "/b"]
    assert records.columns["code"].is_same


def test_rows_of_one_set_of_names_keep_their_order() -> None:
    reader = RowReader()
    bags = [
        plain_bag({"v": 1}),
        plain_bag({"other": 1}),
        plain_bag({"v": "a"}),
        plain_bag({"v": 2}),
    ]
    found = [next(iter(each.columns.values())) for each in records_of(map(reader.row, bags))]
    assert [(each.kind, [*each.cells]) for each in found] == [
        (Kind.INT64, [1]),
        (Kind.STRING, ["a"]),
        (Kind.INT64, [2]),
        (Kind.INT64, [1]),
    ]


def test_rows_without_attributes_are_records_too() -> None:
    reader = RowReader()
    (records,) = records_of([reader.row(PlainBag()), reader.row(PlainBag())])
    assert records == Records(2, {})


@pytest.mark.parametrize("value", ["x" * 5_000, b"x" * 5_000, {"k": "x" * 5_000}])
def test_large_values_weigh_what_they_take(value: str | bytes | dict[str, str]) -> None:
    row = RowReader().row(plain_bag({"v": value}))
    assert 5_000 <= row.kept_bytes() < 6_000
