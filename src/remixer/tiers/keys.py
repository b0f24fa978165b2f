"""Keys of answers: the values that an answer depended on, in the order of its shape.

Theory of operation. An answer says what was read to find it (`CheckOutcome.references`). That set,
without the values, is its *shape*; the values of a request for a shape are its *key*. Evaluation is
deterministic and decides what to read next by what it has read, so two requests with the same key
of the same shape are answered alike. A request is tried against the shapes known for its place.

What differs for a rule must differ in a key: a value from another type (`1`, `true`, `1.0`), an
absent attribute from an empty one, an absent map key from an absent map.

Source: Mixer 1.3's check cache, without its faults: an answer is kept under its own shape, all types
count, and reading for a key is no reading for the answer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from remixer.attributes.bag import Bag, Condition, Reference
from remixer.attributes.values import Duration, StringMap, Timestamp, Value

Key: TypeAlias = tuple[object, ...]
"""Hashable; equal only if all that was read is equal."""

_EXACT: Final = frozenset({bool, int, bytes, Timestamp, Duration})
_SCALARS: Final = _EXACT | {str, float}


@dataclass(frozen=True, slots=True)
class _Step:
    """What to read of one attribute."""

    name: str
    is_absent: bool = False
    keys: tuple[tuple[str, bool], ...] = ()
    """Of a string map, with whether each was absent; empty: the attribute as a whole."""


class Shape:
    """What one kind of answer depended on."""

    __slots__ = ("_steps", "references", "serial")

    def __init__(self, references: frozenset[Reference], *, serial: int) -> None:
        """`serial` tells shapes apart in keys."""
        self.references = references
        self.serial = serial
        self._steps = tuple(_steps(references))

    def key_of(self, bag: Bag) -> Key | None:
        """The key of a request; None if no answer of this shape can be its answer."""
        key: list[object] = [self.serial]
        for step in self._steps:
            value = bag[step.name]
            if step.is_absent:
                if value is not None:
                    return None
            elif value is None:
                return None
            elif not step.keys:
                key.append(value if value.__class__ is str else _whole(value))
            elif value.__class__ in _SCALARS or not _append_entries(
                cast("StringMap", value), step.keys, key
            ):
                return None
        return tuple(key)

    def values_of(self, key: Key) -> Mapping[str, object]:
        """Attributes that a key tells: values by name, string maps as dicts of what was read."""
        values: dict[str, object] = {}
        parts = iter(key[1:])
        for step in self._steps:
            if step.is_absent:
                continue
            if step.keys:
                present = [name for name, is_absent in step.keys if not is_absent]
                values[step.name] = {name: next(parts) for name in present}
            else:
                part = next(parts)
                values[step.name] = part if isinstance(part, str) else _told(part)
        return values


def _steps(references: Iterable[Reference]) -> Iterable[_Step]:
    """One per attribute, cheapest first: what is absent, then scalars, then maps; by name."""
    absent: list[str] = []
    whole: list[str] = []
    keys: dict[str, list[tuple[str, bool]]] = {}
    for name, key, condition in references:
        if key is not None:
            keys.setdefault(name, []).append((key, condition is Condition.ABSENCE))
        elif condition is Condition.ABSENCE:
            absent.append(name)
        else:
            whole.append(name)
    yield from (_Step(name, is_absent=True) for name in sorted(absent))
    yield from (_Step(name) for name in sorted(whole))
    for name in sorted(keys.keys() - set(whole)):
        yield _Step(name, keys=tuple(sorted(keys[name])))


def _append_entries(
    entries: StringMap, keys: tuple[tuple[str, bool], ...], key: list[object]
) -> bool:
    """False if an entry is there that was absent, or the other way round."""
    for name, is_absent in keys:
        entry = entries[name]
        if (entry is None) is not is_absent:
            return False
        if entry is not None:
            key.append(entry)
    return True


def _whole(value: Value) -> object:
    """A value that is no text, so that it equals no value of another type."""
    kind = value.__class__
    if kind in _EXACT:
        return kind, value
    if isinstance(value, float):
        return kind, value.hex()  # tells -0.0 from 0.0, and knows NaN again
    return dict, tuple(sorted(cast("StringMap", value).whole().items()))


def _told(part: object) -> object:
    """The value in what `_whole` made."""
    assert isinstance(part, tuple)  # noqa: S101 - by `_whole`
    kind, value = part
    if kind is float:
        return float.fromhex(value)
    return dict(value) if kind is dict else value
