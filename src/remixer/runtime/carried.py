"""What was written for routes, from one configuration to the next."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

from remixer.runtime.routes import Route, RouteStamp, RouteTable


class Written(Protocol):
    """Functions of one route."""

    @property
    def stamp(self) -> RouteStamp | None:
        """Of the route that they were written for; None: they are for no other."""
        ...


W = TypeVar("W", bound=Written)


def carried(before: Mapping[str, W], table: RouteTable) -> tuple[dict[str, W], list[Route]]:
    """What of `before` is as right for the routes of `table`, and those that need theirs anew.

    By the routes' names. Equal stamps mean equal rules and the same handlers. What a route had that
    is gone is gone.
    """
    kept: dict[str, W] = {}
    changed: list[Route] = []
    for name, written in before.items():
        route = table.by_namespace.get(name) if name else table.default
        if route is None:
            continue
        if written.stamp is not None and written.stamp == route.stamp:
            kept[name] = written
        else:
            changed.append(route)
    return kept, changed
