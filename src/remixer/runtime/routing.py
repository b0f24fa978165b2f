"""The choice of a route for compiled functions, which take what was read for it."""

from collections.abc import Mapping
from typing import Final, TypeAlias

from remixer.attributes.bag import Bag
from remixer.expr.inline import UNREAD
from remixer.runtime.routes import Route

ROUTING: Final = ("context.reporter.kind", "destination.namespace", "source.namespace")
"""What was read, or not, before a function is called: its first slots."""
Namespace: TypeAlias = object
"""The value of an attribute that routes are chosen by, or `UNREAD`."""
Routed: TypeAlias = tuple[Route, Namespace, Namespace, Namespace]
"""The route, and the values of `ROUTING`."""


def routed(default: Route, by_namespace: Mapping[str, Route], bag: Bag) -> Routed | None:
    """The route that `RouteTable.route_for` chooses; None if the request must be interpreted."""
    kind = bag["context.reporter.kind"]
    destination: Namespace = UNREAD
    source: Namespace = UNREAD
    namespace: Namespace = None
    if kind is None or kind == "inbound":
        namespace = destination = bag["destination.namespace"]
    elif kind == "outbound":
        namespace = source = bag["source.namespace"]
    elif type(kind) is not str:
        return None
    if type(namespace) is str:
        return by_namespace.get(namespace, default), kind, destination, source
    return None if namespace is not None else (default, kind, destination, source)
