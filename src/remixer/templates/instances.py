"""The built-in templates of the check, quota and report varieties, and their instance types.

Source: field names, numbers and types of Mixer 1.3's templates. One module: the whole set reads
as one table, and each entry is a few lines.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from remixer.attributes.values import EPOCH, Timestamp, Value, ValueType
from remixer.templates.schema import Field, Message, Template, Variety


@dataclass(frozen=True, slots=True)
class CheckNothing:
    """Asks without telling anything."""

    name: str


@dataclass(frozen=True, slots=True)
class ReportNothing:
    """Tells only that something happened."""

    name: str


@dataclass(frozen=True, slots=True)
class ListEntry:
    """A value to look up in a list. None if no expression is configured."""

    name: str
    value: Value | None = None


@dataclass(slots=True)  # not frozen: every request with a quota makes one
class Quota:
    """What to count by. To be left as it was made."""

    name: str
    dimensions: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API call and the key that came with it."""

    name: str
    api: str = ""
    api_version: str = ""
    api_operation: str = ""
    api_key: str = ""
    timestamp: Timestamp = EPOCH


@dataclass(frozen=True, slots=True)
class Subject:
    """Who acts. `groups` is one text, as in the original."""

    user: str = ""
    groups: str = ""
    properties: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Action:
    """What the subject wants to do."""

    namespace: str = ""
    service: str = ""
    method: str = ""
    path: str = ""
    properties: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Authorization:
    """The question whether a subject may do an action."""

    name: str
    subject: Subject = Subject()
    action: Action = Action()


@dataclass(slots=True)
class LogEntry:
    """One line of a log. To be left as it was made."""

    name: str
    variables: Mapping[str, Value] = field(default_factory=dict)
    timestamp: Timestamp = EPOCH
    severity: str = ""
    monitored_resource_type: str = ""
    monitored_resource_dimensions: Mapping[str, Value] = field(default_factory=dict)


@dataclass(slots=True)
class Metric:
    """One observation. To be left as it was made."""

    name: str
    value: Value | None = None
    dimensions: Mapping[str, Value] = field(default_factory=dict)
    monitored_resource_type: str = ""
    monitored_resource_dimensions: Mapping[str, Value] = field(default_factory=dict)


@dataclass(slots=True)
class Edge:
    """One observed call between two workloads. To be left as it was made."""

    name: str
    timestamp: Timestamp = EPOCH
    source_workload_namespace: str = ""
    source_workload_name: str = ""
    source_owner: str = ""
    source_uid: str = ""
    destination_workload_namespace: str = ""
    destination_workload_name: str = ""
    destination_owner: str = ""
    destination_uid: str = ""
    destination_service_namespace: str = ""
    destination_service_name: str = ""
    context_protocol: str = ""
    api_protocol: str = ""


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """The question which pods, and what of them, stand behind two ends of a connection."""

    name: str
    source_uid: str = ""
    source_ip: bytes = b""
    destination_uid: str = ""
    destination_ip: bytes = b""
    destination_port: int = 0


@dataclass(slots=True)
class TraceSpan:
    """One span of a distributed trace. To be left as it was made."""

    name: str
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    span_name: str = ""
    start_time: Timestamp = EPOCH
    end_time: Timestamp = EPOCH
    span_tags: Mapping[str, Value] = field(default_factory=dict)
    httpStatusCode: int = 0  # noqa: N815 - the published name of the field
    client_span: bool = False
    rewrite_client_span_id: bool = False
    source_name: str = ""
    source_ip: bytes = b""
    destination_name: str = ""
    destination_ip: bytes = b""
    request_size: int = 0
    request_total_size: int = 0
    response_size: int = 0
    response_total_size: int = 0
    api_protocol: str = ""


def _string(name: str, number: int) -> Field:
    return Field(name, number, type=ValueType.STRING)


def _strings(**numbers: int) -> tuple[Field, ...]:
    return tuple(_string(name, number) for name, number in numbers.items())


def _integer(name: str, number: int) -> Field:
    return Field(name, number, type=ValueType.INT64)


def _bool(name: str, number: int) -> Field:
    return Field(name, number, type=ValueType.BOOL)


def _ip(name: str, number: int) -> Field:
    return Field(name, number, type=ValueType.IP_ADDRESS)


def _string_map(name: str, number: int) -> Field:
    return Field(name, number, type=ValueType.STRING, is_map=True)


def _timestamp(name: str, number: int) -> Field:
    return Field(name, number, type=ValueType.TIMESTAMP)


def _value(name: str, number: int) -> Field:
    return Field(name, number, type=ValueType.VALUE_TYPE_UNSPECIFIED)


