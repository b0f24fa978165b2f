"""Conditions that say which remembered verdicts to forget."""

import pytest

from remixer.attributes.values import PlainStringMap, ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.tiers.revoking import BadConditionError, matcher

VOCABULARY = Vocabulary(
    {
        "source.user": ValueType.STRING,
        "request.size": ValueType.INT64,
        "request.headers": ValueType.STRING_MAP,
    }
)


@pytest.mark.parametrize(
    ("text", "told", "does_match"),
    [
        ('source.user == "ann"', {"source.user": "ann"}, True),
        ('source.user == "ann"', {"source.user": "bob"}, False),
        ('source.user == "ann"', {}, False),
        ('(source.user | "nobody") == "nobody"', {}, True),
        ('request.headers["a"] == "1"', {"request.headers": PlainStringMap({"a": "1"})}, True),
        ('request.headers["a"] == "1"', {"request.headers": {"a": "1"}}, True),
        ('request.headers["b"] == "1"', {"request.headers": PlainStringMap({"a": "1"})}, False),
        ("request.size > 3 || true", {}, False),
        ("true", {}, True),
    ],
)
def test_what_a_key_does_not_tell_counts_as_absent(
    text: str, told: dict[str, object], *, does_match: bool
) -> None:
    assert matcher(text, VOCABULARY)(told) is does_match


@pytest.mark.parametrize(
    ("text", "code", "column"),
    [
        ('source.usr == "ann"', "EXPR004", 1),
        ('true && source.usr == "ann"', "EXPR004", 9),
        ("source.user", "EXPR010", 1),
    ],
)
def test_a_bad_condition_is_located(text: str, code: str, column: int) -> None:
    with pytest.raises(BadConditionError) as caught:
        matcher(text, VOCABULARY)
    assert [(str(each.code), each.column) for each in caught.value.errors] == [(code, column)]
