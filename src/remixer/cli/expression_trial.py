"""One expression tried on one bag: its value or why it has none, for people and for machines."""

from collections.abc import Iterator
from dataclasses import dataclass

from remixer.attributes.bag import Bag, Reference, TrackedBag
from remixer.attributes.values import Value, ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.cli.complaints import printable
from remixer.cli.console import Json
from remixer.cli.references import reference_text, references_json, sorted_references
from remixer.expr.batch_values import encode_value
from remixer.expr.compile import Expression, compile_expression
from remixer.expr.errors import EvaluationError, ExpressionError
from remixer.expr.semantics import Semantics
from remixer.sdk.text import stringify


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it: `errors` if it does not compile, `failure` if it has no value."""

    text: str
    errors: tuple[ExpressionError, ...] = ()
    type: ValueType | None = None
    failure: str = ""
    value: Value | None = None
    references: tuple[Reference, ...] = ()

    @property
    def has_value(self) -> bool:
        return not self.errors and not self.failure


def try_expression(
    text: str, vocabulary: Vocabulary, bag: Bag, *, semantics: Semantics = Semantics.FIXED
) -> Trial:
    """Compile and evaluate, as the runtime does."""
    compiled = compile_expression(text, vocabulary, semantics=semantics)
    if not isinstance(compiled, Expression):
        return Trial(text, errors=compiled)
    tracked = TrackedBag(bag)
    failure, value = "", None
    try:
        value = compiled.evaluate(tracked)
    except EvaluationError as error:
        failure = error.message
    return Trial(
        text, (), compiled.type, failure, value, tuple(sorted_references(tracked.references()))
    )


def trial_json(trial: Trial) -> dict[str, Json]:
    """Type and value, or `error` and `stage`; compile errors also one by one."""
    if trial.errors:
        return {
            "error": "; ".join(each.message for each in trial.errors),
            "stage": "compile",
            "errors": [_error_json(each) for each in trial.errors],
        }
    answer: dict[str, Json] = {"type": trial.type.name if trial.type else None}
    if trial.value is None or trial.type is None:
        answer |= {"error": trial.failure, "stage": "eval"}
    else:
        answer["value"] = encode_value(trial.value, trial.type)
    return answer | {"referenced_attributes": references_json(trial.references)}


def value_text(trial: Trial) -> str:
    """The value as adapters print it."""
    return printable(stringify(trial.value))


def explanation_lines(trial: Trial) -> Iterator[str]:
    """Type, value and what the value depends on."""
    yield f"type        {trial.type.name if trial.type else '?'}"
    yield f"value       {value_text(trial) if trial.has_value else '(none)'}"
    for number, each in enumerate(trial.references):
        label = "" if number else "referenced"
        yield f"{label:10}  {printable(reference_text(each))}"


def failure_lines(trial: Trial) -> Iterator[str]:
    """Every error with its place in the text, or why there is no value."""
    for error in trial.errors:
        yield str(error)
        if error.line == 1 and "\n" not in trial.text:
            yield f"  {trial.text}"
            yield f"  {' ' * (error.column - 1)}^"
    if trial.failure:
        yield trial.failure


def _error_json(error: ExpressionError) -> dict[str, Json]:
    return {
        "code": error.code.value,
        "line": error.line,
        "column": error.column,
        "message": error.message,
        "hint": error.hint,
    }
