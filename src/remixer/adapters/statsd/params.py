"""Parameters of `statsd` and what is wrong with them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from remixer.attributes.values import Duration
from remixer.drivers.datagrams import LARGEST_DATAGRAM_BYTES, parse_peer
from remixer.sdk import HandlerContext, Int32, ParamProblem
from remixer.sdk.go_template import TemplateSyntaxError, parse_template

DEFAULT_FLUSH_BYTES: Final = 512
DEFAULT_FLUSH_NS: Final = 300_000_000


class MetricType(IntEnum):
    """What a value is to the daemon."""

    UNKNOWN = 0
    COUNTER = 1
    GAUGE = 2
    DISTRIBUTION = 3


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """One metric. An empty `name_template` means the instance's full name."""

    type: MetricType = MetricType.UNKNOWN
    name_template: str = ""


@dataclass(frozen=True, slots=True)
class Params:
    """Where to, and which metrics, by the full name of their instance."""

    address: str = "localhost:8125"
    prefix: str = ""
    flush_duration: Duration = Duration(DEFAULT_FLUSH_NS)  # noqa: RUF009 - an int subclass, immutable
    flush_bytes: Int32 = Int32(DEFAULT_FLUSH_BYTES)  # noqa: RUF009 - a number
    sampling_rate: float = 1.0
    metrics: Mapping[str, MetricInfo] = field(default_factory=dict)


def validate(params: Params, _context: HandlerContext) -> Iterator[ParamProblem]:
    """The address, values below 0, templates that do not parse."""
    try:
        parse_peer(params.address)
    except ValueError as error:
        yield ParamProblem("address", str(error))
    if params.flush_duration < 0:
        yield ParamProblem("flush_duration", "is negative", "Leave it out for 300ms.")
    if params.flush_bytes < 0:
        yield ParamProblem("flush_bytes", f"{params.flush_bytes} is negative", "Use 0 for 512.")
    if params.flush_bytes > LARGEST_DATAGRAM_BYTES:
        message = f"{params.flush_bytes} is more than a datagram holds"
        yield ParamProblem("flush_bytes", message, f"Use at most {LARGEST_DATAGRAM_BYTES}.")
    if not params.sampling_rate >= 0:
        yield ParamProblem("sampling_rate", f"{params.sampling_rate:g} is not at least 0")
    for name, info in params.metrics.items():
        try:
            parse_template(info.name_template)
        except TemplateSyntaxError as error:
            yield ParamProblem(f"metrics[{name}].name_template", str(error))
