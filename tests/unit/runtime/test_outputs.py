"""What handlers give, as attributes."""

import pytest

from remixer.attributes.values import Duration, PlainStringMap
from remixer.runtime.outputs import carried


@pytest.mark.parametrize("value", ["", 5, 1.5, False, b"ip", Duration(3)])
def test_scalars_pass(value: object) -> None:
    assert carried(value) is value


def test_a_map_of_texts_becomes_a_string_map() -> None:
    found = carried({"a": "1"})
    assert isinstance(found, PlainStringMap)
    assert (found["a"], found["b"]) == ("1", None)


@pytest.mark.parametrize("value", [None, ["a"], {"a": 1}, {1: "a"}, object(), 1j])
def test_all_else_is_absent(value: object) -> None:
    assert carried(value) is None
