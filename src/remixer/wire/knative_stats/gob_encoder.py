"""Stats as gob, what Knative reads up to 0.16: one stat per message, its types before it.

Every message is a stream of its own, so the definitions are repeated in each; they are the same
bytes every time.
"""

import math
from collections.abc import Callable, Mapping
from typing import Final

from remixer.wire.knative_stats.gob_bytes import (
    SECOND_NS,
    YEAR_1_S,
    counted,
    floating,
    signed,
    unsigned,
)
from remixer.wire.knative_stats.gob_layouts import NUMBERS, TIME, GobLayout, Kind
from remixer.wire.knative_stats.stat import Stat, StatError

FIRST_ID: Final = 65
"""Of the first type that is no built-in one, as of 2019; Go 1.21 and later start at 64."""
BOOL_ID: Final = 1
INT_ID: Final = 2
FLOAT_ID: Final = 4
STRING_ID: Final = 6
_END: Final = b"\0"
_INT32_MAX: Final = 2**31 - 1
_UTC: Final = -1
_BUILTIN_IDS: Final[Mapping[Kind, int]] = {
    Kind.STRING: STRING_ID,
    Kind.FLOAT: FLOAT_ID,
    Kind.INT: INT_ID,
    Kind.BOOL: BOOL_ID,
}


def encode(stat: Stat, layout: GobLayout, *, first_id: int = FIRST_ID) -> bytes:
    """One message. Raises `StatError` for a count that the layout's integers cannot hold.

    What the layout does not declare is left out.
    """
    body = signed(first_id) + _fields([_key(stat, layout), _fields(_values(stat, layout))])
    return definitions(layout, first_id=first_id) + counted(body)


def definitions(layout: GobLayout, *, first_id: int = FIRST_ID) -> bytes:
    """The constant front of every message of this layout."""
    ids = iter(range(first_id, first_id + 4))
    message_id = next(ids)
    key_id = next(ids) if layout.has_struct_key else STRING_ID
    stat_id = next(ids)
    time_id = next(ids)
    parts = [_struct(message_id, "StatMessage", (("Key", key_id), ("Stat", stat_id)))]
    if layout.has_struct_key:
        names = (("Namespace", STRING_ID), ("Name", STRING_ID))
        parts.append(_struct(key_id, "NamespacedName", names))
    declared = tuple((name, _BUILTIN_IDS.get(kind, time_id)) for name, kind in layout.fields)
    parts.append(_struct(stat_id, "Stat", declared))
    for name, kind in layout.fields:
        if name == TIME:
            parts.append(_time(time_id, is_pointer=kind is Kind.TIME_POINTER))
    return b"".join(parts)


def _struct(type_id: int, name: str, fields: tuple[tuple[str, int], ...]) -> bytes:
    declared = b"".join(_common(each, field_id) for each, field_id in fields)
    struct = _fields([_common(name, type_id), unsigned(len(fields)) + declared])
    return counted(signed(-type_id) + b"\x03" + struct + _END)


def _time(type_id: int, *, is_pointer: bool) -> bytes:
    """A type that marshals itself. That of a pointer has no name and the next one's id."""
    common = _common("", type_id + 1) if is_pointer else _common(TIME, type_id)
    return counted(signed(-type_id) + b"\x05" + _fields([common]) + _END)


def _common(name: str, type_id: int) -> bytes:
    return _fields([counted(name.encode()) if name else None, signed(type_id)])


def _fields(values: list[bytes | None]) -> bytes:
    """A struct: what is None is left out, and the next field's distance grows."""
    parts: list[bytes] = []
    delta = 1
    for value in values:
        if value is None:
            delta += 1
        else:
            parts += (unsigned(delta), value)
            delta = 1
    return b"".join(parts) + _END


def _text(text: str) -> bytes | None:
    return counted(text.encode()) if text else None


def _key(stat: Stat, layout: GobLayout) -> bytes:
    if layout.has_struct_key:
        return _fields([_text(stat.key.namespace), _text(stat.key.name)])
    return counted(str(stat.key).encode())


def _values(stat: Stat, layout: GobLayout) -> list[bytes | None]:
    return [_WRITERS[kind](stat, name) for name, kind in layout.fields]


def _write_text(stat: Stat, _name: str) -> bytes | None:
    return _text(stat.pod_name)


def _write_float(stat: Stat, name: str) -> bytes | None:
    number: float = getattr(stat, NUMBERS[name])
    return floating(number) if number else None


def _write_int(stat: Stat, name: str) -> bytes | None:
    number: float = getattr(stat, NUMBERS[name])
    # A count of less than one is a request all the same: it must not become none.
    whole = math.ceil(number)
    if whole > _INT32_MAX:
        message = f"{stat.key!s}: {name} is {number}, more than an int32 holds"
        raise StatError(message)
    return signed(whole) if whole else None


def _write_bool(_stat: Stat, _name: str) -> bytes | None:
    return None  # LameDuck: only a pod that ends says so


def _write_time(stat: Stat, _name: str) -> bytes | None:
    if stat.time_ns is None:
        return None
    seconds, nanoseconds = divmod(stat.time_ns, SECOND_NS)
    return counted(
        b"\x01"
        + (seconds + YEAR_1_S).to_bytes(8, "big", signed=True)
        + nanoseconds.to_bytes(4, "big")
        + _UTC.to_bytes(2, "big", signed=True)
    )


_WRITERS: Final[Mapping[Kind, Callable[[Stat, str], bytes | None]]] = {
    Kind.STRING: _write_text,
    Kind.FLOAT: _write_float,
    Kind.INT: _write_int,
    Kind.BOOL: _write_bool,
    Kind.TIME_POINTER: _write_time,
    Kind.TIME_VALUE: _write_time,
}
