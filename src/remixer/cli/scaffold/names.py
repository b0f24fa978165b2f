"""What a new adapter may be called. Pure."""

import keyword
import re
import sys
from typing import Final

from remixer.cli.exits import OperatorError

_LONGEST: Final = 40
_FORM: Final = re.compile(r"[a-z][a-z0-9_]*")  # noqa: TID251 - our own pattern, linear
_TAKEN: Final = frozenset({"config", "remixer", "resources", "tests"})
_WHERE: Final = "remixer adapter new"


def require_usable(name: str, adapters: frozenset[str]) -> None:
    """Raises `OperatorError`: the name becomes a Python package and an adapter's name."""
    fault = _fault(name, adapters)
    if fault:
        raise OperatorError(
            what=f"`{name}` cannot be the name of an adapter: {fault}",
            where=_WHERE,
            next_step="choose a word of small letters, digits and `_`, such as `geofence`",
        )


def _fault(name: str, adapters: frozenset[str]) -> str:
    if not _FORM.fullmatch(name):
        return "it must begin with a small letter and go on with small letters, digits and `_`"
    if len(name) > _LONGEST:
        return f"it has {len(name)} characters; at most {_LONGEST} are allowed"
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return "it is a word of Python's own"
    if name in sys.stdlib_module_names or name in _TAKEN:
        return "a package of this name is there already"
    return "an adapter of this name is there already" if name in adapters else ""


def class_name(name: str) -> str:
    """`GeoFence` for `geo_fence`."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))
