"""What asking a policy may come to."""

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from remixer.foundation.errors import RemixerError


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


@dataclass(frozen=True, slots=True)
class Doubted:
    """The policy would be evaluated, but might be deceived by what the caller sent.

    Denied whatever the operator says about failures: else the caller could choose to fail.
    """

    reason: str


Evaluation: TypeAlias = Decided | Undecided | Failed | Doubted


class Policy(Protocol):
    """Something that decides over input documents."""

    async def evaluate(self, document: bytes) -> Evaluation:
        """`document` is the input, as JSON. Never raises."""
        ...

    async def aclose(self) -> None:
        """Release everything."""
        ...
