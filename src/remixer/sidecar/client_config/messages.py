"""The messages of `istio.mixer.v1.config.client`, field by field.

A field that is None was not given. It is None where the original's default is not Remixer's;
`Original` has what the original takes then.

Source: field names, numbers and defaults of release 1.3.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from remixer.attributes.values import Duration
from remixer.wire.proto_json.numbers import UInt32

_MILLISECOND: Final = 1_000_000
_SECOND: Final = 1_000 * _MILLISECOND


class Original:
    """What Mixer's own client takes where nothing is given."""

    REPORT_BATCH_MAX_ENTRIES: Final = UInt32(100)
    REPORT_BATCH_MAX_TIME: Final = Duration(_SECOND)
    STATS_UPDATE_INTERVAL: Final = Duration(10 * _SECOND)
    CLUSTER: Final = "mixer_server"
    MAX_RETRY: Final = UInt32(0)
    BASE_RETRY_WAIT: Final = Duration(80 * _MILLISECOND)
    MAX_RETRY_WAIT: Final = Duration(_SECOND)
    LONGEST_RETRY_WAIT: Final = Duration(86_400 * _SECOND)
    REPORT_INTERVAL: Final = Duration(10 * _SECOND)
    SHORTEST_REPORT_INTERVAL: Final = Duration(_SECOND)


@dataclass(frozen=True, slots=True)
class StringMapValue:
    """`Attributes.StringMap`."""

    entries: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AttributeValue:
    """`Attributes.AttributeValue`: exactly one field is given."""

    string_value: str | None = None
    int64_value: int | None = None
    double_value: float | None = None
    bool_value: bool | None = None
    bytes_value: bytes | None = None
    timestamp_value: str | None = None
    """RFC 3339."""
    duration_value: Duration | None = None
    string_map_value: StringMapValue | None = None


@dataclass(frozen=True, slots=True)
class Attributes:
    """`istio.mixer.v1.Attributes`, the uncompressed form."""

    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)


class FailPolicy(IntEnum):
    """What becomes of a request when no Mixer answers."""

    FAIL_OPEN = 0
    FAIL_CLOSE = 1


@dataclass(frozen=True, slots=True)
class NetworkFailPolicy:
    """What to do when no Mixer answers. Waits are between 0 and a day."""

    policy: FailPolicy = FailPolicy.FAIL_OPEN
    max_retry: UInt32 = Original.MAX_RETRY
    base_retry_wait: Duration = Original.BASE_RETRY_WAIT
    max_retry_wait: Duration = Original.MAX_RETRY_WAIT


@dataclass(frozen=True, slots=True)
class TransportConfig:
    """How the client talks to Mixer.

    `network_fail_policy` None: the original fails open and does not retry.
    """

    disable_check_cache: bool = False
    disable_quota_cache: bool = False
    disable_report_batch: bool = False
    network_fail_policy: NetworkFailPolicy | None = None
    stats_update_interval: Duration = Original.STATS_UPDATE_INTERVAL
    check_cluster: str = Original.CLUSTER
    """Envoy's name of the Mixers; Remixer's clients are told addresses instead."""
    report_cluster: str = Original.CLUSTER
    attributes_for_mixer_proxy: Attributes | None = None
    """Without effect since 1.1."""
    report_batch_max_entries: UInt32 | None = None
    report_batch_max_time: Duration | None = None


@dataclass(frozen=True, slots=True)
class StringMatch:
    """At most one field is given; none matches every text."""

    exact: str | None = None
    prefix: str | None = None
    regex: str | None = None
    """Of the whole value."""


@dataclass(frozen=True, slots=True)
class AttributeMatch:
    """All clauses hold. By attribute name."""

    clause: Mapping[str, StringMatch] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Quota:
    """`charge` is at least 1."""

    quota: str = ""
    charge: int = 0


@dataclass(frozen=True, slots=True)
class QuotaRule:
    """Charges if one of `match` holds, or if there is none."""

    match: tuple[AttributeMatch, ...] = ()
    quotas: tuple[Quota, ...] = ()


@dataclass(frozen=True, slots=True)
class QuotaSpec:
    """What requests are charged."""

    rules: tuple[QuotaRule, ...] = ()


@dataclass(frozen=True, slots=True)
class HTTPAPISpecPattern:
    """Requests that one operation of the API gets; one of `uri_template` and `regex` is given."""

    attributes: Attributes = field(default_factory=Attributes)
    http_method: str = ""
    """`*` for any."""
    uri_template: str | None = None
    regex: str | None = None
    """Of the whole path with its query."""


@dataclass(frozen=True, slots=True)
class APIKey:
    """Where an API key is looked for; exactly one field is given."""

    query: str | None = None
    header: str | None = None
    cookie: str | None = None


@dataclass(frozen=True, slots=True)
class HTTPAPISpec:
    """An API: which attributes its operations have."""

    attributes: Attributes = field(default_factory=Attributes)
    patterns: tuple[HTTPAPISpecPattern, ...] = ()
    api_keys: tuple[APIKey, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """What holds for requests to one service."""

    disable_check_calls: bool = False
    disable_report_calls: bool = False
    mixer_attributes: Attributes = field(default_factory=Attributes)
    http_api_spec: tuple[HTTPAPISpec, ...] = ()
    quota_spec: tuple[QuotaSpec, ...] = ()
    network_fail_policy: NetworkFailPolicy | None = None
    """Without effect: that of the transport counts. Source: the client of 1.1 to 1.3."""
    forward_attributes: Attributes = field(default_factory=Attributes)


@dataclass(frozen=True, slots=True)
class HttpClientConfig:
    """The client of HTTP requests. `service_configs` by destination service."""

    transport: TransportConfig = field(default_factory=TransportConfig)
    service_configs: Mapping[str, ServiceConfig] = field(default_factory=dict)
    default_destination_service: str = ""
    mixer_attributes: Attributes = field(default_factory=Attributes)
    forward_attributes: Attributes = field(default_factory=Attributes)
    ignore_forwarded_attributes: bool = False


@dataclass(frozen=True, slots=True)
class TcpClientConfig:
    """The client of TCP connections. `report_interval` is at least a second."""

    transport: TransportConfig = field(default_factory=TransportConfig)
    mixer_attributes: Attributes = field(default_factory=Attributes)
    disable_check_calls: bool = False
    disable_report_calls: bool = False
    connection_quota_spec: QuotaSpec = field(default_factory=QuotaSpec)
    report_interval: Duration = Original.REPORT_INTERVAL


@dataclass(frozen=True, slots=True)
class IstioService:
    """One service, or `service: "*"` for all, or `"*.ns.*"` for those of a namespace."""

    name: str = ""
    namespace: str = ""
    domain: str = ""
    service: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Without effect in bindings."""


@dataclass(frozen=True, slots=True)
class SpecReference:
    """`QuotaSpecReference` and `HTTPAPISpecReference`. No namespace: that of the binding."""

    name: str = ""
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class QuotaSpecBinding:
    """Quota specifications for services."""

    services: tuple[IstioService, ...] = ()
    quota_specs: tuple[SpecReference, ...] = ()


@dataclass(frozen=True, slots=True)
class HTTPAPISpecBinding:
    """API specifications for services."""

    services: tuple[IstioService, ...] = ()
    api_specs: tuple[SpecReference, ...] = ()
