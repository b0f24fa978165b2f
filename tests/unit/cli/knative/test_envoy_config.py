"""`remixer knative envoy-config`: what each way to wait needs of Envoy, and what is refused."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from remixer.adapters.kactivator.readiness import Revision
from remixer.cli.exits import OperatorError
from remixer.cli.knative.commented import plain
from remixer.cli.knative.envoy_document import document
from remixer.cli.knative.envoy_plan import Endpoints, KnativeEnvoyPlan, Mode, Target
from remixer.cli.knative_envoy_config import targets_of, with_addresses
from remixer.transport.addresses import TcpAddress

CART = Target(Revision("shop", "cart-00001"), ("cart.example.com",))
STOCK = Target(Revision("shop", "stock-00007"), ("stock.example.com",))
ALL_WAYS = [
    (Mode.RETRY, Endpoints.SERVICE),
    (Mode.HOLD, Endpoints.SERVICE),
    (Mode.HOLD, Endpoints.EDS),
    (Mode.HOLD, Endpoints.ORIGINAL_DST),
    (Mode.FILTER, Endpoints.SERVICE),
    (Mode.FILTER, Endpoints.EDS),
    (Mode.LUA, Endpoints.SERVICE),
]


def made(mode: Mode, endpoints: Endpoints = Endpoints.SERVICE, **settings: Any) -> Any:
    targets = settings.pop("targets", (CART, STOCK))
    return plain(document(KnativeEnvoyPlan(mode, targets, endpoints=endpoints, **settings)))


def manager(config: Any) -> Any:
    (listener,) = config["static_resources"]["listeners"]
    return listener["filter_chains"][0]["filters"][0]["typed_config"]


def route(config: Any) -> Any:
    return manager(config)["route_config"]["virtual_hosts"][0]["routes"][0]["route"]


def cluster(config: Any, name: str) -> Any:
    (found,) = [each for each in config["static_resources"]["clusters"] if each["name"] == name]
    return found


def filters(config: Any) -> dict[str, Any]:
    return {each["name"]: each["typed_config"] for each in manager(config)["http_filters"]}


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


@pytest.mark.parametrize(("mode", "endpoints"), ALL_WAYS)
def test_bursts_are_not_cut_by_envoys_own_bounds(mode: Mode, endpoints: Endpoints) -> None:
    config = made(mode, endpoints, held=5000)
    for target in (CART, STOCK):
        (threshold,) = cluster(config, target.cluster)["circuit_breakers"]["thresholds"]
        assert set(threshold.values()) == {5000}
        assert {"max_retries", "max_pending_requests"} < set(threshold)


@pytest.mark.parametrize(("mode", "endpoints"), ALL_WAYS)
def test_a_held_request_is_not_ended_for_being_idle(mode: Mode, endpoints: Endpoints) -> None:
    config = made(mode, endpoints, cold_start_s=120, request_timeout_s=400)
    assert seconds(manager(config)["stream_idle_timeout"]) >= 520


@pytest.mark.parametrize(("mode", "endpoints"), ALL_WAYS)
def test_pauses_between_tries_are_flat(mode: Mode, endpoints: Endpoints) -> None:
    pauses = route(made(mode, endpoints))["retry_policy"]["retry_back_off"]
    assert pauses == {"base_interval": "0.1s", "max_interval": "0.1s"}


@pytest.mark.parametrize("mode", [Mode.RETRY, Mode.LUA])
def test_retries_last_as_long_as_a_cold_start_may(mode: Mode) -> None:
    policy = route(made(mode, cold_start_s=60))
    # With a flat pause of 100 ms, 51 tries were seen in 2 s.
    assert policy["retry_policy"]["num_retries"] > 60 * 51 / 2
    assert seconds(policy["timeout"]) == 60 + 300


def test_what_is_held_elsewhere_is_retried_only_for_the_lag_of_nodes() -> None:
    for mode in (Mode.HOLD, Mode.FILTER):
        policy = route(made(mode, cold_start_s=600))
        assert policy["retry_policy"]["num_retries"] < 200
        assert seconds(policy["timeout"]) == 300


def test_a_held_check_may_take_longer_than_the_cold_start() -> None:
    authz = filters(made(Mode.HOLD, cold_start_s=90))["envoy.filters.http.ext_authz"]
    assert seconds(authz["grpc_service"]["timeout"]) > 90
    assert authz["status_on_error"] == {"code": 503}


def test_a_check_that_only_wakes_is_short() -> None:
    authz = filters(made(Mode.RETRY, cold_start_s=90))["envoy.filters.http.ext_authz"]
    assert seconds(authz["grpc_service"]["timeout"]) == 1


def test_every_held_request_may_be_a_check_under_way() -> None:
    (threshold,) = cluster(made(Mode.HOLD, held=5000), "remixer")["circuit_breakers"]["thresholds"]
    assert threshold == {"max_requests": 5000, "max_pending_requests": 5000}


def test_checks_tell_the_revisions_private_service() -> None:
    host = manager(made(Mode.HOLD))["route_config"]["virtual_hosts"][0]
    settings = host["typed_per_filter_config"]["envoy.filters.http.ext_authz"]["check_settings"]
    told = settings["context_extensions"]
    assert told["destination.service.name"] == "cart-00001-private"
    assert told["destination.service.namespace"] == "shop"
    assert host["domains"] == ["cart.example.com", "cart.example.com:*"]


def test_requests_go_to_the_private_service_never_to_the_public_one() -> None:
    found = cluster(made(Mode.RETRY), CART.cluster)
    assert found["type"] == "STRICT_DNS"
    (endpoints,) = found["load_assignment"]["endpoints"]
    address = endpoints["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]
    assert address == {"address": "cart-00001-private.shop.svc.cluster.local", "port_value": 80}


def test_a_control_plane_without_endpoints_does_not_hold_up_the_start() -> None:
    found = cluster(made(Mode.HOLD, Endpoints.EDS), CART.cluster)
    config = found["eds_cluster_config"]["eds_config"]
    assert seconds(config["initial_fetch_timeout"]) == 1
    assert cluster(made(Mode.HOLD, Endpoints.EDS), "control-plane")


def test_clients_cannot_choose_where_envoy_connects_to() -> None:
    config = made(Mode.HOLD, Endpoints.ORIGINAL_DST)
    assert next(iter(filters(config))) == "envoy.filters.http.header_mutation"
    mutations = filters(config)["envoy.filters.http.header_mutation"]["mutations"]
    assert mutations == {"request_mutations": [{"remove": "x-envoy-original-dst-host"}]}
    assert cluster(config, CART.cluster)["lb_policy"] == "CLUSTER_PROVIDED"


def test_the_filter_asks_nobody_and_knows_its_revisions() -> None:
    config = made(Mode.FILTER, targets=(CART, Target(Revision("shop", "any"))))
    assert "envoy.filters.http.ext_authz" not in filters(config)
    assert "remixer" not in {each["name"] for each in config["static_resources"]["clusters"]}
    settings = filters(config)["remixer_knative"]["filter_config"]["value"]
    assert settings["revisions"] == {"shop/cart-00001": "", "shop/any": ""}
    assert settings["recognise"] == {
        "hosts": {"cart.example.com": "shop/cart-00001"},
        "clusters": {"shop.any": "shop/any"},
    }
    assert settings["hold"]["deadline_s"] == 60


def test_the_script_is_told_by_the_route_whose_requests_these_are() -> None:
    config = made(Mode.LUA, script="-- a script\n")
    source = filters(config)["envoy.filters.http.lua"]["default_source_code"]
    assert source == {"inline_string": "-- a script\n"}
    (first,) = manager(config)["route_config"]["virtual_hosts"][0]["routes"]
    told = first["metadata"]["filter_metadata"]["envoy.filters.http.lua"]
    assert told == {"revision": "shop/cart-00001"}
    assert cluster(config, "remixer_activate")
    assert "envoy.filters.http.ext_authz" not in filters(config)


class TestTargets:
    """`--service`."""

    def test_names_a_revision_and_its_hosts(self) -> None:
        assert targets_of(["shop/cart-00001=a.example.com,b.example.com", "shop/x"]) == (
            Target(Revision("shop", "cart-00001"), ("a.example.com", "b.example.com")),
            Target(Revision("shop", "x"), ("*",)),
        )

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "cart",
            "/cart",
            "shop/",
            "shop/Cart",
            "shop/a/b",
            "shop/a=",
            "shop/a=b c",
            "shop/a=b\n",
        ],
    )
    def test_refuses_what_is_none(self, text: str) -> None:
        with pytest.raises(OperatorError, match="NAMESPACE/REVISION"):
            targets_of([text])

    def test_refuses_two_revisions_for_one_host(self) -> None:
        with pytest.raises(OperatorError, match=r"two revisions for the host `\*`"):
            targets_of(["shop/a", "shop/b"])


def test_addresses_that_are_given_replace_the_examples() -> None:
    plan = with_addresses(
        KnativeEnvoyPlan(Mode.HOLD, (CART,)),
        listen="127.0.0.1:0",
        mixer="10.0.0.5:9091",
        control_plane="",
    )
    assert plan.listen == TcpAddress("127.0.0.1", 0)
    assert plan.mixer == TcpAddress("10.0.0.5", 9091)
    assert plan.control_plane.host == "control-plane.example.com"


@pytest.mark.parametrize("text", ["nowhere", "unix:/a"])
def test_addresses_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(OperatorError, match="HOST:PORT"):
        with_addresses(
            KnativeEnvoyPlan(Mode.HOLD, (CART,)), listen="", mixer=text, control_plane=""
        )


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("remixer")), "knative", "envoy-config"]
    return subprocess.run(  # noqa: S603 - this environment's own program
        [*command, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def test_yaml_and_json_say_the_same() -> None:
    arguments = ["--mode", "hold", "--service", "shop/cart-00001=cart.example.com"]
    as_yaml, as_json = run(*arguments), run(*arguments, "--output", "json")
    assert (as_yaml.returncode, as_json.returncode) == (0, 0)
    assert yaml.safe_load(as_yaml.stdout) == json.loads(as_json.stdout)
    assert "# Every held request is a check under way." in as_yaml.stdout
    assert "#" not in as_json.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--mode", "retry", "--endpoints", "eds"], "never retried"),
        (["--mode", "lua", "--script", "none", "--endpoints", "eds"], "cannot read none"),
        (["--mode", "lua"], "filters/activate.lua"),
        (["--mode", "filter", "--endpoints", "original-dst"], "without saying where to"),
        (["--mode", "hold", "--service", "cart"], "not the Knative service"),
        (["--mode", "hold", "--cold-start", "0"], "cold-start"),
        (["--mode", "sleep"], "sleep"),
    ],
)
def test_what_cannot_work_is_refused_with_a_way_out(arguments: list[str], says: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert not done.stdout
