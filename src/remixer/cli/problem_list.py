"""Problems of a configuration and what is in force, for people and for machines."""

from collections.abc import Iterable
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from remixer.cli.complaints import printable
from remixer.cli.console import Json
from remixer.config.snapshot import Snapshot
from remixer.foundation.problems import Problem, Severity

_STYLES: Final = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow"}


def in_file_order(problems: Iterable[Problem]) -> list[Problem]:
    """As somebody who repairs them wants them: by file, then top to bottom."""
    return sorted(problems, key=lambda each: (each.location, each.resource, each.field, each.code))


def count_of(problems: Iterable[Problem], severity: Severity) -> int:
    """How many problems have this severity."""
    return sum(each.severity is severity for each in problems)


def problem_list_text(problems: Iterable[Problem]) -> RenderableType:
    """One paragraph per problem: place and code, what, and the next step."""
    return Group(*(_problem_text(each) for each in in_file_order(problems)))


def summary_text(snapshot: Snapshot) -> Text:
    """What was read and what is in force, on a few lines."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(snapshot.counts.items()))
    text = Text(f"resources  {kinds or 'none'}\n")
    text.append(f"in force   {_plural(len(snapshot.rules), 'rule')}, ")
    text.append(f"{_plural(len(snapshot.handlers), 'handler')} in use\n")
    errors = count_of(snapshot.problems, Severity.ERROR)
    warnings = count_of(snapshot.problems, Severity.WARNING)
    text.append(f"problems   {_plural(errors, 'error')}, {_plural(warnings, 'warning')}")
    return text


def snapshot_json(snapshot: Snapshot, *, is_good: bool) -> dict[str, Json]:
    """Verdict, problems in file order, and what is in force."""
    return {
        "ok": is_good,
        "errors": count_of(snapshot.problems, Severity.ERROR),
        "warnings": count_of(snapshot.problems, Severity.WARNING),
        "problems": [problem_json(each) for each in in_file_order(snapshot.problems)],
        "resources": dict(sorted(snapshot.counts.items())),
        "rules": [rule.name for rule in snapshot.rules],
        "handlers": [handler.name for handler in snapshot.handlers],
    }


def problem_json(problem: Problem) -> dict[str, Json]:
    """All fields; line and column 0 mean unknown."""
    return {
        "severity": problem.severity.value,
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint,
        "file": problem.location.file,
        "line": problem.location.line,
        "column": problem.location.column,
        "resource": problem.resource,
        "field": problem.field,
    }


def _problem_text(problem: Problem) -> Text:
    head = Text(f"{printable(str(problem.location))}: ")
    head.append(f"{problem.severity.value} {problem.code}", style=_STYLES[problem.severity])
    where = " ".join(part for part in (problem.resource, problem.field) if part)
    if where:
        head.append(f"  {printable(where)}")
    head.append("\n" + _indented(printable(problem.message)) + "\n")
    if problem.hint:
        head.append(_indented(printable(problem.hint)) + "\n", style="italic")
    return head


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
