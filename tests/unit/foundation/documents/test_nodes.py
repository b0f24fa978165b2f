"""Walking and describing trees."""

import pytest

from remixer.foundation.documents.nodes import MapNode, Node, describe, find, locate, shortened
from remixer.foundation.documents.yaml_documents import read_documents
from remixer.foundation.problems import NO_LOCATION, Location

TEXT = b"""quotas:
- name: a
  validDuration: 5s
- {name: b}
number: 8080
on_off: yes
nothing: ~
"""
(ROOT,) = read_documents(TEXT, "f.yaml").roots


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        ("quotas[0].valid_duration", 3, 18),
        ("quotas[1]", 4, 3),
        ("quotas[1].missing.more", 4, 3),
        ("quotas[7].name", 2, 1),
        ("number.of", 5, 9),
        ("", 1, 1),
    ],
)
def test_deepest_part_of_a_path_that_exists_is_located(path: str, line: int, column: int) -> None:
    assert locate(ROOT, path, NO_LOCATION) == Location("f.yaml", line, column)


def test_path_under_nothing_is_at_the_default() -> None:
    assert locate(None, "a.b", NO_LOCATION) == NO_LOCATION
    assert find(None, "a.b") is None


def node(key: str) -> Node:
    assert isinstance(ROOT, MapNode)
    return next(entry.value for entry in ROOT if entry.key == key)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (node("quotas"), "a list"),
        (ROOT, "a mapping"),
        (node("nothing"), "null"),
        (node("on_off"), "the boolean `yes`"),
        (node("number"), "the number `8080`"),
        (find(ROOT, "quotas[0].name"), "the text `a`"),
    ],
)
def test_description_says_type_and_text(found: Node | None, text: str) -> None:
    assert found is not None
    assert describe(found) == text


def test_long_texts_are_shortened_to_one_line() -> None:
    assert shortened("a\nb") == "a\\nb"
    assert len(shortened("x" * 80)) == 80
    assert shortened("x" * 81) == "x" * 79 + "…"
