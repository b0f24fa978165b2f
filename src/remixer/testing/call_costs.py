"""What one call costs in things that can be counted: the same on every machine and every day.

Theory of operation. Time is measured elsewhere and differs from run to run. What is counted here
is what the interpreter is made to do: functions entered, messages parsed, things looked up,
instructions executed, memory taken. A change that makes a request dearer moves one of these
numbers, however noisy the machine is.

The call is made several times first, so that memories are warm, then once under Python's own
tracing (`sys.setprofile`, `sys.settrace` by instruction) and once under `tracemalloc`. Modules
that were compiled to C do not show; count with the Python sources in use.
"""

import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from opcode import opname
from types import FrameType
from typing import Any, Final, TypeAlias

_PARSERS: Final = frozenset({"FromString", "MergeFromString", "ParseFromString"})
_LOOK_UPS: Final = frozenset({"BINARY_SUBSCR", "CONTAINS_OP"})
_GETTERS: Final = frozenset({"get", "setdefault", "pop"})
_WARM_UPS: Final = 20

_Tracer: TypeAlias = "Callable[[FrameType, str, Any], _Tracer | None]"  # as `sys.settrace` has it


@dataclass(frozen=True, slots=True)
class CallCosts:
    """Counts of one call."""

    python_calls: int
    """Functions written in Python that were entered, the call itself included."""
    builtin_calls: int
    """Functions written in C that were called by name; not types that were instantiated."""
    parses: int
    """Protobuf messages that were parsed, parts of a message not counted."""
    look_ups: int
    """Subscriptions, `in`, and `get`, `setdefault` or `pop`, of whatever container."""
    instructions: int
    """Instructions of bytecode."""
    peak_bytes: int
    """Memory taken at the highest point, above what there was before."""


def costs_of(call: Callable[[], object], *, warm_ups: int = _WARM_UPS) -> CallCosts:
    """Counts of one call of `call`, after so many that are not counted."""
    for _ in range(warm_ups):
        call()
    python_calls, builtins = _functions_in(call)
    instructions = _instructions_in(call)
    getters = sum(builtins[name] for name in _GETTERS)
    return CallCosts(
        python_calls=python_calls,
        builtin_calls=builtins.total(),
        parses=sum(builtins[name] for name in _PARSERS),
        look_ups=getters + sum(instructions[name] for name in _LOOK_UPS),
        instructions=instructions.total(),
        peak_bytes=_peak_bytes_of(call),
    )


def _functions_in(call: Callable[[], object]) -> tuple[int, Counter[str]]:
    """Python functions entered, and builtin ones by name."""
    entered = 0
    builtins: Counter[str] = Counter()

    def note(_frame: FrameType, event: str, function: object) -> None:
        nonlocal entered
        if event == "call":
            entered += 1
        elif event == "c_call":
            builtins[getattr(function, "__name__", "")] += 1

    before, tracer = sys.getprofile(), sys.gettrace()
    sys.settrace(None)
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(before)
        sys.settrace(tracer)
    builtins["setprofile"] -= 1  # the one that ended the count
    return entered, +builtins


def _instructions_in(call: Callable[[], object]) -> Counter[str]:
    """Instructions executed, by name."""
    found: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _argument: object) -> _Tracer:
        if event == "opcode":
            found[opname[frame.f_code.co_code[frame.f_lasti]]] += 1
        else:
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
        return note

    before = sys.gettrace()
    sys.settrace(note)
    try:
        call()
    finally:
        sys.settrace(before)
    return found


def _peak_bytes_of(call: Callable[[], object]) -> int:
    tracer = sys.gettrace()
    sys.settrace(None)  # who traces takes memory, too
    was_tracing = tracemalloc.is_tracing()
    if not was_tracing:
        tracemalloc.start()
    try:
        call()  # blocks that nobody saw being taken are taken anew
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        call()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        if not was_tracing:
            tracemalloc.stop()
        sys.settrace(tracer)
