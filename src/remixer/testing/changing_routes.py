"""Rules that change, for what remembers their verdicts: places by namespace, stamps as reloads make them."""

from collections.abc import Collection, Hashable, Mapping, Sequence

from remixer.attributes.bag import Bag
from remixer.attributes.values import Value
from remixer.runtime.routes import Route, RouteStamp, RouteTable, route_names

NAMESPACES = ("shop", "bank")
"""Those with rules of their own."""


class ChangingRoutes:
    """Satisfies `remixer.tiers.recall.KnowingPolicies`; the rules themselves are the test's."""

    def __init__(self) -> None:
        self.table = _table({})
        """Another one after each change, of which some stamps equal those before."""

    @property
    def rules(self) -> object:
        return self.table

    def place_names(self, known: Mapping[str, Value | None]) -> Sequence[str]:
        return route_names(known)

    def place_of(self, bag: Bag) -> tuple[Hashable, object]:
        route = self.table.route_for(bag)
        return route.name, route.stamp

    def change(self, *, kept: Collection[str], unremembered: Collection[str]) -> None:
        """New rules; for namespaces that are `kept`, equal ones.

        Answers of those that are `unremembered` may not be remembered.
        """
        routes = {"": self.table.default, **self.table.by_namespace}
        stamps: dict[str, RouteStamp | None] = {}
        for name, route in routes.items():
            # An equal stamp is another object, as a reload makes it.
            parts = route.stamp._parts if name in kept and route.stamp else (object(),)  # noqa: SLF001 - its copy
            stamps[name] = None if name in unremembered else RouteStamp(*parts)
        self.table = _table(stamps)


def _table(stamps: Mapping[str, RouteStamp | None]) -> RouteTable:
    return RouteTable(
        Route("", stamps.get("", RouteStamp())),
        {name: Route(name, stamps.get(name, RouteStamp(name))) for name in NAMESPACES},
    )
