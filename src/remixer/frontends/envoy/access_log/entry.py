"""The parts of one access log entry that attributes are read from."""

from collections.abc import Mapping
from typing import Final

from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct

from remixer.attributes.http_request import namespace_of, principal, query_params
from remixer.attributes.read_once import ReadOnce
from remixer.attributes.table_bag import AttributeTable
from remixer.attributes.values import Duration, PlainStringMap, StringMap, Timestamp
from remixer.attributes.vocabulary import Vocabulary
from remixer.frontends.envoy.access_log.clusters import ServiceName, service_of
from remixer.frontends.envoy.access_log.traffic import Traffic
from remixer.frontends.envoy.decision_metadata import CheckRecord, forwarded_in
from remixer.frontends.envoy.fields import duration, int64
from remixer.frontends.envoy.jwt import JwtClaims
from remixer.frontends.envoy.message_bag import MessageBag
from remixer.frontends.envoy.structs import string_map, struct_field, text_field
from remixer.wire._pb.envoy.config.core.v3.address_pb2 import Address
from remixer.wire._pb.envoy.config.core.v3.base_pb2 import Metadata, Node
from remixer.wire._pb.envoy.data.accesslog.v3.accesslog_pb2 import TLSProperties
from remixer.wire._pb.remixer.reading.access_log_pb2 import EntryParts, HttpEntryParts

REPORTER_KIND: Final = "context.reporter.kind"
_OUTBOUND: Final = "outbound"
_NS_PER_S: Final = 1_000_000_000
_NO_METADATA: Final[Mapping[str, Struct]] = {}


class Reporter:
    """The Envoy that a stream of entries comes from; told once per stream.

    The names of node metadata are those of Istio's proxies.
    """

    def __init__(self, node: Node) -> None:
        self.uid = node.id or None
        self.workload_name = text_field(node.metadata, "WORKLOAD_NAME") or node.cluster or None
        self.namespace = text_field(node.metadata, "NAMESPACE")

        labels = struct_field(node.metadata, "LABELS")
        self.labels: StringMap | None = string_map(labels or Struct())


class LogBag(MessageBag):
    """What the bags of HTTP and TCP entries have in common."""

    __slots__ = ("__dict__", "common", "reporter")

    common: EntryParts
    reporter: Reporter

    @ReadOnce
    def metadata(self) -> Mapping[str, Struct]:
        """None is there if it cannot be read, as with any other value."""
        try:
            return Metadata.FromString(b"".join(self.common.metadata)).filter_metadata
        except DecodeError:
            return _NO_METADATA

    @ReadOnce
    def is_outbound(self) -> bool:
        """Whether the reporter stands at the source. Said by a custom tag; else it does not."""
        tags = self.common.custom_tags
        return REPORTER_KIND in tags and tags[REPORTER_KIND] == _OUTBOUND

    @property
    def destination(self) -> Address:
        """Inbound, where Envoy listens; outbound, what it called."""
        if self.is_outbound:
            return self.common.upstream_remote_address
        return self.common.downstream_local_address

    @ReadOnce
    def source_principal(self) -> str | None:
        if not self.common.HasField("tls_properties"):
            return None
        return _principal(self.common.tls_properties.peer_certificate_properties)

    @ReadOnce
    def destination_principal(self) -> str | None:
        if not self.common.HasField("tls_properties"):
            return None
        return _principal(self.common.tls_properties.local_certificate_properties)

    @ReadOnce
    def source_namespace(self) -> str | None:
        own = self.reporter.namespace if self.is_outbound else None
        return own or namespace_of(self.source_principal)

    @ReadOnce
    def destination_namespace(self) -> str | None:
        own = None if self.is_outbound else self.reporter.namespace
        return own or namespace_of(self.destination_principal)

    @ReadOnce
    def service(self) -> ServiceName:
        return service_of(self.common.upstream_cluster)

    @ReadOnce
    def jwt(self) -> JwtClaims:
        return JwtClaims(self.metadata)

    @ReadOnce
    def check(self) -> CheckRecord:
        return CheckRecord(self.metadata)

    @property
    def duration(self) -> Duration | None:
        """Of the whole stream; older Envoys say only when the last byte went out."""
        common = self.common
        if common.HasField("duration"):
            return duration(common.duration)
        if common.HasField("time_to_last_downstream_tx_byte"):
            return duration(common.time_to_last_downstream_tx_byte)
        return None

    def time_after_ns(self, since_start_ns: int) -> Timestamp | None:
        """So many nanoseconds after the start; None if the start is unknown."""
        common = self.common
        if not common.HasField("start_time"):
            return None
        start = common.start_time
        instant = start.seconds * _NS_PER_S + start.nanos + since_start_ns
        return None if int64(instant) is None else Timestamp(instant)


class HttpLogBag(LogBag):
    """The bag of one finished HTTP request."""

    __slots__ = ("request", "response")

    def __init__(
        self,
        entry: HttpEntryParts,
        common: EntryParts,
        reporter: Reporter,
        *,
        table: AttributeTable["HttpLogBag"],
        vocabulary: Vocabulary,
        has_forwarded: bool,
    ) -> None:
        """`has_forwarded`: whether metadata may have attributes that the check took over."""
        self.table = table
        self.common = common
        # Custom tags, and above them what the check took from the request's `x-istio-attributes`.
        tags = common.custom_tags
        self.static = tags
        if has_forwarded and (forwarded := forwarded_in(self.metadata)):
            self.static = {**tags, **forwarded}
        self.vocabulary = vocabulary
        self.reporter = reporter
        self.request = entry.request
        self.response = entry.response

    @property
    def path(self) -> str:
        """As the client sent it, if the router changed it."""
        return self.request.original_path or self.request.path

    @ReadOnce
    def query(self) -> PlainStringMap:
        return query_params(self.path)


class TcpLogBag(LogBag):
    """The bag of one state of a TCP connection: totals so far, what is new since its last entry."""

    __slots__ = ("event", "traffic")

    def __init__(
        self,
        common: EntryParts,
        reporter: Reporter,
        *,
        traffic: Traffic,
        event: str,
        table: AttributeTable["TcpLogBag"],
        vocabulary: Vocabulary,
    ) -> None:
        self.table = table
        self.static = common.custom_tags
        self.vocabulary = vocabulary
        self.common = common
        self.reporter = reporter
        self.traffic = traffic
        self.event = event


def _principal(certificate: TLSProperties.CertificateProperties) -> str | None:
    """The first URI name, else the first DNS name, else the subject."""
    names = certificate.subject_alt_name
    uri = next((name.uri for name in names if name.uri), "")
    dns = next((name.dns for name in names if name.dns), "")
    return principal(uri or dns or certificate.subject)
