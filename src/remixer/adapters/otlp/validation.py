"""What is wrong with the parameters of `otlp`, all of it at once. Pure."""

from collections.abc import Iterable, Iterator
from math import isfinite
from typing import Final

from remixer.adapters.otlp.params import Kind, LogInfo, MetricInfo, Params, Protocol
from remixer.drivers.http_client import http_url
from remixer.drivers.otlp import check_grpc_endpoint, is_otlp_installed
from remixer.foundation.http_fields import is_field_name
from remixer.sdk import HandlerContext, ParamProblem
from remixer.sdk.buckets import bucket_problems
from remixer.sdk.go_template import TemplateSyntaxError, parse_template

MOST_BATCH_SIZE: Final = 10_000
MOST_QUEUE_SIZE: Final = 1_000_000
_OWN_HEADERS: Final = frozenset({"content-type", "content-encoding", "content-length", "host"})
_LONGEST_NAME: Final = 255  # characters, of OpenTelemetry's instrument names
_NAME_MARKS: Final = frozenset("_.-/")


def validate(params: Params, context: HandlerContext) -> Iterator[ParamProblem]:
    """Faults of the connection, then of metrics, logs and traces."""
    if not is_otlp_installed():
        yield ParamProblem(
            "", "the OpenTelemetry SDK is not installed", "Run pip install 'remixer[otlp]'."
        )
    yield from _endpoint_problems(params)
    yield from _header_problems(params)
    yield from _tls_problems(params)
    yield from _bound_problems(params)
    yield from _metrics_problems(params, context)
    yield from _logs_problems(params.logs)
    if params.trace is not None and not 0 <= params.trace.sample_probability <= 1:
        probability = params.trace.sample_probability
        yield ParamProblem("trace.sample_probability", f"{probability:g} is not between 0 and 1")


def _endpoint_problems(params: Params) -> Iterator[ParamProblem]:
    if params.protocol is Protocol.GRPC:
        if fault := check_grpc_endpoint(params.endpoint):
            hint = "Write HOST:PORT, and `tls: {}` for a connection with TLS."
            yield ParamProblem("endpoint", fault, hint)
        return
    parts = http_url(params.endpoint)
    if parts is None or parts.query or parts.fragment:
        yield ParamProblem(
            "endpoint",
            "is not a URL of http or https without query",
            "Write http://localhost:4318; the signal's path is added.",
        )
    elif params.tls is not None and parts.scheme == "http":
        yield ParamProblem("tls", "is not used with http", "Write https in `endpoint`.")


def _header_problems(params: Params) -> Iterator[ParamProblem]:
    for field, headers in (("headers", params.headers), ("header_files", params.header_files)):
        for name, value in headers.items():
            place = f"{field}[{name}]"
            if not is_field_name(name) or name.startswith(":"):
                yield ParamProblem(place, "is not the name of a header")
            elif name.lower() in _OWN_HEADERS or name.lower().startswith("grpc-"):
                yield ParamProblem(place, "is a header of the protocol itself")
            elif not value or not value.isascii() or not value.isprintable():
                # Without the value: it may be a secret.
                yield ParamProblem(place, "has a value that is not a line of printable ASCII")
    both = {name.lower() for name in params.headers} & {
        each.lower() for each in params.header_files
    }
    for name in sorted(both):
        yield ParamProblem(f"header_files[{name}]", "is given in `headers` too")


def _tls_problems(params: Params) -> Iterator[ParamProblem]:
    tls = params.tls
    if tls is not None and bool(tls.client_certificate) != bool(tls.private_key):
        missing = "private_key" if tls.client_certificate else "client_certificate"
        yield ParamProblem(f"tls.{missing}", "is missing; the two belong together")


