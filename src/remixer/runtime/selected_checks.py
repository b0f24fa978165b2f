"""Compiled checks of a route with many rules: one function for each set of rules that may apply.

Theory of operation. The route's index (`step_index`) tells by some attributes which rules may apply
to a request. A function is written for these rules alone, as if the route had no others; it is given
the values of those attributes, which therefore count as read. So what is written follows what is
asked, and neither writing nor answering takes longer for rules that do not matter.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self, TypeAlias

from remixer.attributes.bag import Bag
from remixer.foundation.deadline import Deadline
from remixer.mixer.outcome import CheckOutcome
from remixer.runtime.check_code import CheckFunction, interpreted
from remixer.runtime.conditions import shows_errors
from remixer.runtime.routes import CheckStep, Route
from remixer.runtime.routing import Namespace
from remixer.runtime.step_index import StepIndex

Selection: TypeAlias = tuple[int, ...]
"""Numbers of steps, in the order of configuration."""
Taker: TypeAlias = Callable[[CheckFunction], None]
Order: TypeAlias = Callable[[Route, tuple[str, ...], Taker], bool]
"""Has a function written that is given these attributes, and hands it over, now or later. False:
there are too many."""


@dataclass(frozen=True, slots=True)
class SelectedChecks:
    """One route's functions."""

    route: Route
    index: StepIndex[CheckStep]
    order: Order
    functions: dict[Selection, CheckFunction] = field(default_factory=dict)

    def check(
        self,
        bag: Bag,
        kind: Namespace,
        destination: Namespace,
        source: Namespace,
        deadline: Deadline | None,
        last_good: CheckOutcome | None,
        /,
        *_read: str | None,
    ) -> CheckOutcome | None:
        """A `CheckFunction`; nothing was read before."""
        if shows_errors():
            return None
        found = self.index.selection(bag)
        if found is None:
            return None
        selection, values = found
        function = self.functions.get(selection)
        if function is None:
            function = self._first_asked(selection)
        return function(bag, kind, destination, source, deadline, last_good, *values)

    def ordered_from(self, order: Order) -> Self:
        """The same, of the next configuration."""
        written = {
            selection: function
            for selection, function in self.functions.items()
            if function is not interpreted
        }
        return replace(self, order=order, functions=written)

    def _first_asked(self, selection: Selection) -> CheckFunction:
        def take(function: CheckFunction) -> None:
            self.functions[selection] = function

        steps = self.index.steps
        route = replace(self.route, check=tuple(steps[number] for number in selection))
        take(interpreted)
        if not self.order(route, self.index.attributes, take):
            del self.functions[selection]
            return interpreted
        return self.functions[selection]
