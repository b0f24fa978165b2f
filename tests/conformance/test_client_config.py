"""What a client's configuration makes of requests, case by case."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from remixer.attributes.bag import plain_bag
from remixer.mixer.request import QuotaArgs
from remixer.sidecar.client_config.api_spec import ApiTable
from remixer.sidecar.client_config.attribute_layers import local_node
from remixer.sidecar.client_config.loading import client_config_of
from remixer.sidecar.client_config.messages import (
    APIKey,
    Attributes,
    AttributeValue,
    HTTPAPISpec,
    HTTPAPISpecPattern,
)
from remixer.sidecar.client_config.services import ClientConfig, ServiceView
from remixer.sidecar.client_config.uri_templates import TemplateError, Wild, parse_template
from remixer.wire.forwarded import decode_forwarded


def table(name: str) -> Any:
    path = Path(__file__).parent / "client_config" / f"{name}.yaml"
    return yaml.safe_load(path.read_text("utf-8"))


QUOTAS = table("quota_rules")
TEMPLATES = table("uri_templates")
APIS = table("api_specs")
LAYERS = table("precedence")


def notes(cases: list[dict[str, Any]]) -> list[str]:
    return [case["note"] for case in cases]


def configured(client: Mapping[str, Any], node: Mapping[str, str] | None = None) -> ClientConfig:
    """As if read from a file."""
    given = local_node(**node) if node else None
    return client_config_of([("client.json", json.dumps(client).encode())], node=given)


def view_of(service: Mapping[str, Any], **client: Any) -> ServiceView:
    node = client.pop("node", None)
    whole = {"service_configs": {"s": service}, "default_destination_service": "s", **client}
    view = configured(whole, node).for_service("anything")
    assert view is not None
    return view


@pytest.mark.parametrize("case", QUOTAS, ids=notes(QUOTAS))
def test_quota_rules(case: dict[str, Any]) -> None:
    view = view_of({"quota_spec": case["specs"]})
    wanted = {name: QuotaArgs(amount=amount) for name, amount in case["wanted"].items()}
    assert view.quotas(view.bag_for(plain_bag(case["attributes"]))) == wanted


@pytest.mark.parametrize("case", TEMPLATES["parsed"], ids=lambda case: case["template"])
def test_templates_are_parsed(case: dict[str, Any]) -> None:
    found = parse_template(case["template"])
    shown = [each.value if isinstance(each, Wild) else each for each in found.segments]
    assert (shown, found.verb) == (case["segments"], case.get("verb", ""))


@pytest.mark.parametrize("case", TEMPLATES["refused"], ids=lambda case: case["template"] or "empty")
def test_other_texts_are_refused(case: dict[str, Any]) -> None:
    with pytest.raises(TemplateError, match=case["reason"]):
        parse_template(case["template"])


@pytest.mark.parametrize("case", APIS["matching"], ids=notes(APIS["matching"]))
def test_patterns_find_requests(case: dict[str, Any]) -> None:
    patterns = [
        HTTPAPISpecPattern(
            attributes=Attributes({"api.operation": AttributeValue(int64_value=number)}),
            http_method=method,
            uri_template=text if kind == "t" else None,
            regex=text if kind == "r" else None,
        )
        for number, (method, kind, text) in enumerate(case["api"], 1)
    ]
    request = plain_bag({"request.method": case["method"], "request.path": case["path"]})
    found = ApiTable([HTTPAPISpec(patterns=tuple(patterns))]).attributes(request)
    assert found.get("api.operation") == case["wanted"]


@pytest.mark.parametrize("case", APIS["merging"], ids=notes(APIS["merging"]))
def test_attributes_of_apis_are_merged(case: dict[str, Any]) -> None:
    view = view_of({"http_api_spec": case["specs"]})
    request = plain_bag(case["request"])
    bag = view.bag_for(request)
    assert {name: bag[name] for name in bag.names() if name not in request} == case["wanted"]


@pytest.mark.parametrize("case", APIS["keys"], ids=notes(APIS["keys"]))
def test_api_keys_are_found(case: dict[str, Any]) -> None:
    spec = HTTPAPISpec(api_keys=tuple(APIKey(**each) for each in case["sources"]))
    headers = case.get("headers", {})
    request = plain_bag({"request.path": case["path"], "request.headers": headers})
    assert ApiTable([spec]).api_key(request) == case["wanted"]


def attributes(texts: Mapping[str, str] | None) -> dict[str, Any]:
    return {"attributes": {name: {"string_value": text} for name, text in (texts or {}).items()}}


def view_of_case(case: Mapping[str, Any]) -> ServiceView:
    service = {
        "mixer_attributes": attributes(case.get("service")),
        "forward_attributes": attributes(case.get("service_forwards")),
        "http_api_spec": [
            {"attributes": attributes(case.get("api")), "api_keys": case.get("keys", [])}
        ],
    }
    return view_of(
        service,
        node=case.get("node"),
        mixer_attributes=attributes(case.get("client")),
        forward_attributes=attributes(case.get("client_forwards")),
        ignore_forwarded_attributes=case.get("ignore_forwarded", False),
    )


@pytest.mark.parametrize("case", LAYERS, ids=notes(LAYERS))
def test_precedence(case: dict[str, Any]) -> None:
    view = view_of_case(case)
    bag = view.bag_for(plain_bag(case.get("request", {})), forwarded=case.get("forwarded", {}))
    wanted = case.get("wanted", {})
    assert {name: bag[name] for name in wanted} == wanted
    named = list(bag.names())
    assert len(named) == len(set(named))
    assert {name: name in named for name in wanted} == {
        name: value is not None for name, value in wanted.items()
    }
    if "carried" in case:
        header = view.forwarded_header
        assert (decode_forwarded(header) if header is not None else {}) == case["carried"]


def test_no_two_cases_are_called_alike_and_there_are_enough() -> None:
    for cases, least in ((QUOTAS, 15), (APIS["matching"], 25), (APIS["keys"], 10), (LAYERS, 22)):
        assert len(set(notes(cases))) == len(cases) >= least
    assert len(TEMPLATES["parsed"]) + len(TEMPLATES["refused"]) >= 25
