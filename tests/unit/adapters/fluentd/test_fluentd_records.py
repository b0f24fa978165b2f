"""`fluentd`: what a record holds, and its tag."""

import pytest

from remixer.adapters.fluentd.records import RecordFormat
from remixer.attributes.values import Duration, PlainStringMap, Timestamp, Value
from remixer.templates.instances import LogEntry

_TEXT = RecordFormat(integer_duration=False)
_WHOLE = RecordFormat(integer_duration=True)


def _entry(**variables: Value) -> LogEntry:
    return LogEntry("log.instance.shop", variables=variables, severity="Info")


def test_a_record_has_the_variables_and_the_severity() -> None:
    entry = _entry(path="/cart", n=7, share=0.5, ok=True)
    assert _TEXT.record_of(entry) == {
        "path": "/cart",
        "n": 7,
        "share": 0.5,
        "ok": True,
        "severity": "Info",
    }
    assert _TEXT.tag_of(entry) == "log.instance.shop"


def test_a_variable_tag_is_the_tag_and_the_record_gets_the_name() -> None:
    entry = _entry(tag="app.shop", path="/")
    assert _TEXT.tag_of(entry) == "app.shop"
    assert _TEXT.record_of(entry) == {"path": "/", "name": "log.instance.shop", "severity": "Info"}


def test_an_empty_tag_is_none() -> None:
    assert _TEXT.tag_of(_entry(tag="")) == "log.instance.shop"


def test_a_tag_of_another_type_counts_as_text() -> None:
    assert _TEXT.tag_of(_entry(tag=7)) == "7"


def test_the_severity_of_the_entry_wins_over_a_variable_of_that_name() -> None:
    assert _TEXT.record_of(_entry(severity="x"))["severity"] == "Info"


@pytest.mark.parametrize(
    ("nanoseconds", "text", "whole"),
    [(1_500_999_999, "1.500999999s", 1500), (-1_999_999, "-1.999999ms", -1), (0, "0s", 0)],
)
def test_durations_are_text_or_whole_milliseconds(nanoseconds: int, text: str, whole: int) -> None:
    entry = _entry(latency=Duration(nanoseconds))
    assert _TEXT.record_of(entry)["latency"] == text
    assert _WHOLE.record_of(entry)["latency"] == whole


def test_addresses_instants_and_string_maps_are_readable() -> None:
    entry = _entry(ip=bytes([10, 0, 0, 1]), at=Timestamp(0), headers=PlainStringMap({"a": "b"}))
    record = _TEXT.record_of(entry)
    assert record["ip"] == "10.0.0.1"
    assert record["at"] == "1970-01-01T00:00:00.000000Z"
    assert record["headers"] == {"a": "b"}


def test_the_instance_is_left_as_it_is() -> None:
    entry = _entry(tag="t", latency=Duration(1))
    _TEXT.record_of(entry)
    assert entry.variables == {"tag": "t", "latency": Duration(1)}
