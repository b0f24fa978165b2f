"""Reading configuration as `serve` does, and telling what is wrong with it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from remixer.cli.config_files import load_paths
from remixer.cli.console import OutputFormat, emit_json, show
from remixer.cli.problem_list import count_of, problem_list_text, snapshot_json, summary_text
from remixer.config.resources import LoadedResources
from remixer.config.snapshot import Snapshot
from remixer.expr.semantics import Semantics
from remixer.foundation.problems import Severity
from remixer.server.installed import installed_resolver


def is_valid(
    paths: Iterable[Path],
    *,
    default_namespace: str,
    semantics: Semantics,
    strict: bool,
    output: OutputFormat,
) -> bool:
    """Show all faults of these files; whether there are none. `strict`: warnings count too."""
    snapshot = _snapshot(load_paths(paths, flag="PATH"), default_namespace, semantics)
    warnings = count_of(snapshot.problems, Severity.WARNING)
    is_good = not count_of(snapshot.problems, Severity.ERROR) and not (strict and warnings)
    if output is OutputFormat.JSON:
        emit_json(snapshot_json(snapshot, is_good=is_good))
    else:
        show(problem_list_text(snapshot.problems), summary_text(snapshot))
    return is_good


def _snapshot(operators: LoadedResources, default_namespace: str, semantics: Semantics) -> Snapshot:
    """As `serve` resolves them; what is counted is the operator's own."""
    resolver = installed_resolver(default_namespace=default_namespace, semantics=semantics)
    snapshot = resolver(operators)
    own = Counter(each.key.kind for each in operators.resources)
    counts = {kind: own[kind] for kind in snapshot.counts if own[kind]}
    return replace(snapshot, counts=counts)
