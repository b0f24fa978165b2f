"""An earlier version of the sources, beside this one, for the time of a measurement."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]


def newest_tag() -> str | None:
    """The latest release that led to this commit."""
    found = _git("tag", "--list", "--merged", "HEAD", "--sort=-creatordate")
    return found.split("\n")[0] or None


def commit_of(revision: str = "HEAD") -> str:
    """Short; with `+` if files were changed since."""
    commit = _git("rev-parse", "--short", f"{revision}^{{commit}}")
    is_changed = revision == "HEAD" and _git("status", "--porcelain", "--", "src", "bench")
    return commit + ("+" if is_changed else "")


@contextmanager
def sources_of(revision: str) -> Iterator[Mapping[str, str]]:
    """The environment in which `remixer` is that of `revision`, and `bench` ours."""
    with TemporaryDirectory() as folder:
        place = Path(folder) / "sources"
        _git("worktree", "add", "--detach", "--quiet", str(place), revision)
        try:
            path = os.pathsep.join((str(place / "src"), str(ROOT)))
            yield {**os.environ, "PYTHONPATH": path}  # noqa: TID251 - for a process of our own
        finally:
            _git("worktree", "remove", "--force", str(place))


def _git(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own arguments
        ["git", "-C", str(ROOT), *arguments],  # noqa: S607 - whichever git is there
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        message = f"git {arguments[0]}: {done.stderr.strip()}"
        raise SystemExit(message)
    return done.stdout.strip()