def _values(name: str, number: int) -> Field:
    return Field(name, number, type=ValueType.VALUE_TYPE_UNSPECIFIED, is_map=True)


_SUBJECT = Message(
    "Subject", Subject, (_string("user", 1), _string("groups", 2), _values("properties", 3))
)
_ACTION = Message(
    "Action",
    Action,
    (
        _string("namespace", 1),
        _string("service", 2),
        _string("method", 3),
        _string("path", 4),
        _values("properties", 5),
    ),
)


_KUBERNETES_OUTPUT = Message(
    "OutputTemplate",
    dict,
    (
        *_strings(source_pod_uid=31, source_pod_name=2, source_namespace=4),
        _ip("source_pod_ip", 1),
        _string_map("source_labels", 3),
        *_strings(source_service_account_name=6),
        _ip("source_host_ip", 7),
        *_strings(source_workload_uid=22, source_workload_name=23),
        *_strings(source_workload_namespace=24, source_owner=25, destination_pod_uid=32),
        _ip("destination_pod_ip", 8),
        *_strings(destination_pod_name=9, destination_container_name=30),
        _string_map("destination_labels", 10),
        *_strings(destination_namespace=11, destination_service_account_name=13),
        _ip("destination_host_ip", 14),
        *_strings(destination_owner=26, destination_workload_uid=27),
        *_strings(destination_workload_name=28, destination_workload_namespace=29),
    ),
)


def _template(name: str, variety: Variety, carrier: type, *fields: Field) -> Template:
    return Template(name, variety, name, Message("Template", carrier, fields))


BUILTIN_TEMPLATES: tuple[Template, ...] = (
    _template("checknothing", Variety.CHECK, CheckNothing),
    _template("reportnothing", Variety.REPORT, ReportNothing),
    _template("listentry", Variety.CHECK, ListEntry, _value("value", 1)),
    _template("quota", Variety.QUOTA, Quota, _values("dimensions", 1)),
    _template(
        "apikey",
        Variety.CHECK,
        ApiKey,
        _string("api", 1),
        _string("api_version", 2),
        _string("api_operation", 3),
        _string("api_key", 4),
        _timestamp("timestamp", 5),
    ),
    _template(
        "authorization",
        Variety.CHECK,
        Authorization,
        Field("subject", 1, message=_SUBJECT),
        Field("action", 2, message=_ACTION),
    ),
    _template(
        "logentry",
        Variety.REPORT,
        LogEntry,
        _values("variables", 1),
        _timestamp("timestamp", 2),
        _string("severity", 3),
        _string("monitored_resource_type", 4),
        _values("monitored_resource_dimensions", 5),
    ),
    _template(
        "metric",
        Variety.REPORT,
        Metric,
        _value("value", 1),
        _values("dimensions", 2),
        _string("monitored_resource_type", 3),
        _values("monitored_resource_dimensions", 4),
    ),
    _template(
        "edge",
        Variety.REPORT,
        Edge,
        _timestamp("timestamp", 1),
        *_strings(source_workload_namespace=10, source_workload_name=11),
        *_strings(source_owner=12, source_uid=13),
        *_strings(destination_workload_namespace=20, destination_workload_name=21),
        *_strings(destination_owner=22, destination_uid=23),
        *_strings(destination_service_namespace=24, destination_service_name=25),
        *_strings(context_protocol=30, api_protocol=31),
    ),
    _template(
        "tracespan",
        Variety.REPORT,
        TraceSpan,
        *_strings(trace_id=1, span_id=2, parent_span_id=3, span_name=4),
        _timestamp("start_time", 5),
        _timestamp("end_time", 6),
        _values("span_tags", 7),
        _integer("httpStatusCode", 8),
        _bool("client_span", 9),
        _bool("rewrite_client_span_id", 10),
        _string("source_name", 11),
        _ip("source_ip", 12),
        _string("destination_name", 13),
        _ip("destination_ip", 14),
        _integer("request_size", 15),
        _integer("request_total_size", 16),
        _integer("response_size", 17),
        _integer("response_total_size", 18),
        _string("api_protocol", 19),
    ),
    Template(
        "kubernetes",
        Variety.ATTRIBUTE_GENERATOR,
        "adapter.template.kubernetes",
        Message(
            "Template",
            Kubernetes,
            (
                _string("source_uid", 1),
                _ip("source_ip", 2),
                _string("destination_uid", 3),
                _ip("destination_ip", 4),
                _integer("destination_port", 7),
            ),
        ),
        output=_KUBERNETES_OUTPUT,
    ),
)
