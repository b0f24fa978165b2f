"""Counter keys, byte for byte. The expectations were worked out by hand from Mixer 1.3's rules."""

from collections.abc import Mapping

import pytest

from remixer.adapters.redisquota.keys import (
    LONGEST_KEY_BYTES,
    binary_exponent_text,
    counter_key,
    deduplication_key,
    fnv_1a,
    override_hash,
)
from remixer.attributes.values import Duration, PlainStringMap, Timestamp, Value

_Z = b"\x00" * 32
_NAME = "requestcount.instance.shop"
_BASE = _NAME.encode()


@pytest.mark.parametrize(
    ("dimensions", "wanted"),
    [
        ({}, b""),
        ({"user": "alice"}, b";user=alice"),
        ({"b": "2", "a": "1", "B": "3"}, b";B=3;a=1;b=2"),
        ({"user": ""}, b";user="),
        ({"city": "Zürich"}, b";city=Z\xc3\xbcrich"),
        ({"ip": b"\x0a\x00\x00\x01"}, b";ip=\x0a\x00\x00\x01"),
        ({"port": 80}, b";port=" + _Z + b"50"),
        ({"n": -255}, b";n=" + _Z + b"-ff"),
        ({"n": 0}, b";n=" + _Z + b"0"),
        ({"f": 1.5}, b";f=" + _Z + b"6755399441055744p-52"),
        ({"f": -2.0}, b";f=" + _Z + b"-4503599627370496p-51"),
        ({"f": 0.0}, b";f=" + _Z + b"0p-1074"),
        ({"yes": True, "no": False}, b";no=" + _Z + b"false;yes=" + _Z + b"true"),
        ({"d": Duration(1_500_000_000)}, b";d=1.5s"),
        ({"t": Timestamp(0)}, b";t=1970-01-01T00:00:00.000000Z"),
        ({"m": PlainStringMap(b="2", a="1")}, b";m=stringmap[a:1 b:2]"),
    ],
    ids=repr,
)
def test_key_of_dimensions(dimensions: Mapping[str, Value], wanted: bytes) -> None:
    assert counter_key(_NAME, dimensions) == _BASE + wanted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (1.0, "4503599627370496p-52"),
        (-0.0, "-0p-1074"),
        (5e-324, "1p-1074"),
        (1.7976931348623157e308, "9007199254740991p+971"),
        (4503599627370496.0, "4503599627370496p+0"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
        (float("nan"), "NaN"),
    ],
)
def test_doubles_are_written_as_mantissa_and_exponent_of_two(value: float, wanted: str) -> None:
    assert binary_exponent_text(value) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"), [(b"", 0x811C9DC5), (b"a", 0xE40C292C), (b"foobar", 0xBF9CF968)]
)
def test_the_hash_is_fnv_1a_as_published(text: bytes, wanted: int) -> None:
    assert fnv_1a(text) == wanted


def test_hash_of_an_override_covers_key_tab_value_newline() -> None:
    assert override_hash({"": ""}) == fnv_1a(b"\t\n") == 0x2588006A
    assert override_hash({"user": "alice", "a": "1"}) == fnv_1a(b"a\t1\nuser\talice\n")


def test_hash_of_an_override_does_not_depend_on_the_order_of_its_dimensions() -> None:
    assert override_hash({"a": "1", "b": "2"}) == override_hash({"b": "2", "a": "1"})
    assert override_hash({"a": "1", "b": "2"}) != override_hash({"a": "2", "b": "1"})


def test_the_remembered_answer_is_kept_under_id_and_key() -> None:
    assert deduplication_key("4711count", b"q;user=alice") == b"4711count-q;user=alice.meta"


def test_a_long_key_is_kept_as_its_digest_and_says_whose_it_is() -> None:
    room = LONGEST_KEY_BYTES - len(_BASE) - len(b";u=")
    kept = counter_key(_NAME, {"u": "x" * room})
    assert len(kept) == LONGEST_KEY_BYTES
    first, second = (counter_key(_NAME, {"u": "x" * room + each}) for each in "ab")
    assert first.startswith(_BASE + b";sha256=")
    assert len(first) == len(second) < 200
    assert first != second


def test_text_that_is_not_unicode_makes_a_key() -> None:
    assert counter_key("q", {"u": "\udc80"}) == b"q;u=\xed\xb2\x80"
