"""Faults in configuration, each with its place and the next step."""

from dataclasses import dataclass
from enum import Enum
from typing import Final


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in a file; lines and columns count from 1, 0 means unknown."""

    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """`shop.yaml:12:9`."""
        place = self.file or "<memory>"
        if self.line:
            place += f":{self.line}"
            if self.column:
                place += f":{self.column}"
        return place


class Severity(Enum):
    """Whether something was left out because of it."""

    ERROR = "error"
    """The resource, or the named part of it, is left out."""
    WARNING = "warning"
    """Everything is in force; the operator should know."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault. The same object feeds CLI, console, metrics and log.

    `code` has a section in ``docs/errors.md``.
    """

    code: str
    message: str
    """What was found and what was wanted, in one sentence."""
    location: Location
    resource: str = ""
    """`name.kind.namespace`, if the fault is inside a resource."""
    field: str = ""
    """Path inside the resource with proto names: `spec.actions[0].handler`."""
    hint: str = ""
    """The next step; often "did you mean `x`?"."""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        """One line for a terminal or a log."""
        where = " ".join(part for part in (self.resource, self.field) if part)
        text = f"{self.location}: {self.severity.value} {self.code}: "
        text += f"{where}: {self.message}" if where else self.message
        return f"{text.rstrip('.')}. {self.hint}" if self.hint else text


NO_LOCATION: Final = Location()
