"""Configuration files and directories that a command line names."""

from collections.abc import Iterable
from functools import reduce
from pathlib import Path

from remixer.attributes.vocabulary import Vocabulary
from remixer.cli.exits import OperatorError
from remixer.cli.input_files import read_file
from remixer.config import kinds
from remixer.config.manifests import build_vocabulary
from remixer.config.resources import LoadedResources, combine, overlay, parse_file
from remixer.config.stores.tree import TreeReader
from remixer.foundation.clock import SystemClock
from remixer.foundation.problems import Problem, Severity


def load_paths(paths: Iterable[Path], *, flag: str) -> LoadedResources:
    """All resources of files and, recursively, directories, as the directory store reads them.

    Of two resources with one key in different paths the later path's counts. Raises
    `OperatorError`, which names `flag`, for a path that does not exist or cannot be read.
    """
    return reduce(overlay, (_load(path, flag) for path in paths), LoadedResources())


def vocabulary_of(loaded: LoadedResources) -> Vocabulary:
    """What the attribute manifests declare. Raises `OperatorError` for the first fault."""
    problems: list[Problem] = list(loaded.problems)
    manifests = [each for each in loaded.resources if each.key.kind == kinds.ATTRIBUTE_MANIFEST]
    vocabulary = build_vocabulary(manifests, problems)
    for problem in problems:
        if problem.severity is Severity.ERROR:
            raise OperatorError(
                what=f"{problem.code}: {problem.message}",
                where=f"{problem.location} {problem.resource} {problem.field}".strip(),
                next_step=problem.hint or "`remixer validate` tells all faults of a file",
            )
    return vocabulary


def _load(path: Path, flag: str) -> LoadedResources:
    if not path.is_dir():
        return combine([parse_file(read_file(path, flag=flag), str(path))])
    reader = TreeReader(path, clock=SystemClock())
    reader.refresh()
    return reader.state
