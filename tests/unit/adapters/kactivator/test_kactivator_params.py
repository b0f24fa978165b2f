"""What is wrong with parameters, all of it, and where."""

from dataclasses import replace
from typing import Any

import pytest

from remixer.adapters.kactivator import (
    INFO,
    EndpointSlices,
    Hold,
    Mode,
    Params,
    Probe,
    ReadinessSource,
    WireEncoding,
)
from remixer.adapters.kactivator.params import wire_encoding
from remixer.attributes.values import Duration
from remixer.sdk import HandlerContext, Int32

_S = 1_000_000_000


def _paths(params: Params) -> list[str]:
    return [each.path for each in INFO.validate(params, HandlerContext("h", ()))]


def test_the_defaults_are_right_in_a_cluster() -> None:
    assert _paths(Params()) == []
    assert wire_encoding(Params()).name == "protobuf"
    assert Params().autoscaler_endpoint.startswith("ws://autoscaler.knative-serving.svc.")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"autoscaler_endpoint": ""}, "autoscaler_endpoint"),
        ({"autoscaler_endpoint": "http://a:1"}, "autoscaler_endpoint"),
        ({"autoscaler_endpoint": "ws://a:1/\r\nx: y"}, "autoscaler_endpoint"),
        ({"encoding": WireEncoding.GOB, "release": "0.17"}, "release"),
        ({"encoding": WireEncoding.AUTO, "release": "0.3"}, "release"),
        ({"pod_name": "cart-0"}, "pod_name"),
        ({"pod_name": "activator\n"}, "pod_name"),
        ({"pod_name": "activator" + "x" * 245}, "pod_name"),
        ({"valid_duration": Duration(240 * _S)}, "valid_duration"),
        ({"valid_duration": Duration(-1)}, "valid_duration"),
        ({"idle_valid_duration": Duration(61 * _S)}, "idle_valid_duration"),
        ({"valid_use_count": Int32(-1)}, "valid_use_count"),
        ({"revisions": ("shop/a", "a")}, "revisions[1]"),
        ({"service_suffixes": ("-priv", "")}, "service_suffixes[1]"),
        ({"concurrency_per_request": 0.0}, "concurrency_per_request"),
        ({"concurrency_per_request": 1.5}, "concurrency_per_request"),
        ({"concurrency_per_request": float("nan")}, "concurrency_per_request"),
        ({"most_revisions": Int32(0)}, "most_revisions"),
        ({"most_revisions": Int32(100_001)}, "most_revisions"),
        ({"hold": Hold(most_requests=Int32(0))}, "hold.most_requests"),
        ({"hold": Hold(most_per_revision=Int32(0))}, "hold.most_per_revision"),
        ({"hold": Hold(most_revisions=Int32(0))}, "hold.most_revisions"),
        ({"hold": Hold(timeout=Duration(0))}, "hold.timeout"),
        ({"hold": Hold(retry_after=Duration(0))}, "hold.retry_after"),
        ({"hold": Hold(most_bytes=0)}, "hold.most_bytes"),
        ({"mode": Mode.HOLD}, "readiness"),
        (
            {"readiness": ReadinessSource.PROBE, "probe": Probe(address="http://a/")},
            "probe.address",
        ),
        (
            {"readiness": ReadinessSource.PROBE, "probe": Probe(interval=Duration(0))},
            "probe.interval",
        ),
        (
            {"readiness": ReadinessSource.PROBE, "probe": Probe(timeout=Duration(0))},
            "probe.timeout",
        ),
        ({"readiness": ReadinessSource.PROBE, "probe": Probe(fresh=Duration(-1))}, "probe.fresh"),
        (
            {
                "readiness": ReadinessSource.ENDPOINT_SLICES,
                "endpoint_slices": EndpointSlices(refresh=Duration(-1)),
            },
            "endpoint_slices.refresh",
        ),
    ],
)
def test_a_fault_is_told_at_its_place(change: dict[str, Any], path: str) -> None:
    assert _paths(replace(Params(), **change)) == [path]


@pytest.mark.parametrize(
    "change",
    [
        {"valid_duration": Duration(60 * _S)},
        {"valid_duration": Duration(0), "idle_valid_duration": Duration(0)},
        {"concurrency_per_request": 0.000001},
        {"most_revisions": Int32(100_000)},
        {"pod_name": "activator" + "x" * 244},
        {"mode": Mode.HOLD, "readiness": ReadinessSource.PROBE},
        {"encoding": WireEncoding.GOB, "release": "0.8"},
        {"encoding": WireEncoding.AUTO, "release": "1.23"},
    ],
)
def test_what_is_at_the_limit_is_right(change: dict[str, Any]) -> None:
    assert _paths(replace(Params(), **change)) == []


def test_all_faults_are_told_at_once() -> None:
    params = Params("x", pod_name="x", valid_duration=Duration(-1), revisions=("x",))
    assert len(_paths(params)) == 4
