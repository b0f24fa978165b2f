"""Which build of Remixer this is: its sources, or with compiled modules among them."""

from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final

COMPILED_CODE: Final = "remixer__mypyc"
"""The shared object with the code of all compiled modules; see `compile_modules.py`."""
_BESIDE: Final = Path(__file__).parents[2]


def is_compiled(*, beside: Path = _BESIDE) -> bool:
    """Whether this Python finds compiled modules; `beside`: the folder that has our package.

    One that was made for another Python does not count: that Python alone would use it.
    """
    return PathFinder.find_spec(COMPILED_CODE, [str(beside)]) is not None
