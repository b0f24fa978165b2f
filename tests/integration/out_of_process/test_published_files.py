"""Operator files of an adapter that was published for Mixer 1.3 load and call it."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from remixer.attributes.bag import plain_bag
from remixer.mixer.request import CheckRequest
from remixer.templates.instances import BUILTIN_TEMPLATES
from remixer.wire.template_descriptors import template_descriptor_set

pytestmark = pytest.mark.integration

FOLDER = Path(__file__).parents[3] / "examples" / "kactivator"
AUTHORIZATION = next(each for each in BUILTIN_TEMPLATES if each.name == "authorization")
PLACEHOLDER = "[::1]:42059"


def published(address: str) -> str:
    """All files as one text, with the placeholder of the address filled in."""
    vocabulary = (files("remixer.config") / "defaults" / "attributes.yaml").read_text()
    texts = [path.read_text() for path in sorted(FOLDER.glob("*.yaml"))]
    joined = "\n---\n".join([vocabulary, *texts])
    assert PLACEHOLDER in joined
    return joined.replace(PLACEHOLDER, address)


async def test_kactivator_is_called_for_every_check(
    serve: Any, run: Any, describe: Any, always: Any
) -> None:
    adapter = describe(
        template_descriptor_set(AUTHORIZATION), always(valid_duration={"seconds": 240})
    )
    running = await run(published(await serve(adapter)))
    assert not running.engine.generation.snapshot.problems
    attributes: dict[str, str | dict[str, str]] = {
        "destination.service.host": "cart.shop.svc.cluster.local",
        "request.path": "/items",
        "request.method": "GET",
        "request.auth.claims": {"groups": "buyers"},
    }
    outcome = await running.engine.check(CheckRequest(bag=plain_bag({**attributes})))
    assert outcome.status.is_ok
    assert (outcome.valid_duration, outcome.valid_use_count) == (240_000_000_000, 0)
    (asked,) = adapter.requests
    assert asked.instance.name == "kactivator.instance.istio-system"
    assert asked.instance.action.namespace == "default"
    assert asked.instance.action.service == "cart.shop.svc.cluster.local"
    assert (asked.instance.action.method, asked.instance.action.path) == ("GET", "/items")
    assert (asked.instance.subject.user, asked.instance.subject.groups) == ("", "buyers")
    assert asked.adapter_config.type_url == "type.googleapis.com/adapter.kactivator.config.Params"
    endpoint = b"ws://autoscaler.knative-serving.svc.cluster.local:8080"
    assert asked.adapter_config.value == b"\x0a" + bytes((len(endpoint),)) + endpoint
