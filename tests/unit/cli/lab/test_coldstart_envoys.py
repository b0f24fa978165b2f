"""Envoy's configuration for each way of waking: what differs, and what must not be forgotten."""

import json
from pathlib import Path
from typing import Any

import pytest

from remixer.cli.lab.coldstart_architectures import ARCHITECTURES, chosen
from remixer.cli.lab.coldstart_envoys import (
    MOST_HELD,
    Site,
    asking_mixer,
    send_to_pod,
    through_activator,
    with_bare_listener,
    with_filter,
)
from remixer.cli.lab.options import ColdstartOptions
from remixer.transport.addresses import TcpAddress

POD = TcpAddress("127.0.0.1", 1001)
MIXER = TcpAddress("127.0.0.1", 1002)
ACTIVATOR = TcpAddress("127.0.0.1", 1003)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site("shop", {"cart": POD}, tmp_path)


def manager(document: dict[str, Any]) -> dict[str, Any]:
    (listener,) = document["static_resources"]["listeners"]
    found: dict[str, Any] = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return found


def filters(document: dict[str, Any]) -> list[str]:
    return [each["name"].rpartition(".")[2] for each in manager(document)["http_filters"]]


def route(document: dict[str, Any]) -> dict[str, Any]:
    (host,) = manager(document)["route_config"]["virtual_hosts"]
    assert host["domains"] == ["cart.lab"]
    found: dict[str, Any] = host["routes"][0]["route"]
    return found


def endpoint(site: Site) -> int:
    resource = json.loads((site.folder / "endpoints-cart.json").read_text())["resources"][0]
    address = resource["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
    port: int = address["socket_address"]["port_value"]
    return port


def test_the_activator_is_the_endpoint_until_the_revision_serves(site: Site) -> None:
    document = through_activator(site, ACTIVATOR)
    assert filters(document) == ["router"]
    assert endpoint(site) == ACTIVATOR.port
    send_to_pod(site, "cart")
    assert endpoint(site) == POD.port


def test_requests_tell_the_activator_their_revision(site: Site) -> None:
    (host,) = manager(through_activator(site, ACTIVATOR))["route_config"]["virtual_hosts"]
    told = {
        each["header"]["key"]: each["header"]["value"] for each in host["request_headers_to_add"]
    }
    assert told == {"Knative-Serving-Namespace": "shop", "Knative-Serving-Revision": "cart"}


def test_a_check_may_last_as_long_as_a_start(site: Site) -> None:
    document = asking_mixer(site, MIXER, retries=False)
    assert filters(document) == ["ext_authz", "router"]
    authz = manager(document)["http_filters"][0]["typed_config"]
    assert authz["grpc_service"]["timeout"] == "120s"
    assert "retry_policy" not in route(document)


def test_retries_are_many_flat_and_unbroken(site: Site) -> None:
    for document in (
        asking_mixer(site, MIXER, retries=True),
        with_filter(site, "ws://127.0.0.1:1", retries=True),
    ):
        policy = route(document)["retry_policy"]
        assert policy["retry_on"] == "connect-failure"
        assert policy["retry_back_off"]["base_interval"] == policy["retry_back_off"]["max_interval"]
        cluster = document["static_resources"]["clusters"][-1]
        assert cluster["circuit_breakers"]["thresholds"][0]["max_retries"] == MOST_HELD


def test_the_filter_knows_the_revisions_of_its_hosts(site: Site) -> None:
    document = with_filter(site, "ws://127.0.0.1:1", retries=False)
    assert filters(document) == ["remixer_knative", "router"]
    config = manager(document)["http_filters"][0]["typed_config"]["filter_config"]
    settings = json.loads(config["value"])
    assert settings["mode"] == "hold"
    assert settings["recognise"]["hosts"] == {"cart.lab": "shop/cart"}
    assert settings["revisions"] == {"shop/cart": "127.0.0.1:1001"}


def test_beside_each_listener_is_one_that_asks_nobody(site: Site) -> None:
    document = with_bare_listener(asking_mixer(site, MIXER, retries=False))
    asking, bare = document["static_resources"]["listeners"]
    assert asking["name"] != bare["name"]
    alone = {"static_resources": {"listeners": [bare]}}
    assert filters(alone) == ["router"]
    assert route(alone)["cluster"] == "cart"
    (host,) = manager(alone)["route_config"]["virtual_hosts"]
    assert "typed_per_filter_config" not in host


def test_without_the_module_its_rows_are_left_out_and_told(tmp_path: Path) -> None:
    there, missing = chosen(ColdstartOptions(filters=tmp_path / "none.so"))
    assert [each.name for each in there] == ["activator", "retry", "hold-watch", "hold"]
    assert all("make filters" in why for why in missing.values())
    assert len(missing) == len(ARCHITECTURES) - len(there)


def test_some_may_be_chosen() -> None:
    there, missing = chosen(ColdstartOptions(only=("hold",)))
    assert [each.name for each in there] == ["hold"]
    assert missing == {}
