"""Deadline, clock, errors, log: the parts with one rule each."""

import logging

import pytest

from remixer.foundation.clock import SystemClock
from remixer.foundation.deadline import Deadline
from remixer.foundation.errors import CheckFailedError, InvalidRequestError, UnavailableError
from remixer.foundation.log import event_log
from remixer.foundation.status import Code


def test_a_passed_deadline_has_nothing_left() -> None:
    assert Deadline(10.0).remaining_s(now_s=11.0) == 0.0


def test_a_deadline_counts_down() -> None:
    assert Deadline(10.0).remaining_s(now_s=9.5) == 0.5


def test_monotonic_time_never_goes_back() -> None:
    clock = SystemClock()
    first = clock.monotonic_s()
    assert clock.monotonic_s() >= first


def test_unix_time_is_this_century() -> None:
    assert 10**18 < SystemClock().unix_ns() < 5 * 10**18


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidRequestError("x"), Code.INVALID_ARGUMENT),
        (CheckFailedError("x"), Code.INTERNAL),
        (UnavailableError("x"), Code.UNAVAILABLE),
    ],
)
def test_each_policy_error_maps_to_one_code(error: InvalidRequestError, code: Code) -> None:
    assert (error.code, error.message) == (code, "x")


def test_an_event_keeps_its_name_constant_and_its_fields_apart(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        event_log("some.module").info("thing_happened", rule="a", count=2)
    record = caplog.records[0]
    assert record.msg == "thing_happened"
    assert vars(record)["fields"] == {"rule": "a", "count": 2}


def test_a_level_that_is_off_writes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        event_log("some.module").warning("thing_happened")
    assert caplog.records == []
