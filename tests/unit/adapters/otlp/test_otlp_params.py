"""`otlp`: parameters that cannot work are refused, each where it stands."""

from typing import Any

import pytest

from remixer.adapters.otlp import INFO, Kind, LogInfo, MetricInfo, Params, Protocol, Tls, Trace
from remixer.attributes.values import Duration
from remixer.sdk import HandlerContext, Int32
from remixer.sdk.buckets import BucketsDefinition, ExplicitBuckets
from remixer.templates.schema import InstanceType

_HTTP = Protocol.HTTP_PROTOBUF
_COUNTER = MetricInfo("hits", kind=Kind.COUNTER)


def _paths(params: Params, *instances: InstanceType) -> list[str]:
    return [each.path for each in INFO.validate(params, HandlerContext("h", instances))]


@pytest.mark.parametrize(
    "params",
    [
        Params("[::1]:4317"),
        Params("unix:/run/otel.sock"),
        Params("collector:4317", tls=Tls()),
        Params("https://collector/otlp", _HTTP, tls=Tls("ca", "crt", "key")),
        Params(headers={"X-Tenant": "shop"}, header_files={"authorization": "/run/token"}),
        Params(metrics=(_COUNTER, MetricInfo("d", "a.b-c/d", kind=Kind.DISTRIBUTION))),
        Params(logs=(LogInfo("log", body_template="{{.path}}"),), trace=Trace(0.5)),
        Params(max_batch_size=Int32(10_000), max_queue_size=Int32(1_000_000)),
    ],
)
def test_these_can_work(params: Params) -> None:
    assert _paths(params) == []


@pytest.mark.parametrize(
    ("params", "path"),
    [
        (Params("collector"), "endpoint"),
        (Params("http://collector:4317"), "endpoint"),
        (Params("collector:0"), "endpoint"),
        (Params("collector:4318", _HTTP), "endpoint"),
        (Params("http://collector:x", _HTTP), "endpoint"),
        (Params("http://collector/?token=1", _HTTP), "endpoint"),
        (Params("http://collector:4318", _HTTP, tls=Tls()), "tls"),
        (Params(tls=Tls(client_certificate="c")), "tls.private_key"),
        (Params(tls=Tls(private_key="k")), "tls.client_certificate"),
        (Params(headers={"a b": "x"}), "headers[a b]"),
        (Params(headers={":path": "x"}), "headers[:path]"),
        (Params(headers={"Content-Type": "x"}), "headers[Content-Type]"),
        (Params(headers={"grpc-timeout": "x"}), "headers[grpc-timeout]"),
        (Params(headers={"a": "x\r\ny: z"}), "headers[a]"),
        (Params(headers={"a": ""}), "headers[a]"),
        (Params(headers={"A": "x"}, header_files={"a": "f"}), "header_files[a]"),
        (Params(header_files={"a": ""}), "header_files[a]"),
        (Params(timeout=Duration(0)), "timeout"),
        (Params(export_interval=Duration(0)), "export_interval"),
        (Params(batch_interval=Duration(-1)), "batch_interval"),
        (Params(metric_expiration=Duration(-1)), "metric_expiration"),
        (Params(max_batch_size=Int32(0)), "max_batch_size"),
        (Params(max_batch_size=Int32(10_001)), "max_batch_size"),
        (Params(max_queue_size=Int32(1_000_001)), "max_queue_size"),
        (Params(trace=Trace(1.5)), "trace.sample_probability"),
        (Params(trace=Trace(float("nan"))), "trace.sample_probability"),
        (Params(edge_metric="1"), "edge_metric"),
        (Params(metrics=(_COUNTER,), edge_metric="HITS"), "edge_metric"),
        (Params(metrics=(MetricInfo("hits"),)), "metrics[0].kind"),
        (Params(metrics=(MetricInfo("", "n", kind=Kind.GAUGE),)), "metrics[0].instance_name"),
        (Params(metrics=(MetricInfo("i", "a b", kind=Kind.GAUGE),)), "metrics[0].name"),
        (Params(metrics=(MetricInfo("i", "n" * 256, kind=Kind.GAUGE),)), "metrics[0].name"),
        (Params(metrics=(_COUNTER, MetricInfo("x", "HITS", kind=Kind.GAUGE))), "metrics[1].name"),
        (
            Params(metrics=(_COUNTER, MetricInfo("hits", "other", kind=Kind.GAUGE))),
            "metrics[1].instance_name",
        ),
        (
            Params(metrics=(MetricInfo("i", kind=Kind.GAUGE, value_scale=0.0),)),
            "metrics[0].value_scale",
        ),
        (
            Params(metrics=(MetricInfo("i", kind=Kind.COUNTER, value_scale=-1.0),)),
            "metrics[0].value_scale",
        ),
        (
            Params(
                metrics=(
                    MetricInfo(
                        "i",
                        kind=Kind.DISTRIBUTION,
                        buckets=BucketsDefinition(explicit_buckets=ExplicitBuckets((2.0, 1.0))),
                    ),
                )
            ),
            "metrics[0].buckets.explicit_buckets",
        ),
        (Params(logs=(LogInfo(),)), "logs[0].instance_name"),
        (Params(logs=(LogInfo("l", body_template="{{"),)), "logs[0].body_template"),
        (Params(logs=(LogInfo("l"), LogInfo("l"))), "logs[1].instance_name"),
    ],
)
def test_these_cannot(params: Params, path: str) -> None:
    assert _paths(params) == [path]


def test_a_metric_instance_without_an_entry_is_told_before_anything_runs() -> None:
    instances = [InstanceType(name, "metric", {}) for name in ("hits", "lost")]
    (problem,) = INFO.validate(Params(metrics=(_COUNTER,)), HandlerContext("h", tuple(instances)))
    assert "`lost`" in problem.message


def test_no_problem_repeats_the_value_of_a_header() -> None:
    params: Any = Params(headers={"authorization": "s3cret\n"})
    (problem,) = INFO.validate(params, HandlerContext("h", ()))
    assert "s3cret" not in problem.message + problem.hint
