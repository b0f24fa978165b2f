"""The index of steps: all that apply, in their order, with the same reads."""

import logging
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remixer.adapters.denier import INFO as DENIER
from remixer.attributes.bag import Bag, TrackedBag, plain_bag
from remixer.attributes.values import Value, ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.expr.compile import Expression, Opening, compile_expression
from remixer.mixer.request import CheckRequest
from remixer.runtime.conditions import applies, which_may_apply
from remixer.runtime.routes import Condition
from remixer.runtime.step_index import FEWEST_INDEXED, StepIndex
from remixer.testing.engine import running_engine
from remixer.testing.scripted import Journal, scripted_adapters
from remixer.testing.texts import DENY, NOTHING, VOCABULARY, action, handler, rule

ATTRIBUTES = Vocabulary(
    {
        **dict.fromkeys(("a", "b"), ValueType.STRING),
        "i": ValueType.INT64,
        "m": ValueType.STRING_MAP,
    }
)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a rule."""

    rule: str
    match: Expression | None
    condition: Condition | None


def expression(text: str) -> Expression:
    compiled = compile_expression(text, ATTRIBUTES)
    assert isinstance(compiled, Expression), compiled
    return compiled


def part(number: int, text: str) -> Part:
    match = expression(text) if text else None
    return Part(f"r{number}", match, match.evaluate if match else None)  # type: ignore[arg-type] # BOOL


@pytest.mark.parametrize(
    ("text", "opening"),
    [
        ('a == "x"', Opening("a", "x")),
        ('"x" == a', Opening("a", "x")),
        ('a == "x" && b == "y"', Opening("a", "x")),
        ('(a == "x" && i == 1) && m["k"] == "y"', Opening("a", "x")),
        ('i == 1 && a == "x"', None),
        ('m["k"] == "x"', None),
        ('(a | "") == "x"', None),
        ('a == "x" || b == "y"', None),
        ('a != "x"', None),
        ("a == b", None),
        ('"x" == "x"', None),
    ],
)
def test_a_condition_opens_with_what_is_evaluated_first(text: str, opening: Opening | None) -> None:
    assert expression(text).opening == opening


TEXTS = [
    "",
    'a == "x"',
    'a == "x" && b == "y"',
    'b == "x" && m["k"] == "y"',
    '"y" == a && i == 1',
    '(a | "x") == "y"',
    'b != "x"',
    'a == "x" || b == "x"',
    'a.startsWith("x") && b == "y"',
]
values = st.sampled_from(["x", "y", "z"])
bags = st.fixed_dictionaries(
    {},
    optional={
        "a": values | st.just(3) | st.just({"k": "x"}),
        "b": values,
        "i": st.sampled_from([1, 2, "1"]),
        "m": st.dictionaries(st.sampled_from(["k", "l"]), values) | st.just("x"),
    },
)


def applying(bag: Bag, asked: list[Part]) -> list[str]:
    return [each.rule for each in asked if applies(each.condition, each.rule, bag)]


@given(st.lists(st.sampled_from(TEXTS), max_size=12), bags)
def test_the_same_steps_apply_after_the_same_reads(
    texts: list[str], values: dict[str, Value]
) -> None:
    parts = [part(number, text) for number, text in enumerate(texts)]
    one_by_one, looked_up = TrackedBag(plain_bag(values)), TrackedBag(plain_bag(values))
    expected = applying(one_by_one, parts)
    found = applying(looked_up, list(StepIndex(parts).candidates(looked_up)))
    assert found == expected
    assert looked_up.references() == one_by_one.references()


def test_steps_for_other_texts_are_passed_over() -> None:
    parts = [part(number, f'a == "x{number % 10}"') for number in range(100)]
    bag = plain_bag({"a": "x3"})
    found = [each.rule for each in StepIndex(parts).candidates(bag)]
    assert found == [f"r{number}" for number in range(3, 100, 10)]


def test_all_steps_are_evaluated_where_errors_are_shown(caplog: pytest.LogCaptureFixture) -> None:
    parts = [part(number, f'a == "x{number}"') for number in range(3)]
    index, bag = StepIndex(parts), plain_bag({})
    assert which_may_apply(parts, index, bag) == []
    with caplog.at_level(logging.DEBUG, logger="remixer.runtime.conditions"):
        assert which_may_apply(parts, index, bag) is parts


async def test_routes_of_many_rules_are_indexed_and_decide_as_those_of_few() -> None:
    header = "requestHeaderOperations: [{name: x-rule, values: ['\"%s\"']}]"
    rules = [
        rule(f"r{number:03}", action("d", "nothing"), match=f'user == "u{number}"')
        + rule(f"s{number:03}", more=header % number, match=f'user == "v{number}"')
        for number in range(FEWEST_INDEXED * 4)
    ]
    base = VOCABULARY + NOTHING + handler("d", DENY, adapter="denier")
    adapters = (*scripted_adapters(Journal()), DENIER)
    async with running_engine({"a": base + "".join(rules)}, adapters=adapters) as running:
        route = running.engine.generation.routes.by_namespace["shop"]
        assert route.check_index is not None
        assert route.header_index is not None
        for user in ("u5", "v7", "nobody"):
            bag = plain_bag({"destination.namespace": "shop", "user": user})
            outcome = await running.engine.check(CheckRequest(bag))
            denied = [each.rule for each in outcome.decisions]
            assert denied == (["r005.rule.shop"] if user == "u5" else [])
            assert (outcome.directive is None) is (user != "v7")
        await running.apply({"a": base + "".join(rules[: FEWEST_INDEXED - 1])})
        route = running.engine.generation.routes.by_namespace["shop"]
        assert (route.check_index, route.header_index) == (None, None)
