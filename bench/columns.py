"""Columns of the table: who is measured, each by a worker process, all of a row one after another."""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bench import worker
from bench.measure import Figure
from bench.previous import COMPILED, ROOT, sources_of
from bench.subjects import LIBRARY_KEY, SUBJECTS

_MIXERS = frozenset(each.key for each in SUBJECTS if each.is_mixers)
_EVERYWHERE = frozenset(each.key for each in SUBJECTS)


@dataclass(frozen=True, slots=True)
class Column:
    """Whom the figures of a column are of."""

    title: str
    worker: str
    """What `bench.worker` is told."""
    keys: frozenset[str]
    """Rows that it has."""
    revision: str | None = None
    """Of the sources, or `COMPILED`; None: ours."""


@dataclass(frozen=True, slots=True)
class Cell:
    """`figure` None: it could not be measured, for `reason`."""

    row: str
    column: str
    figure: Figure | None
    reason: str = ""
    resident_mb: float | None = None


OURS_IN_PROCESS = Column("in process", worker.IN_PROCESS, _EVERYWHERE | {LIBRARY_KEY})
OURS = Column("over gRPC", worker.OWN, _EVERYWHERE)
"""The one that goals are for."""
OURS_COMPILED = Column("compiled", worker.OWN, _EVERYWHERE, COMPILED)
"""The same with the modules that `make compiled` turned into machine code."""
GRPCIO = Column("over grpcio", worker.GRPCIO, _EVERYWHERE)


def previous_columns(revision: str) -> tuple[Column, Column]:
    """The same two of an earlier version."""
    return (
        Column(f"{revision}, in process", worker.IN_PROCESS, OURS_IN_PROCESS.keys, revision),
        Column(f"{revision}, over gRPC", worker.OWN, OURS.keys, revision),
    )


def peer_column(text: str) -> Column:
    """`NAME=ADDRESS,PID`."""
    name, equals, rest = text.partition("=")
    _, comma, pid = rest.rpartition(",")
    if not (equals and comma and pid.isdigit()):
        message = f"`{text}`: wanted NAME=ADDRESS,PID"
        raise argparse.ArgumentTypeError(message)
    return Column(name, rest, _MIXERS)


def measured(columns: Sequence[Column], keys: Sequence[str]) -> Iterator[Cell]:
    """All cells, row by row, so that what else the machine does falls on all columns."""
    with ExitStack() as stack:
        revisions = {each.revision for each in columns if each.revision}
        environments: dict[str | None, Mapping[str, str] | None] = {None: None}
        for revision in revisions:
            environments[revision] = stack.enter_context(sources_of(revision))
        workers = [
            stack.enter_context(_worker(each, environments[each.revision])) for each in columns
        ]
        for key in keys:
            for column, process in zip(columns, workers, strict=True):
                if key in column.keys:
                    yield _cell(key, column, process)


def _cell(key: str, column: Column, process: "subprocess.Popen[str]") -> Cell:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(key + "\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        message = f"the worker of column `{column.title}` ended at row `{key}`"
        raise SystemExit(message)
    found = json.loads(line)
    if "failed" in found:
        return Cell(key, column.title, None, found["failed"])
    figure = Figure(found["minimum"], found["median"], found["maximum"])
    return Cell(key, column.title, figure, resident_mb=found.get("resident_mb"))


@contextmanager
def _worker(
    column: Column, environment: Mapping[str, str] | None
) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "bench.worker", column.worker]
    with subprocess.Popen(  # noqa: S603 - this interpreter, our own arguments
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    ) as process:
        assert process.stdin is not None
        try:
            yield process
        finally:
            process.stdin.close()
            process.wait(timeout=60)
