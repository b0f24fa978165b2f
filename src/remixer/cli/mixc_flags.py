"""Reads a command line of `mixc`, so that its scripts run with the name replaced.

Pure. Most of mixc's flags are ours (underscores and dashes are the same). This module covers the
rest: forms of Go's flag parser that ours lacks (`-s=a=1`, `--print_response=false`), and flags
without a meaning here, which are left out with a note. Source: mixc of Mixer 1.3 and 1.4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

_SHORT: Final = frozenset("asidbtqmrc")
_SWITCH: Final = "print-response"
_TRUE: Final = frozenset({"true", "t", "1"})
_NO_SPANS: Final = "remixer sends no spans of its own calls"
_NO_LOG: Final = "only answers are printed; for machines there is --output json"
_REPORT_ONLY: Final = "only `remixer report` sends several at once"


@dataclass(frozen=True, slots=True)
class Unused:
    """A flag of mixc's that changes nothing here."""

    instead: str
    takes_value: bool = True
    """A switch takes one after `=` alone."""
    of: frozenset[str] = frozenset({"check", "report"})
    """Commands that do not know it; the others have a flag of this name."""


UNUSED_FLAGS: Final[Mapping[str, Unused]] = MappingProxyType(
    {
        "trace_zipkin_url": Unused(_NO_SPANS),
        "trace_jaeger_url": Unused(_NO_SPANS),
        "trace_log_spans": Unused(_NO_SPANS, takes_value=False),
        "trace_sampling_rate": Unused(_NO_SPANS),
        "log_as_json": Unused(_NO_LOG, takes_value=False),
        "log_caller": Unused(_NO_LOG),
        "log_output_level": Unused(_NO_LOG),
        "log_rotate": Unused(_NO_LOG),
        "log_rotate_max_age": Unused(_NO_LOG),
        "log_rotate_max_backups": Unused(_NO_LOG),
        "log_rotate_max_size": Unused(_NO_LOG),
        "log_stacktrace_level": Unused(_NO_LOG),
        "log_target": Unused(_NO_LOG),
        "report_batch_size": Unused(_REPORT_ONLY, of=frozenset({"check"})),
    }
)
_BY_SPELLING: Final = MappingProxyType(
    {name.replace("_", "-"): (name, unused) for name, unused in UNUSED_FLAGS.items()}
)


@dataclass(slots=True)
class Rewritten:
    """A command line that our own parser understands."""

    arguments: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """One line for each flag that was left out, in order."""


def rewritten(command: str, arguments: Sequence[str]) -> Rewritten:
    """`arguments` of `command` without what only mixc knows."""
    found = Rewritten()
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        name, equals, value = argument.partition("=")
        spelling = name.removeprefix("--").replace("_", "-") if name.startswith("--") else ""
        entry = _BY_SPELLING.get(spelling)
        if entry is not None and command in entry[1].of:
            if entry[1].takes_value and not equals and rest:
                rest.pop(0)
            note = f"--{entry[0]} has no effect: {entry[1].instead}"
            if note not in found.notes:
                found.notes.append(note)
        elif spelling == _SWITCH and equals:
            found.arguments.append(f"--{_SWITCH}" if value in _TRUE else f"--no-{_SWITCH}")
        else:
            found.arguments.append(_without_equals(argument))
    return found


def _without_equals(argument: str) -> str:
    """`-sa=1` for Go's `-s=a=1`."""
    is_short = len(argument) > 2 and argument[0] == "-" and argument[1] in _SHORT  # noqa: PLR2004
    return argument[:2] + argument[3:] if is_short and argument[2] == "=" else argument
