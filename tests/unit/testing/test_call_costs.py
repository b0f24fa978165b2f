"""Counts of a call are those of what it does, every time the same."""

import sys
from collections.abc import Callable
from types import FrameType

import pytest
from google.protobuf.duration_pb2 import Duration

from remixer.testing.call_costs import costs_of

_MESSAGE = Duration(seconds=3).SerializeToString()
_TABLE = {"a": 1}


def _double(number: int) -> int:
    return number + number


def test_functions_in_python_are_counted_with_the_call_itself() -> None:
    assert costs_of(lambda: _double(_double(1))).python_calls == 3


def test_builtin_functions_are_counted_apart() -> None:
    costs = costs_of(lambda: len(sorted([2, 1])))
    assert (costs.python_calls, costs.builtin_calls) == (1, 2)


def test_parsing_is_counted_by_message() -> None:
    costs = costs_of(lambda: [Duration.FromString(_MESSAGE), Duration.FromString(_MESSAGE)])
    assert costs.parses == 2


@pytest.mark.parametrize(
    ("call", "look_ups"),
    [
        (lambda: _TABLE["a"], 1),
        (lambda: _TABLE.get("b"), 1),
        (lambda: "b" in _TABLE, 1),
        (lambda: _double(1), 0),
    ],
    ids=["subscription", "get", "in", "none"],
)
def test_look_ups_are_counted(call: Callable[[], object], look_ups: int) -> None:
    assert costs_of(call).look_ups == look_ups


def test_more_work_is_more_instructions() -> None:
    once, twice = costs_of(lambda: _double(1)), costs_of(lambda: (_double(1), _double(2)))
    assert 0 < once.instructions < twice.instructions


def test_memory_at_its_highest_counts_although_it_is_given_back() -> None:
    peak_bytes = costs_of(lambda: len(bytes(100_000))).peak_bytes
    assert 100_000 <= peak_bytes < 110_000


def test_counts_are_the_same_each_time() -> None:
    def call() -> object:
        return [str(each) for each in range(10)], Duration.FromString(_MESSAGE)

    assert costs_of(call) == costs_of(call)


def test_whoever_traced_before_traces_afterwards() -> None:
    def tracer(_frame: FrameType, _event: str, _argument: object) -> None:
        return None

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        costs_of(lambda: None)
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)


def test_a_call_that_fails_leaves_nothing_behind() -> None:
    calls = 0

    def fails_when_counted() -> None:
        nonlocal calls
        calls += 1
        if calls > 5:
            message = "as it should"
            raise RuntimeError(message)

    profiler, tracer = sys.getprofile(), sys.gettrace()
    with pytest.raises(RuntimeError):
        costs_of(fails_when_counted, warm_ups=5)
    assert (sys.getprofile(), sys.gettrace()) == (profiler, tracer)
