"""The reader of YAML files for adapters: values, places, limits."""

import pytest

from remixer.drivers.yaml_files import (
    MAX_DEPTH,
    MAX_FILE_BYTES,
    MAX_VALUES,
    YamlFormatError,
    YamlValue,
    read_documents,
)


def _values(text: str) -> list[YamlValue]:
    return [document.value for document in read_documents(text.encode(), "f.yaml")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a", "a"),
        ("'1'", "1"),
        ("1", 1),
        ("1.5", 1.5),
        ("true", True),
        ("off", False),
        ("!tag 1", "1"),
        ("[a, {b: [c]}]", ["a", {"b": ["c"]}]),
        ("{a: ~, b: null}", {"a": None, "b": None}),
        ("- &x [1]\n- *x", [[1], [1]]),
        ("1:30", "1:30"),
        ("2021-06-01", "2021-06-01"),
    ],
)
def test_values_are_plain(text: str, value: YamlValue) -> None:
    assert _values(text) == [value]


def test_documents_know_the_line_of_their_content() -> None:
    text = b"# c\n---\n\na: 1\n---\n---\nb: 2\n...\n# end\n"
    found = [(each.line, each.value) for each in read_documents(text, "f.yaml")]
    assert found == [(4, {"a": 1}), (7, {"b": 2})]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (b"a: [", 2, "is not YAML"),
        (b"a: 1\nb: \xff", 2, "is not UTF-8"),
        (b"a:\n {1: 2}\n", 2, "a key is not text"),
        (b"x:\n- *nobody", 2, "names no finished anchor"),
        (b"&a [*a]", 1, "names no finished anchor"),
        (b"[" * (MAX_DEPTH + 1), 1, "nests deeper than 32 levels"),
        (b"[" * 1_000_000, 1, "nests deeper than 32 levels"),
        (b"\x01", 0, "is not YAML"),
        (b"a" * (MAX_FILE_BYTES + 1), 0, "is longer than"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_cannot_be_read_says_where_and_why(text: bytes, line: int, reason: str) -> None:
    with pytest.raises(YamlFormatError, match=reason) as caught:
        list(read_documents(text, "f.yaml"))
    assert caught.value.line == line


def test_nesting_to_the_limit_is_fine() -> None:
    assert len(_values("[" * MAX_DEPTH + "]" * MAX_DEPTH)) == 1


def test_aliases_count_as_what_they_stand_for() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    with pytest.raises(YamlFormatError, match=f"more than {MAX_VALUES} values"):
        _values(bomb)
