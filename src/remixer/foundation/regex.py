"""Operator-written patterns: RE2 syntax, linear time.

The one place that knows the third-party module, so that no pattern of an operator
can ever reach a backtracking engine.
"""

from collections.abc import Sequence
from typing import Protocol

import re2

_LONGEST_PATTERN = 10_000  # characters; the longest seen in operators' files is under 1,000
_MEMORY_BYTES = 8 << 20  # RE2's own default, made explicit: a larger automaton is refused
_JOINED_MEMORY_BYTES = (
    32 << 20
)  # of many patterns in one; with less, a few hundred crowd each other out


class PatternError(ValueError):
    """Not a valid RE2 pattern; `str()` is RE2's own reason."""


class Pattern(Protocol):
    """A compiled pattern."""

    def found_in(self, text: str) -> bool:
        """Whether the pattern matches anywhere in `text`."""
        ...

    def matches(self, text: str) -> bool:
        """Whether the pattern matches `text` as a whole."""
        ...


class _Re2Pattern:
    __slots__ = ("_fullmatch", "_search")

    def __init__(self, compiled: "re2._Regexp") -> None:
        self._search = compiled.search
        self._fullmatch = compiled.fullmatch

    def found_in(self, text: str) -> bool:
        return self._search(text) is not None

    def matches(self, text: str) -> bool:
        return self._fullmatch(text) is not None


def compile_pattern(text: str) -> Pattern:
    """Compile RE2 syntax; raises `PatternError` with the reason."""
    if len(text) > _LONGEST_PATTERN:
        message = f"pattern of {len(text)} characters; at most {_LONGEST_PATTERN} are allowed"
        raise PatternError(message)
    return _compiled(text, _MEMORY_BYTES)


def compile_joined(patterns: Sequence[str]) -> Pattern | None:
    """One pattern that matches where one of `patterns` does; None if they cannot be joined.

    Each must be valid by itself.
    """
    # An open `\Q` would quote the joint itself.
    if any(r"\Q" in each for each in patterns):
        return None
    try:
        return _compiled("|".join(f"(?:{each})" for each in patterns), _JOINED_MEMORY_BYTES)
    except PatternError:
        return None


def _compiled(text: str, memory_bytes: int) -> Pattern:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = memory_bytes
    try:
        return _Re2Pattern(re2.compile(text, options))
    except re2.error as error:
        reason = error.args[0] if error.args else error
        message = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise PatternError(message) from error
