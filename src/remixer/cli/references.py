"""What an answer depends on, for people and for machines."""

from collections.abc import Iterable
from typing import Final

from remixer.attributes.bag import Condition, Reference
from remixer.cli.console import Json

_CONDITION_TEXTS: Final = {
    Condition.ABSENCE: "absent",
    Condition.EXACT: "exact",
    Condition.PRESENCE: "present",
}


def sorted_references(references: Iterable[Reference]) -> list[Reference]:
    """By attribute, then key."""
    return sorted(references, key=lambda each: (each.name, each.key or "", each.condition))


def condition_text(reference: Reference) -> str:
    """`absent`, `exact` or (of a string map) `present`."""
    return _CONDITION_TEXTS[reference.condition]


def reference_text(reference: Reference) -> str:
    """`request.headers[x-user] (exact)`."""
    key = "" if reference.key is None else f"[{reference.key}]"
    return f"{reference.name}{key} ({condition_text(reference)})"


def references_json(references: Iterable[Reference]) -> list[Json]:
    """Sorted; `key` null means the attribute itself, or the whole of a map."""
    return [
        {"name": each.name, "key": each.key, "condition": condition_text(each)}
        for each in sorted_references(references)
    ]
