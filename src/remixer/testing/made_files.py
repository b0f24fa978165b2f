"""Files that `make` makes, for tests that need them: once, however many processes want them."""

import fcntl
import shutil
import subprocess
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[3]


def made(target: str) -> Path:
    """`target` of the Makefile, up to date. Raises `RuntimeError` with what make said."""
    make = shutil.which("make")
    if make is None:
        message = f"`make` is not installed, which makes {target}"
        raise RuntimeError(message)
    (_ROOT / "build").mkdir(exist_ok=True)
    with (_ROOT / "build" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        words = (make, "--silent", target)
        done = subprocess.run(  # noqa: S603 - the Makefile is ours
            words, cwd=_ROOT, capture_output=True, text=True, check=False
        )
    if done.returncode:
        message = f"make {target} failed:\n{done.stdout}{done.stderr}"
        raise RuntimeError(message)
    return _ROOT / target
