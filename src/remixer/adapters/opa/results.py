"""What asking a policy may come to."""

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from remixer.drivers.rego.results import Decided, Failed, Undecided


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
