"""Parameters of `cloudwatch`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

# Made by call: one of the names, `None`, cannot be written as a member of a class.
Unit = IntEnum(
    "Unit",
    [
        "None",
        "Seconds",
        "Microseconds",
        "Milliseconds",
        "Count",
        "Bytes",
        "Kilobytes",
        "Megabytes",
        "Gigabytes",
        "Terabytes",
        "Bits",
        "Kilobits",
        "Megabits",
        "Gigabits",
        "Terabits",
        "Percent",
        "Bytes_Second",
        "Kilobytes_Second",
        "Megabytes_Second",
        "Gigabytes_Second",
        "Terabytes_Second",
        "Bits_Second",
        "Kilobits_Second",
        "Megabits_Second",
        "Gigabits_Second",
        "Terabits_Second",
        "Count_Second",
    ],
    start=0,
)
"""Units of CloudWatch; a rate is `Bytes_Second` here and `Bytes/Second` there."""
NO_UNIT = Unit(0)


@dataclass(frozen=True, slots=True)
class MetricDatum:
    """What is said of a metric."""

    unit: Unit = NO_UNIT


@dataclass(frozen=True, slots=True)
class LogInfo:
    """How a log entry looks. A blank `payload_template` means the default one."""

    payload_template: str = ""


@dataclass(frozen=True, slots=True)
class Params:
    """Where to, which metrics and how log entries look, by the full name of their instance.

    `region` and `endpoint_url` are additions; without them it is as boto3 finds out.
    """

    namespace: str = ""
    metric_info: Mapping[str, MetricDatum] = field(default_factory=dict)
    log_group_name: str = ""
    log_stream_name: str = ""
    logs: Mapping[str, LogInfo] = field(default_factory=dict)
    region: str = ""
    endpoint_url: str = ""
