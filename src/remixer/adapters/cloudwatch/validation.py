"""What is wrong with the parameters of `cloudwatch`, all of it at once. Pure."""

from collections.abc import Iterator
from typing import Final

from remixer.adapters.cloudwatch.logs import log_template
from remixer.adapters.cloudwatch.metrics import DURATION_UNITS
from remixer.adapters.cloudwatch.params import MetricDatum, Params
from remixer.attributes.values import ValueType
from remixer.drivers.aws import INSTALL_HINT, is_installed
from remixer.drivers.http_client import http_url, shown_url
from remixer.sdk import HandlerContext, InstanceType, ParamProblem
from remixer.sdk.go_template import TemplateSyntaxError

MOST_DIMENSIONS: Final = 10
_VALUE_TYPES: Final = frozenset(
    {ValueType.STRING, ValueType.INT64, ValueType.DOUBLE, ValueType.DURATION}
)


def validate(params: Params, context: HandlerContext) -> Iterator[ParamProblem]:
    """The package, then metrics and logs against the instances that rules send here."""
    if not is_installed():
        yield ParamProblem("", "boto3 is not installed", INSTALL_HINT)
    if params.endpoint_url and http_url(params.endpoint_url) is None:
        message = f"`{shown_url(params.endpoint_url)}` is not a URL with http or https and a host"
        yield ParamProblem("endpoint_url", message)
    yield from _metrics_problems(params, context)
    yield from _logs_problems(params, context)


def _metrics_problems(params: Params, context: HandlerContext) -> Iterator[ParamProblem]:
    routed = {each.name: each for each in context.of_template("metric")}
    if (params.metric_info or routed) and not params.namespace:
        yield ParamProblem("namespace", "is missing; metrics need one")
    for name, info in params.metric_info.items():
        instance = routed.get(name)
        if instance is not None:
            yield from _metric_problems(f"metric_info[{name}]", info, instance)
            continue
        message = "no rule sends a metric instance of this name here"
        hint = "Name an instance in full, as in `hits.instance.shop`, or add it to a rule."
        yield ParamProblem(f"metric_info[{name}]", message, hint)
    for name in sorted(routed.keys() - params.metric_info.keys()):
        message = f"has no entry for instance `{name}`, which a rule sends here"
        yield ParamProblem("metric_info", message)


def _metric_problems(
    place: str, info: MetricDatum, instance: InstanceType
) -> Iterator[ParamProblem]:
    found = instance.types.get("value", ValueType.VALUE_TYPE_UNSPECIFIED)
    if found not in _VALUE_TYPES:
        names = ", ".join(sorted(each.name for each in _VALUE_TYPES))
        yield ParamProblem(place, f"the instance's value is {found.name}; wanted one of {names}")
    if found is ValueType.DURATION and info.unit not in DURATION_UNITS:
        names = ", ".join(each.name for each in DURATION_UNITS)
        message = f"the instance's value is a duration; {info.unit.name} does not measure one"
        yield ParamProblem(f"{place}.unit", message, f"Use one of {names}.")
    count = len(instance.map_types("dimensions"))
    if count > MOST_DIMENSIONS:
        message = f"the instance has {count} dimensions; at most {MOST_DIMENSIONS} are allowed"
        yield ParamProblem(place, message)


def _logs_problems(params: Params, context: HandlerContext) -> Iterator[ParamProblem]:
    routed = context.of_template("logentry")
    if params.logs or routed:
        for name in ("log_group_name", "log_stream_name"):
            if not getattr(params, name):
                yield ParamProblem(name, "is missing; log entries need one")
    for name, info in params.logs.items():
        try:
            log_template(info)
        except TemplateSyntaxError as error:
            yield ParamProblem(f"logs[{name}].payload_template", str(error))
    for instance in routed:
        if not instance.map_types("variables"):
            message = f"instance `{instance.name}`, which a rule sends here, has no variables"
            yield ParamProblem("logs", message)
