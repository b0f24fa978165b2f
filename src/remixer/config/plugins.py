"""Faults of third parties' entry points, shown like all other problems."""

from collections.abc import Iterable

from remixer.config import codes
from remixer.foundation.problems import Location, Problem
from remixer.templates.registry import PluginFault


def plugin_problems(faults: Iterable[PluginFault]) -> tuple[Problem, ...]:
    """One problem per fault; its place is the entry point's module."""
    return tuple(
        Problem(
            codes.BROKEN_PLUGIN,
            f"entry point `{fault.name}` of `{fault.group}` {fault.message}",
            Location(fault.source),
            hint=fault.hint,
        )
        for fault in faults
    )
