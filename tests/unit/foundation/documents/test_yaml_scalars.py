"""Plain scalars mean what Go's YAML library says they mean."""

import math

import pytest

from remixer.foundation.documents.yaml_scalars import key_text, plain_scalar


@pytest.mark.parametrize("text", ["y", "Y", "yes", "Yes", "YES", "true", "True", "on", "ON"])
def test_yaml_1_1_word_is_true(text: str) -> None:
    assert plain_scalar(text) is True


@pytest.mark.parametrize("text", ["n", "N", "no", "No", "NO", "false", "FALSE", "off", "Off"])
def test_yaml_1_1_word_is_false(text: str) -> None:
    assert plain_scalar(text) is False


@pytest.mark.parametrize("text", ["yEs", "tRUE", "oN", "yess", "nULL"])
def test_word_in_unusual_case_is_text(text: str) -> None:
    assert plain_scalar(text) == text


@pytest.mark.parametrize("text", ["", "~", "null", "Null", "NULL"])
def test_null_words(text: str) -> None:
    assert plain_scalar(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("42", 42),
        ("-7", -7),
        ("+7", 7),
        ("010", 8),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b101", 5),
        ("1_000", 1000),
        ("18446744073709551615", 2**64 - 1),
        ("-9223372036854775808", -(2**63)),
    ],
)
def test_whole_numbers(text: str, value: int) -> None:
    found = plain_scalar(text)
    assert found == value
    assert type(found) is int


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-2.", -2.0),
        ("089", 89.0),
        ("18446744073709551616", 2.0**64),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
    ],
)
def test_fractions_and_numbers_beyond_64_bits_are_floats(text: str, value: float) -> None:
    found = plain_scalar(text)
    assert found == value
    assert type(found) is float


def test_nan_is_a_float() -> None:
    found = plain_scalar(".nan")
    assert isinstance(found, float)
    assert math.isnan(found)


@pytest.mark.parametrize(
    "text", ["12:30:45", "2021-01-01", "1.2.3", "0xZZ", "-", "+", "1e400", "5s", "٣", "_1"]
)
def test_what_only_resembles_a_number_is_text(text: str) -> None:
    assert plain_scalar(text) == text


@pytest.mark.parametrize(
    ("value", "key"),
    [(True, "true"), (False, "false"), (8080, "8080"), (1.5, "1.5"), (2.0, "2"), ("a", "a")],
)
def test_key_becomes_text(value: str | float, key: str) -> None:
    assert key_text(value) == key


def test_null_is_no_key() -> None:
    assert key_text(None) is None
