"""Evaluating one expression for a person, or one per line for a machine."""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

from remixer.attributes.bag import PlainBag
from remixer.attributes.vocabulary import Vocabulary
from remixer.cli.attribute_file import attributes_of
from remixer.cli.complaints import show_error
from remixer.cli.config_files import load_paths, vocabulary_of
from remixer.cli.console import OutputFormat, emit_json, show
from remixer.cli.expression_trial import (
    Trial,
    explanation_lines,
    failure_lines,
    trial_json,
    try_expression,
    value_text,
)
from remixer.cli.input_files import unreadable
from remixer.config.stores.embedded import default_vocabulary
from remixer.expr.batch import evaluate_line
from remixer.expr.semantics import Semantics


def has_value(
    expression: str,
    *,
    attributes: Path | None,
    vocabulary: Path | None,
    semantics: Semantics,
    explain: bool,
    output: OutputFormat,
) -> bool:
    """Evaluate and show; whether there is a value. Files: a JSON object, YAML manifests."""
    known = _vocabulary(vocabulary)
    bag = PlainBag() if attributes is None else attributes_of(attributes, known)
    trial = try_expression(expression, known, bag, semantics=semantics)
    if output is OutputFormat.JSON:
        emit_json(trial_json(trial))
    else:
        _show(trial, explain=explain)
    return trial.has_value


def answer_lines(batch: str, semantics: Semantics) -> None:
    """One answer per line, each written before the next line is read."""
    for line in _lines(batch):
        sys.stdout.write(evaluate_line(line, semantics=semantics) + "\n")
        sys.stdout.flush()


def _vocabulary(path: Path | None) -> Vocabulary:
    if path is None:
        return vocabulary_of(default_vocabulary())
    return vocabulary_of(load_paths([path], flag="--vocabulary"))


def _show(trial: Trial, *, explain: bool) -> None:
    if explain and not trial.errors:
        show("\n".join(explanation_lines(trial)))
    elif trial.has_value:
        show(value_text(trial))
    if not trial.has_value:
        show_error("\n".join(failure_lines(trial)))


def _lines(batch: str) -> Iterator[str]:
    try:
        with nullcontext(sys.stdin.buffer) if batch == "-" else Path(batch).open("rb") as stream:
            for line in stream:
                yield line.decode("utf-8", "replace")
    except OSError as error:
        raise unreadable(batch, error, flag="--batch") from error
