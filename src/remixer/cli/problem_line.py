"""A problem as an error of a command: `what; where; next step`."""

from remixer.foundation.problems import Problem


def problem_line(problem: Problem) -> str:
    """Code and message; location, resource and field; hint."""
    inside = " ".join(part for part in (problem.resource, problem.field) if part)
    where = f"{problem.location} {inside}".strip()
    parts = (f"{problem.code}: {problem.message}", where, problem.hint)
    return "; ".join(part for part in parts if part)
