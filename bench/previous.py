"""Other sources than the checkout's, for the time of a measurement: earlier ones, compiled ones."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
COMPILED = "compiled"
"""In place of a revision: what `make compiled` built."""
_BUILT = "build/compiled"


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
    if revision == COMPILED:
        _require_new_build()
        yield _environment(ROOT / _BUILT)
        return
    with TemporaryDirectory() as folder:
        place = Path(folder) / "sources"
        _git("worktree", "add", "--detach", "--quiet", str(place), revision)
        try:
            yield _environment(place / "src")
        finally:
            _git("worktree", "remove", "--force", str(place))


def _environment(sources: Path) -> Mapping[str, str]:
    path = os.pathsep.join((str(sources), str(ROOT)))
    return {**os.environ, "PYTHONPATH": path}  # noqa: TID251 - for a process of our own


def _require_new_build() -> None:
    """Figures of an older build would pass for this version's."""
    question = ["make", "--directory", str(ROOT), "--question", f"{_BUILT}/.built"]
    if subprocess.run(question, capture_output=True, check=False).returncode:  # noqa: S603 - our own arguments
        message = f"{_BUILT} is missing or older than the sources; next step: make compiled"
        raise SystemExit(message)


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
