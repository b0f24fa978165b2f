"""Parameters of `dogstatsd` and what is wrong with them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from remixer.attributes.values import ValueType
from remixer.drivers.datagrams import parse_peer
from remixer.sdk import HandlerContext, InstanceType, Int32, ParamProblem


class MetricType(IntEnum):
    """What a value is to the agent."""

    UNKNOWN_TYPE = 0
    COUNTER = 1
    GAUGE = 2
    DISTRIBUTION = 3


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """One metric. An empty `name` means the instance's full name."""

    name: str = ""
    type: MetricType = MetricType.UNKNOWN_TYPE
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Params:
    """Where to, and which metrics, by the full name of their instance.

    `buffer_length` is a number of metrics per datagram; 0 sends each at once. The original's
    `sample_rate` is 0 unless given, which loses nearly everything; its manual says 1.
    """

    address: str = "localhost:8125"
    prefix: str = "istio."
    buffer_length: Int32 = Int32(0)  # noqa: RUF009 - a number
    global_tags: Mapping[str, str] = field(default_factory=dict)
    sample_rate: float = 1.0
    metrics: Mapping[str, MetricInfo] = field(default_factory=dict)


_VALUE_TYPES: Final[Mapping[MetricType, frozenset[ValueType]]] = {
    MetricType.COUNTER: frozenset({ValueType.INT64}),
    MetricType.GAUGE: frozenset({ValueType.INT64}),
    MetricType.DISTRIBUTION: frozenset({ValueType.DURATION, ValueType.INT64}),
}


def validate(params: Params, context: HandlerContext) -> Iterator[ParamProblem]:
    """Address and numbers, then metrics against the instances that rules send here."""
    try:
        parse_peer(params.address)
    except ValueError as error:
        yield ParamProblem("address", str(error))
    if params.buffer_length < 0:
        message = f"{params.buffer_length} is negative"
        yield ParamProblem("buffer_length", message, "Use 0 to send each metric at once.")
    if not 0 <= params.sample_rate <= 1:
        yield ParamProblem("sample_rate", f"{params.sample_rate:g} is not between 0 and 1")
    routed = {each.name: each for each in context.of_template("metric")}
    for name, info in params.metrics.items():
        yield from _metric_problems(name, info, routed.get(name))
    for name in sorted(routed.keys() - params.metrics.keys()):
        message = f"has no entry for instance `{name}`, which a rule sends here"
        yield ParamProblem("metrics", message)


def _metric_problems(
    name: str, info: MetricInfo, instance: InstanceType | None
) -> Iterator[ParamProblem]:
    place = f"metrics[{name}]"
    if info.type is MetricType.UNKNOWN_TYPE:
        yield ParamProblem(
            f"{place}.type", "is missing", "Use one of COUNTER, GAUGE, DISTRIBUTION."
        )
    if instance is None:
        hint = "Name an instance in full, as in `hits.instance.shop`, or add it to a rule."
        yield ParamProblem(place, "no rule sends an instance of this name here", hint)
        return
    found = instance.types.get("value", ValueType.VALUE_TYPE_UNSPECIFIED)
    wanted = _VALUE_TYPES.get(info.type)
    if wanted is not None and found not in wanted:
        names = " or ".join(sorted(each.name for each in wanted))
        message = f"the instance's value is {found.name}; a {info.type.name} takes {names}"
        yield ParamProblem(place, message)
