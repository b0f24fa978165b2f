"""A parsed template, as data."""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


class Missing(Enum):
    """What a lookup finds where nothing is; Go's invalid value. Not the literal `nil`."""

    MISSING = "<no value>"


MISSING = Missing.MISSING


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant; None is `nil`."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class FieldPath:
    """`.` (no names), `.a`, `.a.b`, looked up in what the dot stands for."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VariablePath:
    """`$`, `$x`, `$x.a`. The variable's name has its `$`."""

    variable: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """The name of a built-in function."""

    name: str


@dataclass(frozen=True, slots=True)
class Group:
    """A pipeline in parentheses, and names looked up in its result."""

    pipeline: "Pipeline"
    names: tuple[str, ...]


Operand: TypeAlias = Literal | FieldPath | VariablePath | Function | Group


@dataclass(frozen=True, slots=True)
class Command:
    """A value, or a function or method with its arguments."""

    first: Operand
    arguments: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands, each the last argument of the next; the result may go to variables."""

    commands: tuple[Command, ...]
    variables: tuple[str, ...] = ()
    is_declaration: bool = True


@dataclass(frozen=True, slots=True)
class Text:
    """What stands outside of actions."""

    text: str


@dataclass(frozen=True, slots=True)
class Output:
    """`{{pipeline}}`: prints, unless it only sets a variable."""

    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class If:
    """`{{if}}`."""

    pipeline: Pipeline
    then: tuple["Node", ...]
    otherwise: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class With:
    """`{{with}}`: like `if`, and the dot is the value inside."""

    pipeline: Pipeline
    then: tuple["Node", ...]
    otherwise: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Range:
    """`{{range}}`: once per entry of a map, by key."""

    pipeline: Pipeline
    then: tuple["Node", ...]
    otherwise: tuple["Node", ...]


Node: TypeAlias = Text | Output | If | With | Range
