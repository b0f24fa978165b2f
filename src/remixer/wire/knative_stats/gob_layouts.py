"""Which fields each release's gob stream declares: it changed with almost every one.

Readers match fields by name and refuse the whole message for one of another kind, so the layout
must be the listener's, or one of the two that declare only what has never changed (`minimal-…`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from remixer.wire.knative_stats.stat import StatError

POD_NAME: Final = "PodName"
TIME: Final = "Time"
LAME_DUCK: Final = "LameDuck"
NUMBERS: Final[Mapping[str, str]] = {
    "AverageConcurrentRequests": "concurrency",
    "AverageProxiedConcurrentRequests": "proxied_concurrency",
    "RequestCount": "request_count",
    "ProxiedRequestCount": "proxied_request_count",
    "ProcessUptime": "process_uptime_s",
}
"""gob's names of a stat's numbers, to ours."""


class Kind(Enum):
    """What a field of a stat holds."""

    STRING = "string"
    FLOAT = "float"
    INT = "int"
    BOOL = "bool"
    TIME_POINTER = "pointer to time"
    TIME_VALUE = "time"


@dataclass(frozen=True, slots=True)
class GobLayout:
    """One release's declaration of `StatMessage`."""

    name: str
    """The oldest release that has it, or `minimal-…`."""
    has_struct_key: bool
    """`Key` is a struct of namespace and name; else one string."""
    fields: tuple[tuple[str, Kind], ...]
    """Of `Stat`, in the order of declaration."""
    needs_time: bool = False
    """Whether its listener drops a stat without `Time`."""


_CONCURRENCY: Final = ("AverageConcurrentRequests", Kind.FLOAT)
_PROXIED_CONCURRENCY: Final = ("AverageProxiedConcurrentRequests", Kind.FLOAT)
_UPTIME: Final = ("ProcessUptime", Kind.FLOAT)
_NAME: Final = (POD_NAME, Kind.STRING)
_POINTER: Final = (TIME, Kind.TIME_POINTER)
_VALUE: Final = (TIME, Kind.TIME_VALUE)


def _counts(kind: Kind) -> tuple[tuple[str, Kind], ...]:
    return ("RequestCount", kind), ("ProxiedRequestCount", kind)


_MEASURES: Final = (_NAME, _CONCURRENCY, _PROXIED_CONCURRENCY)
_WITH_INTEGERS: Final = (_POINTER, *_MEASURES, *_counts(Kind.INT))
_FLOATS: Final = (*_MEASURES, *_counts(Kind.FLOAT))

_0_4: Final = (
    _POINTER,
    _NAME,
    _CONCURRENCY,
    ("RequestCount", Kind.INT),
    (LAME_DUCK, Kind.BOOL),
)

LAYOUTS: Final[tuple[GobLayout, ...]] = (
    GobLayout("0.4", has_struct_key=False, fields=_0_4, needs_time=True),
    GobLayout("0.5", has_struct_key=False, fields=_WITH_INTEGERS, needs_time=True),
    GobLayout("0.6", has_struct_key=False, fields=_WITH_INTEGERS),
    GobLayout("0.7", has_struct_key=False, fields=(_POINTER, *_FLOATS)),
    GobLayout("0.8", has_struct_key=True, fields=(_POINTER, *_FLOATS)),
    GobLayout("0.10", has_struct_key=True, fields=(_VALUE, *_FLOATS)),
    GobLayout("0.12", has_struct_key=True, fields=(_VALUE, *_FLOATS, _UPTIME)),
    GobLayout("0.16", has_struct_key=True, fields=(*_FLOATS, _UPTIME)),
    GobLayout("minimal-string", has_struct_key=False, fields=(_NAME, _CONCURRENCY)),
    GobLayout("minimal-struct", has_struct_key=True, fields=(_NAME, _CONCURRENCY)),
)


def layout_named(name: str) -> GobLayout:
    """Raises `StatError` that lists the names."""
    for each in LAYOUTS:
        if each.name == name:
            return each
    known = ", ".join(each.name for each in LAYOUTS)
    message = f"no gob layout is named `{name}`. Known: {known}."
    raise StatError(message)
