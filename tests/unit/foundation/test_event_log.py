"""Events of a library: readable in a log that knows nothing of fields."""

import logging

import pytest

from remixer.foundation.log import event_log


def test_the_message_tells_the_fields(caplog: pytest.LogCaptureFixture) -> None:
    event_log("remixer.test").warning("config_problem", problem="shop.yaml:6:40: error", count=2)
    assert caplog.messages == ["config_problem problem='shop.yaml:6:40: error' count=2"]


def test_the_message_is_one_line_of_bounded_length(caplog: pytest.LogCaptureFixture) -> None:
    event_log("remixer.test").warning("x", first="a\nb", second="c" * 100_000)
    (message,) = caplog.messages
    assert message.startswith(r"x first='a\nb' second='ccc")
    assert len(message) < 3_000


def test_the_name_of_the_event_stays_what_records_are_compared_by(
    caplog: pytest.LogCaptureFixture,
) -> None:
    event_log("remixer.test").warning("config_problem", problem="p")
    (record,) = caplog.records
    assert record.msg == "config_problem"
    assert vars(record)["fields"] == {"problem": "p"}


def test_an_event_without_fields_is_its_name(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    event_log("remixer.test").info("stopped")
    assert caplog.messages == ["stopped"]
