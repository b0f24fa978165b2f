"""Parameters of `otlp`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from remixer.attributes.values import Duration
from remixer.sdk import Int32
from remixer.sdk.buckets import BucketsDefinition

_S: Final = 1_000_000_000
DEFAULT_EDGE_METRIC: Final = "istio.edge.calls"


class Protocol(IntEnum):
    """How the collector is spoken to."""

    GRPC = 0
    HTTP_PROTOBUF = 1


class Compression(IntEnum):
    """Of requests."""

    NONE = 0
    GZIP = 1


class Kind(IntEnum):
    """What a value does to its series."""

    UNSPECIFIED = 0
    GAUGE = 1
    COUNTER = 2
    DISTRIBUTION = 3


class Severity(IntEnum):
    """OpenTelemetry's numbers."""

    UNSPECIFIED = 0
    TRACE = 1
    DEBUG = 5
    INFO = 9
    WARN = 13
    ERROR = 17
    FATAL = 21


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files, read when the handler is built. Without authorities the machine's own count."""

    ca_certificates: str = ""
    client_certificate: str = ""
    private_key: str = ""


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """One metric and the instance that feeds it. `name` defaults to the instance's."""

    instance_name: str = ""
    name: str = ""
    description: str = ""
    unit: str = ""
    kind: Kind = Kind.UNSPECIFIED
    buckets: BucketsDefinition | None = None
    value_scale: float = 1.0


@dataclass(frozen=True, slots=True)
class LogInfo:
    """How entries of one log instance look; all members have their defaults."""

    instance_name: str = ""
    severities: Mapping[str, Severity] = field(default_factory=dict)
    body_template: str = ""
    attribute_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """Which share of all traces is kept."""

    sample_probability: float = 0.0


@dataclass(frozen=True, slots=True)
class Params:
    """Where to, how, and what becomes of each instance. Without `trace` no span is sent."""

    endpoint: str = "localhost:4317"
    protocol: Protocol = Protocol.GRPC
    headers: Mapping[str, str] = field(default_factory=dict)
    header_files: Mapping[str, str] = field(default_factory=dict)
    tls: Tls | None = None
    compression: Compression = Compression.NONE
    timeout: Duration = Duration(10 * _S)  # noqa: RUF009 - an int subclass, immutable
    export_interval: Duration = Duration(10 * _S)  # noqa: RUF009 - an int subclass, immutable
    batch_interval: Duration = Duration(1 * _S)  # noqa: RUF009 - an int subclass, immutable
    max_batch_size: Int32 = Int32(512)  # noqa: RUF009 - a number
    max_queue_size: Int32 = Int32(2048)  # noqa: RUF009 - a number
    resource_attributes: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[MetricInfo, ...] = ()
    metric_expiration: Duration = Duration(0)  # noqa: RUF009 - an int subclass, immutable
    logs: tuple[LogInfo, ...] = ()
    trace: Trace | None = None
    edge_metric: str = DEFAULT_EDGE_METRIC
