"""The manual's example of outputs works with such an adapter and template as it speaks of."""

import re
from dataclasses import replace
from pathlib import Path

from remixer.attributes.bag import plain_bag
from remixer.mixer.outcome import HeaderOperation
from remixer.mixer.request import CheckRequest
from remixer.testing.engine import running_engine
from remixer.testing.scripted import LOOKUP, Journal, Script, Scripted, adapter_of

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"
MANIFEST = """
kind: attributemanifest
metadata: {name: words, namespace: istio-system}
spec:
  attributes:
    destination.namespace: {valueType: STRING}
    source.principal: {valueType: STRING}
"""


def example() -> str:
    found = re.search(
        r"^```yaml people\.yaml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    assert found is not None
    return found[1]


async def header_for(script: Script) -> list[HeaderOperation]:
    journal = Journal()
    directory = adapter_of("directory", lambda _, name: Scripted(script, name, journal), journal)
    files = {"a": MANIFEST, "b": example()}
    async with running_engine(files, adapters=[directory], templates=[LOOKUP]) as running:
        assert running.engine.generation.snapshot.problems == ()
        bag = plain_bag({"destination.namespace": "shop", "source.principal": "al"})
        outcome = running.engine.check_now(CheckRequest(bag))
    assert outcome is not None
    assert outcome.directive is not None
    return list(outcome.directive.request_header_operations)


async def test_the_example_tells_who_calls() -> None:
    known = Script(output={"value": "Al of Sales"})
    assert await header_for(known) == [HeaderOperation("x-caller", "Al of Sales")]
    assert await header_for(replace(known, output={})) == [HeaderOperation("x-caller", "nobody")]
