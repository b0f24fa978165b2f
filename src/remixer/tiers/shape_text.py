"""A shape for people: the attributes that answers depend on, in order."""

from remixer.attributes.bag import Reference, attribute_text
from remixer.tiers.keys import Shape


def shape_text(shape: Shape) -> str:
    """Its attributes in one line."""
    return ", ".join(attribute_text(name, key) for name, key, _ in ordered_references(shape))


def ordered_references(shape: Shape) -> list[Reference]:
    """By name, then by key."""
    return sorted(shape.references, key=lambda each: (each.name, each.key or ""))
