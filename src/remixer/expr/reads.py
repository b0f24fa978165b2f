"""What an expression may read: whole attributes, and single entries of string maps."""

from typing import NamedTuple

from remixer.expr.compile import Expression
from remixer.expr.nodes import Attribute, Call, Literal, Node, walk
from remixer.expr.parser import parse


class Reading(NamedTuple):
    """An attribute; or, with a `key`, one entry of a string map."""

    name: str
    key: str | None = None


def readings_of(expression: Expression) -> tuple[Reading, ...]:
    """All that its value depends on, sorted. An evaluation may read less of it.

    An entry is told apart if its key is written there: `request.headers["x-user"]`.
    """
    found: set[Reading] = set()
    indexed: set[int] = set()
    for node, _ in walk(parse(expression.text)):
        # Parents come first.
        entry = _entry(node)
        if entry is not None:
            attribute, key = entry
            indexed.add(id(attribute))
            found.add(Reading(attribute.name, key))
        elif isinstance(node, Attribute) and id(node) not in indexed:
            found.add(Reading(node.name))
    return tuple(sorted(found, key=lambda each: (each.name, each.key is not None, each.key or "")))


def _entry(node: Node) -> tuple[Attribute, str] | None:
    """The attribute and key of `attribute["key"]`."""
    match node:
        case Call(
            name="INDEX", target=None, arguments=(Attribute() as attribute, Literal() as key)
        ):
            return (attribute, key.value) if type(key.value) is str else None
        case _:
            return None