def _bound_problems(params: Params) -> Iterator[ParamProblem]:
    for name, duration in (
        ("timeout", params.timeout),
        ("export_interval", params.export_interval),
        ("batch_interval", params.batch_interval),
    ):
        if duration <= 0:
            yield ParamProblem(name, "must be longer than 0")
    if params.metric_expiration < 0:
        yield ParamProblem("metric_expiration", "is negative", "Use 0 for never.")
    for name, size, most in (
        ("max_batch_size", params.max_batch_size, MOST_BATCH_SIZE),
        ("max_queue_size", params.max_queue_size, MOST_QUEUE_SIZE),
    ):
        if not 1 <= size <= most:
            yield ParamProblem(name, f"{size} is not between 1 and {most}")


def _metrics_problems(params: Params, context: HandlerContext) -> Iterator[ParamProblem]:
    names: dict[str, int] = {}
    for index, info in enumerate(params.metrics):
        path = f"metrics[{index}]"
        yield from _metric_problems(path, info)
        name = (info.name or info.instance_name).lower()
        first = names.setdefault(name, index)
        if first != index:
            yield ParamProblem(f"{path}.name", f"`{name}` is the name of metrics[{first}] too")
    yield from _repeated("metrics", [info.instance_name for info in params.metrics])
    if not _is_metric_name(params.edge_metric):
        yield ParamProblem("edge_metric", f"`{params.edge_metric}` is not the name of a metric")
    elif params.edge_metric.lower() in names:
        yield ParamProblem("edge_metric", f"`{params.edge_metric}` is the name of a metric too")
    known = {info.instance_name for info in params.metrics}
    for instance in context.of_template("metric"):
        if instance.name not in known:
            yield ParamProblem("metrics", f"`{instance.name}` is sent here and has no entry")


def _metric_problems(path: str, info: MetricInfo) -> Iterator[ParamProblem]:
    if not info.instance_name:
        yield ParamProblem(f"{path}.instance_name", "is missing")
    elif not _is_metric_name(info.name or info.instance_name):
        name = info.name or info.instance_name
        yield ParamProblem(
            f"{path}.name",
            f"`{name}` is not the name of a metric",
            "Begin with a letter; go on with letters, digits, `_`, `.`, `-` and `/`.",
        )
    if info.kind is Kind.UNSPECIFIED:
        yield ParamProblem(f"{path}.kind", "is missing", "Use one of COUNTER, GAUGE, DISTRIBUTION.")
    if not isfinite(info.value_scale) or info.value_scale == 0:
        yield ParamProblem(f"{path}.value_scale", f"{info.value_scale:g} is no factor")
    elif info.kind is Kind.COUNTER and info.value_scale < 0:
        yield ParamProblem(f"{path}.value_scale", "would let a counter fall")
    if info.kind is Kind.DISTRIBUTION and info.buckets is not None:
        yield from bucket_problems(f"{path}.buckets", info.buckets)


def _is_metric_name(name: str) -> bool:
    """Source: OpenTelemetry's syntax of instrument names."""
    return (
        name[:1].isascii()
        and name[:1].isalpha()
        and len(name) <= _LONGEST_NAME
        and all(each.isascii() and (each.isalnum() or each in _NAME_MARKS) for each in name)
    )


def _logs_problems(logs: tuple[LogInfo, ...]) -> Iterator[ParamProblem]:
    for index, info in enumerate(logs):
        if not info.instance_name:
            yield ParamProblem(f"logs[{index}].instance_name", "is missing")
        try:
            parse_template(info.body_template)
        except TemplateSyntaxError as error:
            yield ParamProblem(f"logs[{index}].body_template", str(error))
    yield from _repeated("logs", [info.instance_name for info in logs])


def _repeated(field: str, instances: Iterable[str]) -> Iterator[ParamProblem]:
    seen: dict[str, int] = {}
    for index, name in enumerate(instances):
        first = seen.setdefault(name, index)
        if name and first != index:
            place = f"{field}[{index}].instance_name"
            yield ParamProblem(place, f"`{name}` already has {field}[{first}]")
