"""What a reader of gob skips, and what it refuses: streams made by hand."""

import pytest

from remixer.wire.knative_stats import RevisionKey, Stat, StatError, layout_named
from remixer.wire.knative_stats.gob_bytes import counted, floating, signed, unsigned
from remixer.wire.knative_stats.gob_decoder import decode

_LAYOUT = layout_named("minimal-string")
_FLOAT, _STRING = 4, 6


def _common(name: str, type_id: int) -> bytes:
    return b"\x01" + counted(name.encode()) + b"\x01" + signed(type_id) + b"\x00"


def _struct(type_id: int, *fields: tuple[str, int]) -> bytes:
    listed = unsigned(len(fields)) + b"".join(_common(*each) for each in fields)
    body = b"\x03\x01" + _common("T", type_id) + b"\x01" + listed + b"\x00\x00"
    return counted(signed(-type_id) + body)


def _own(type_id: int, *, form: int = 5) -> bytes:
    body = bytes((form,)) + b"\x01" + _common("O", type_id) + b"\x00\x00"
    return counted(signed(-type_id) + body)


def _value(*parts: bytes) -> bytes:
    return counted(signed(65) + b"".join(parts))


_KEY = b"\x01" + counted(b"shop/a")
_STAT = b"\x01\x01" + floating(2.0) + b"\x00"


def test_fields_that_the_reader_does_not_have_are_skipped_whatever_they_are() -> None:
    kinds = {1: b"\x01", 2: signed(-300), 3: unsigned(300), 4: floating(0.1), 5: counted(b"xyz")}
    unknown = [(f"U{type_id}", type_id) for type_id in kinds]
    stream = (
        _struct(65, ("Key", 6), *unknown, ("Inner", 67), ("Own", 68), ("Stat", 66))
        + _struct(66, ("AverageConcurrentRequests", _FLOAT))
        + _struct(67, ("Deep", _STRING))
        + _own(68)
        + _value(
            _KEY,
            *(b"\x01" + value for value in kinds.values()),
            b"\x01\x01" + counted(b"deep") + b"\x00",
            b"\x01" + counted(b"own"),
            _STAT,
            b"\x00",
        )
    )
    assert decode(stream, _LAYOUT) == Stat(RevisionKey("shop", "a"), concurrency=2.0)


def test_definitions_may_come_in_any_order() -> None:
    stream = (
        _struct(66, ("AverageConcurrentRequests", _FLOAT))
        + _struct(65, ("Key", 6), ("Stat", 66))
        + _value(_KEY, _STAT, b"\x00")
    )
    assert decode(stream, _LAYOUT).concurrency == 2.0


def test_a_message_without_a_key_is_a_stat_of_nothing() -> None:
    stream = _struct(65, ("Key", 6)) + _value(b"\x00")
    assert decode(stream, _LAYOUT) == Stat(RevisionKey("", ""))


_TYPES = _struct(65, ("Key", 6), ("Stat", 66)) + _struct(66, ("PodName", _STRING))


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (b"", "1 bytes wanted, 0 are left"),
        (_TYPES + _value(b"\x03", b"\x00"), "field 2 of a struct of 2"),
        (_TYPES + _value(b"\x01" + counted(b"\xff"), b"\x00"), "not UTF-8"),
        (_TYPES + counted(signed(65) + b"\x00\x00"), "bytes after the value"),
        (_TYPES + counted(signed(6) + b"\x00"), "unknown type id 6"),
        (_struct(65, ("Key", 6), ("X", 99)) + _value(b"\x02\x00"), "unknown type 99"),
        (_struct(65, ("Key", 6), ("Stat", 99)), "bytes wanted"),
        (_struct(65, ("Key", 6), ("Stat", 99)) + _value(b"\x00"), "struct wanted, type 99 sent"),
        (_own(65, form=2), "neither a struct nor marshals itself"),
        (counted(signed(-65) + b"\x03\x04"), "no such field"),
        (counted(signed(-65) + b"\x05\x02"), "no such field"),
        (counted(signed(-65) + b"\x03\x01\x03"), "all that a description has"),
        (counted(signed(-65) + b"\x03\x00\x01"), "does not end where it should"),
        (counted(signed(-65) + b"\x03\x00\x00\x00"), "does not end where it should"),
    ],
)
def test_a_broken_stream_is_refused(stream: bytes, reason: str) -> None:
    with pytest.raises(StatError, match=reason):
        decode(stream, _LAYOUT)


@pytest.mark.parametrize("time_ns", [2**63, -(2**62) - 1])
def test_an_instant_beyond_all_bounds_makes_no_stat(time_ns: int) -> None:
    with pytest.raises(StatError, match="out of range"):
        Stat(RevisionKey("shop", "a"), time_ns=time_ns)
