"""Which steps of a route bags may need, for one bag and for many.

Theory of operation. Of many steps, those are looked up that may apply (`StepIndex`). A report has
no references, so what is no text is as good as absent. A step that begins with `attribute == "text"`
is asked about the bags that have this text, and about no others. Whoever shows errors of conditions
sees those of all steps: then all are asked about all bags.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from remixer.attributes.bag import Bag
from remixer.attributes.columns import BagColumns, SameColumn, SelectedColumns
from remixer.expr.columnar import Done
from remixer.runtime.conditions import shows_errors
from remixer.runtime.routes import ReportStep
from remixer.runtime.step_index import FEWEST_INDEXED, StepIndex

P = TypeVar("P")
_Plan: TypeAlias = Callable[[ReportStep], P]
"""Gives the plan of a step, the same for the same step."""


class Part(NamedTuple):
    """Some of the bags of a report. `positions`: which they are of all."""

    columns: BagColumns
    positions: Sequence[int]
    done: Done


class StepsOfRoute(Generic[P]):
    """The steps of one route, each planned when it may apply for the first time."""

    __slots__ = ("_every", "_index", "_steps")

    def __init__(self, steps: Sequence[ReportStep]) -> None:
        self._steps = steps
        self._every: list[P] | None = None
        index = StepIndex(steps) if len(steps) >= FEWEST_INDEXED else None
        self._index = index if index is not None and index.attributes else None

    def for_one(self, bag: Bag, plan: _Plan[P]) -> Sequence[P]:
        """The steps that may apply to a bag, in their order. `plan` is the same at each call."""
        index = self._index
        if index is None or shows_errors():
            return self._all(plan)
        found = [*index.others]
        for attribute in index.attributes:
            value = bag[attribute]
            if type(value) is str:
                found += index.opened_by(attribute, value)
        found.sort()
        steps = self._steps
        return [plan(steps[number]) for number in found]

    def for_many(
        self, columns: BagColumns, positions: Sequence[int], plan: _Plan[P]
    ) -> Iterator[tuple[P, Part]]:
        """The steps that may apply, in their order, each with the bags that it may apply to."""
        whole = Part(columns, positions, {})
        index = self._index
        if index is None or shows_errors():
            return zip(self._all(plan), repeat(whole))
        found = [(number, whole) for number in index.others]
        for attribute in index.attributes:
            for text, part in _by_text(whole, attribute):
                found += [(number, part) for number in index.opened_by(attribute, text)]
        found.sort(key=itemgetter(0))
        steps = self._steps
        return iter([(plan(steps[number]), part) for number, part in found])

    def _all(self, plan: _Plan[P]) -> Sequence[P]:
        every = self._every
        if every is None:
            every = self._every = [*map(plan, self._steps)]
        return every


def _by_text(whole: Part, attribute: str) -> Iterator[tuple[str, Part]]:
    """The texts that bags have for an attribute, each with the bags that have it."""
    columns, positions, _ = whole
    column = columns.column(attribute)
    if type(column) is SameColumn:
        value = column[0]
        if type(value) is str:
            yield value, whole
        return
    found: dict[str, list[int]] = {}
    for at, value in enumerate(column):
        if type(value) is str:
            found.setdefault(value, []).append(at)
    for text, chosen in found.items():
        yield text, Part(SelectedColumns(columns, chosen), [positions[at] for at in chosen], {})
