"""What the engine may come to."""

from dataclasses import dataclass
from typing import TypeAlias

from remixer.foundation.errors import RemixerError

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"


class PolicyFaultError(RemixerError):
    """The policy cannot be used; `str()` tells the operator why."""


@dataclass(frozen=True, slots=True)
class Decided:
    """The rule has the value true or false."""

    is_allowed: bool


@dataclass(frozen=True, slots=True)
class Undecided:
    """No value, or one that is neither true nor false."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Not evaluated. `reason` is told to the peer: no attribute values in it."""

    reason: str


Judgement: TypeAlias = Decided | Undecided | Failed
