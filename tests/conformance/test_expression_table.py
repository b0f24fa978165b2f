"""Every row of the expression table, interpreted and compiled, in both semantics."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from remixer.attributes.bag import PlainBag, TrackedBag, TrackedStringMap
from remixer.attributes.values import Value, ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.expr.batch_values import decode_value, encode_value
from remixer.expr.checker import check
from remixer.expr.compile import Expression, compile_expression
from remixer.expr.errors import EvaluationError
from remixer.expr.interpret import interpret
from remixer.expr.parser import parse
from remixer.expr.quirks import with_mixer_quirks
from remixer.expr.semantics import Semantics
from remixer.expr.source import Source

TABLE = yaml.safe_load((Path(__file__).parent / "expressions.yaml").read_text(encoding="utf-8"))
VOCABULARY = Vocabulary({name: ValueType[text] for name, text in TABLE["vocabulary"].items()})


@dataclass(frozen=True)
class Outcome:
    """What happened: a typed value, or an error and its stage."""

    type: str = ""
    value: Any = None
    error: str = ""
    stage: str = ""


def bag_of(attributes: dict[str, Any]) -> PlainBag:
    return PlainBag(
        {name: decode_value(each, VOCABULARY.type_of(name)) for name, each in attributes.items()}
    )


def shown(value: Value, value_type: ValueType) -> Any:
    """As the table writes it: an address as the list of its bytes."""
    if isinstance(value, bytes):
        return {"bytes_listed": list(value)}
    return encode_value(value, value_type)


def compiled_outcome(text: str, bag: PlainBag, semantics: Semantics) -> Outcome:
    compiled = compile_expression(text, VOCABULARY, semantics=semantics)
    if not isinstance(compiled, Expression):
        return Outcome(error=compiled[0].message, stage=compiled[0].stage)
    try:
        value = compiled.evaluate(bag)
    except EvaluationError as error:
        return Outcome(error=error.message, stage="evaluation")
    return Outcome(type=compiled.type.name, value=shown(value, compiled.type))


def interpreted_outcome(text: str, bag: PlainBag, semantics: Semantics) -> Outcome:
    """Of an expression that compiles, unfolded."""
    tree = check(parse(text), Source(text), VOCABULARY, semantics).tree
    assert tree is not None
    if semantics is Semantics.MIXER_1_3:
        tree = with_mixer_quirks(tree)
    try:
        value = interpret(tree, bag)
    except EvaluationError as error:
        return Outcome(error=error.message, stage="evaluation")
    return Outcome(type=tree.type.name, value=shown(value, tree.type))


def assert_is(found: Outcome, expected: dict[str, Any]) -> None:
    if "value" in expected:
        assert found == Outcome(type=expected["type"], value=expected["value"])
        assert type(found.value) is type(expected["value"])
        return
    stages = (
        {"parse", "type", "generation"} if expected["stage"] == "compile" else {expected["stage"]}
    )
    assert found.stage in stages
    assert found.error.startswith(expected["error"])


def rows() -> list[Any]:
    numbered = [(f"row {row['id']}", row) for row in TABLE["rows"]]
    numbered += [(f"modes {number}", row) for number, row in enumerate(TABLE["modes"], 1)]
    return [pytest.param(row, id=name) for name, row in numbered]


def expected_of(row: dict[str, Any], semantics: Semantics) -> dict[str, Any]:
    expected: dict[str, Any] = row["mixer"]
    return row.get("fixed", expected) if semantics is Semantics.FIXED else expected


@pytest.mark.parametrize("semantics", Semantics, ids=lambda each: each.value)
@pytest.mark.parametrize("row", rows())
def test_compiled_expression_answers_as_the_table_says(
    row: dict[str, Any], semantics: Semantics
) -> None:
    found = compiled_outcome(row["expression"], bag_of(row["attributes"]), semantics)
    assert_is(found, expected_of(row, semantics))


@pytest.mark.parametrize("semantics", Semantics, ids=lambda each: each.value)
@pytest.mark.parametrize("row", rows())
def test_interpreted_expression_answers_as_the_table_says(
    row: dict[str, Any], semantics: Semantics
) -> None:
    expected = expected_of(row, semantics)
    if expected.get("stage", "evaluation") != "evaluation":
        return  # does not compile: nothing to interpret
    found = interpreted_outcome(row["expression"], bag_of(row["attributes"]), semantics)
    assert_is(found, expected)


@pytest.mark.parametrize("semantics", Semantics, ids=lambda each: each.value)
@pytest.mark.parametrize("row", TABLE["references"], ids=lambda row: row["expression"])
def test_evaluation_records_what_it_read(row: dict[str, Any], semantics: Semantics) -> None:
    compiled = compile_expression(row["expression"], VOCABULARY, semantics=semantics)
    assert isinstance(compiled, Expression)
    bag = TrackedBag(bag_of(row["attributes"]))
    try:
        compiled.evaluate(bag)
    except EvaluationError:
        assert "req.path absent" in row["recorded"]
    assert sorted(read(bag)) == row["recorded"]


def read(bag: TrackedBag) -> list[str]:
    found = []
    for name, value in bag.items():
        found.append(f"{name} {'absent' if value is None else 'present'}")
        if isinstance(value, TrackedStringMap):
            found += [
                f"{name}[{key}] {'absent' if entry is None else 'present'}"
                for key, entry in value.items()
            ]
    return found


def test_the_table_is_whole() -> None:
    assert [row["id"] for row in TABLE["rows"]] == list(range(1, len(TABLE["rows"]) + 1))
    assert (len(TABLE["modes"]), len(TABLE["references"])) == (35, 11)
    asked = {(row["expression"], str(row["attributes"])) for row in TABLE["rows"]}
    assert len(asked) == len(TABLE["rows"]) >= 400


def test_every_section_of_the_reference_has_rows() -> None:
    """Rows up to 190 are the reference's own table, its section 10."""
    sections = {row["section"] for row in TABLE["rows"][190:]}
    named = "2 3 4 5 6.1 6.2 6.3 6.4 7.1 7.2 7.3 7.4 9.2 9.3"
    assert sections == set(named.split())
