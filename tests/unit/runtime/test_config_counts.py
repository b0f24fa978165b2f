"""A configuration in numbers."""

from remixer.runtime.config_counts import counts_of
from remixer.runtime.metrics import ConfigCounts
from remixer.testing.clock import in_virtual_time
from remixer.testing.engine import running_engine
from remixer.testing.scripted import Journal, scripted_adapters
from remixer.testing.texts import NOTHING, VOCABULARY, action, handler, rule

OLD_KIND = """
apiVersion: config.istio.io/v1alpha2
kind: checknothing
metadata: {name: older, namespace: shop}
---
"""


async def counted(text: str, *, without: str = "") -> ConfigCounts:
    async with running_engine({"a": text}, adapters=scripted_adapters(Journal())) as running:
        generation = running.engine.generation
        built = set(generation.handlers.handlers) - {without}
        return counts_of(generation.snapshot, built, generation.routes)


@in_virtual_time
async def test_older_kinds_count_as_what_they_are() -> None:
    counts = await counted(VOCABULARY + handler("a") + NOTHING + OLD_KIND)
    assert counts.resources_by_class["instance"] == 2
    assert counts.resources_by_kind["checknothing"] == 1


@in_virtual_time
async def test_a_condition_that_does_not_compile_is_a_match_error_and_no_rule_error() -> None:
    text = VOCABULARY + handler("a") + NOTHING + rule("r", action("a", "nothing"), match="nope")
    counts = await counted(text)
    assert counts.errors_by_class["rule_match"] == 1
    assert counts.errors_by_class["rule"] == 0
    assert counts.problems_by_kind["rule"] == 1


@in_virtual_time
async def test_an_action_whose_handler_was_not_built_is_unsatisfied() -> None:
    text = VOCABULARY + handler("a") + NOTHING + rule("r", action("a", "nothing"))
    assert (await counted(text)).errors_by_class["unsatisfied_action_handler"] == 0
    missing = await counted(text, without="a.handler.shop")
    assert missing.errors_by_class["unsatisfied_action_handler"] == 1


@in_virtual_time
async def test_destinations_are_pairs_of_handler_and_template_by_variety() -> None:
    text = VOCABULARY + handler("a") + NOTHING
    text += rule("r", action("a", "nothing")) + rule("s", action("a", "nothing"))
    counts = await counted(text)
    assert counts.destinations_by_variety == {
        "ATTRIBUTE_GENERATOR": 0,
        "CHECK": 1,
        "QUOTA": 0,
        "REPORT": 0,
    }
