"""Operator-written patterns: RE2 syntax, linear time.

The one place that knows the third-party module, so that no pattern of an operator
can ever reach a backtracking engine.
"""

from typing import Protocol

import re2

_LONGEST_PATTERN = 10_000  # characters; the longest seen in operators' files is under 1,000
_MEMORY_BYTES = 8 << 20  # RE2's own default, made explicit: a larger automaton is refused


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
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY_BYTES
    try:
        return _Re2Pattern(re2.compile(text, options))
    except re2.error as error:
        reason = error.args[0] if error.args else error
        message = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise PatternError(message) from error
