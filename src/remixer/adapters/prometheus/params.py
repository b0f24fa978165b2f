"""Parameters of `prometheus`."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from remixer.attributes.values import Duration
from remixer.sdk.buckets import BucketsDefinition

DEFAULT_NAMESPACE: Final = "istio"


class Kind(IntEnum):
    """What a value does to its series."""

    UNSPECIFIED = 0
    GAUGE = 1
    COUNTER = 2
    DISTRIBUTION = 3


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """One metric and the instance that feeds it.

    `name` defaults to the instance's, `description` to the metric's name; an empty `namespace`
    is the default one.
    """

    name: str = ""
    instance_name: str = ""
    description: str = ""
    kind: Kind = Kind.UNSPECIFIED
    buckets: BucketsDefinition | None = None
    label_names: tuple[str, ...] = ()
    namespace: str = DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True)
class MetricsExpirationPolicy:
    """Series without an update for this long go. An interval of 0 is half the duration."""

    metrics_expiry_duration: Duration = Duration(0)  # noqa: RUF009 - an int subclass, immutable
    expiry_check_interval_duration: Duration = Duration(0)  # noqa: RUF009 - an int subclass, immutable


@dataclass(frozen=True, slots=True)
class Params:
    """Metrics of one handler."""

    metrics: tuple[MetricInfo, ...] = ()
    metrics_expiration_policy: MetricsExpirationPolicy | None = None
