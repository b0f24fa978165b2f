"""Operator patterns."""

import pytest

from remixer.foundation.regex import PatternError, compile_pattern

LONGEST = 10_000


def test_search_is_unanchored() -> None:
    assert compile_pattern("t.a").found_in("/xtea/y")


def test_anchors_hold() -> None:
    assert not compile_pattern("^t.a$").found_in("/tea")


def test_a_bad_pattern_gives_the_reason() -> None:
    with pytest.raises(PatternError, match=r"missing \)"):
        compile_pattern("(")


def test_back_references_are_refused() -> None:
    with pytest.raises(PatternError):
        compile_pattern(r"(a)\1")


def test_the_longest_pattern_is_accepted() -> None:
    assert compile_pattern("a" * LONGEST).found_in("a" * LONGEST)


def test_one_more_character_is_refused() -> None:
    with pytest.raises(PatternError, match="10001 characters"):
        compile_pattern("a" * (LONGEST + 1))


def test_an_automaton_too_large_is_refused() -> None:
    with pytest.raises(PatternError):
        compile_pattern("((a{100}){100}){100}")


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [("t.a", "tea", True), ("t.a", "xtea", False), ("a|ab", "ab", True), ("", "", True)],
)
def test_a_match_is_of_the_whole_text(*, pattern: str, text: str, expected: bool) -> None:
    assert compile_pattern(pattern).matches(text) is expected
