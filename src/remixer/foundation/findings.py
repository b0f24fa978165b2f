"""Collects the problems of one resource while it is read."""

from collections.abc import Iterable
from difflib import get_close_matches

from remixer.foundation.problems import Location, Problem, Severity

_MAX_CANDIDATES = 500  # comparing with more names costs more than the hint is worth


class Findings:
    """Problems of one resource, added to a list that all resources share."""

    __slots__ = ("_problems", "error_count", "resource")

    def __init__(self, resource: str, problems: list[Problem]) -> None:
        self.resource = resource
        self._problems = problems
        self.error_count = 0

    def error(
        self, code: str, message: str, at: Location, *, field: str = "", hint: str = ""
    ) -> None:
        """The resource, or the named part of it, is left out."""
        self.add(Problem(code, message, at, self.resource, field, hint))

    def warning(
        self, code: str, message: str, at: Location, *, field: str = "", hint: str = ""
    ) -> None:
        """Everything is in force; the operator should know."""
        self.add(Problem(code, message, at, self.resource, field, hint, Severity.WARNING))

    def add(self, problem: Problem) -> None:
        """A problem of this resource that was made elsewhere."""
        if problem.severity is Severity.ERROR:
            self.error_count += 1
        self._problems.append(problem)


def did_you_mean(found: str, known: Iterable[str]) -> str:
    """``Did you mean `request.size`?``, or the empty text if nothing is near."""
    candidates = sorted(known)[:_MAX_CANDIDATES]
    near = get_close_matches(found, candidates, n=1, cutoff=0.6)
    if not near:
        lowered = {each.lower(): each for each in candidates}
        near = [lowered[each] for each in get_close_matches(found.lower(), lowered, n=1)]
    return f"Did you mean `{near[0]}`?" if near else ""


def one_of(known: Iterable[str], *, at_most: int = 12) -> str:
    """``One of `a`, `b` ``; the empty text if there are too many to read."""
    names = sorted(known)
    if not names or len(names) > at_most:
        return ""
    return "One of " + ", ".join(f"`{name}`" for name in names) + "."


def hint_for(found: str, known: Iterable[str]) -> str:
    """The nearest name if there is one, else the whole choice if it is short."""
    names = tuple(known)
    return did_you_mean(found, names) or one_of(names)
