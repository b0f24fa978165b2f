"""Which of many steps may apply to a request, found without evaluating them all.

Theory of operation. Most conditions begin with `attribute == "text"`: nothing follows unless the
attribute has this text. So steps are looked up by the attribute's value; of those that remain, the
whole condition is evaluated as ever. What was read is the same: each of the steps that are passed
over would have read that attribute, and nothing more.
"""

from collections.abc import Sequence
from typing import Final, Generic, Protocol, TypeVar

from remixer.attributes.bag import Bag
from remixer.expr.compile import Expression

FEWEST_INDEXED: Final = 16
"""Steps; fewer are evaluated as fast one by one."""
_NOBODY: Final[tuple[int, ...]] = ()


class Conditional(Protocol):
    """A part of a rule."""

    @property
    def match(self) -> Expression | None:
        """Its condition; None if it has none, or none that can be looked into."""
        ...


S_co = TypeVar("S_co", bound=Conditional, covariant=True)


class _Numbers:
    """Of steps: by attribute and the text that it must have, and those that must be evaluated."""

    __slots__ = ("by_attribute", "others")

    def __init__(self, steps: Sequence[Conditional]) -> None:
        self.by_attribute: dict[str, dict[str, list[int]]] = {}
        self.others: list[int] = []
        for number, step in enumerate(steps):
            opening = None if step.match is None else step.match.opening
            if opening is None:
                self.others.append(number)
            else:
                by_text = self.by_attribute.setdefault(opening.attribute, {})
                by_text.setdefault(opening.text, []).append(number)


class StepIndex(Generic[S_co]):
    """The steps of one route, in the order of configuration; looked into at the first question."""

    __slots__ = ("_numbers", "steps")

    def __init__(self, steps: Sequence[S_co]) -> None:
        self.steps: Final = steps
        self._numbers: _Numbers | None = None

    @property
    def attributes(self) -> tuple[str, ...]:
        """What is read to select steps."""
        return tuple(self._known().by_attribute)

    @property
    def others(self) -> Sequence[int]:
        """Numbers of the steps that must be evaluated whatever a request has."""
        return self._known().others

    def opened_by(self, attribute: str, text: str) -> Sequence[int]:
        """Numbers of the steps that begin with this attribute having this text."""
        return self._known().by_attribute[attribute].get(text, _NOBODY)

    def candidates(self, bag: Bag) -> Sequence[S_co]:
        """All steps that apply, and some that do not."""
        selection = self.selection(bag)
        if selection is None:
            return self.steps
        return [self.steps[number] for number in selection[0]]

    def selection(self, bag: Bag) -> tuple[tuple[int, ...], list[str | None]] | None:
        """Numbers of `candidates`, and the values of `attributes`; None: all may apply."""
        known = self._known()
        found = known.others.copy()
        values: list[str | None] = []
        for attribute, by_text in known.by_attribute.items():
            value = bag[attribute]
            if type(value) is str:
                found += by_text.get(value, _NOBODY)
            elif value is not None:
                # What an error says of such a value may read more of it.
                return None
            values.append(value)
        found.sort()
        return tuple(found), values

    def _known(self) -> _Numbers:
        known = self._numbers
        if known is None:
            known = self._numbers = _Numbers(self.steps)
        return known
