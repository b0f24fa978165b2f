"""`package.module:INFO`, or the name of an adapter that is installed."""

import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Final

from remixer.adapters.registry import load_adapters
from remixer.cli.exits import ExitCode, OperatorError
from remixer.foundation.findings import hint_for
from remixer.sdk.adapter import AdapterInfo, AnyAdapterInfo

_WANTED: Final = "write `package.module:INFO`, or a name that `remixer adapter list` shows"


def find_adapter(target: str) -> AnyAdapterInfo:
    """Imports it; the current directory counts, as with `python -m`. Raises `OperatorError`."""
    if ":" in target:
        return _imported(target)
    adapters = load_adapters().adapters
    found = adapters.get(target)
    if found is None:
        raise _unusable(target, f"there is no adapter `{target}`", _hint(target, adapters))
    return found


def _hint(target: str, adapters: Mapping[str, AnyAdapterInfo]) -> str:
    hint = hint_for(target, adapters)
    return f"{_WANTED}. {hint}" if hint else _WANTED


def _imported(target: str) -> AnyAdapterInfo:
    module_name, _, attribute = target.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: object = import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:  # the wall around an author's module
        reason = f"`{target}` cannot be imported: {type(error).__name__}: {error}"
        next_step = f"{_WANTED}; modules are looked for in {here} and where Python finds packages"
        raise _unusable(target, reason, next_step, ExitCode.FAILED) from error
    if not isinstance(found, AdapterInfo):
        raise _unusable(
            target, f"`{target}` is a `{type(found).__name__}`, no AdapterInfo", _WANTED
        )
    return found


def _unusable(
    target: str, what: str, next_step: str, code: ExitCode = ExitCode.USAGE
) -> OperatorError:
    return OperatorError(what=what, where=f"TARGET {target}", next_step=next_step, exit_code=code)
