"""What a CheckRequest says, attribute by attribute.

`CHECK_ATTRIBUTES` is the table: the name, and the function that reads it from the message. An
attribute that the message does not carry is absent. Envoy's network filter (TCP) sends no
request, so every `request.*` is absent then.
"""

from collections.abc import Mapping, MutableMapping
from typing import Final

from google.protobuf.struct_pb2 import Struct

from remixer.attributes.http_bag import FORWARDED_HEADER
from remixer.attributes.http_request import (
    api_key,
    is_grpc,
    namespace_of,
    principal,
    query_params,
)
from remixer.attributes.read_once import ReadOnce
from remixer.attributes.table_bag import AttributeTable
from remixer.attributes.values import EMPTY_STRING_MAP, PlainStringMap, StringMap, Timestamp
from remixer.frontends.envoy.fields import int64, ip_of, port_of, timestamp
from remixer.frontends.envoy.headers import MessageStringMap, raw_header_map
from remixer.frontends.envoy.jwt import JwtClaims
from remixer.wire._pb.envoy.service.auth.v3.attribute_context_pb2 import AttributeContext


class CheckMessage:
    """The parts of one CheckRequest that attributes are read from."""

    def __init__(self, context: AttributeContext) -> None:
        request = context.request
        http = request.http if request.HasField("http") else None
        self.context = context
        self.http = http
        self.headers: Mapping[str, str] = EMPTY_STRING_MAP
        """All request headers, lower case, pseudo-headers included, without the one apart."""
        self.forwarded: str | None = None
        """`x-istio-attributes`, which stands apart; None if it was not sent."""
        if http is None:
            return
        if http.HasField("header_map"):
            headers: MutableMapping[str, str] = raw_header_map(http.header_map.headers)
        else:
            headers = http.headers
        if FORWARDED_HEADER in headers:
            self.forwarded = headers.pop(FORWARDED_HEADER)
        self.headers = headers

    @property
    def metadata(self) -> Mapping[str, Struct]:
        return self.context.metadata_context.filter_metadata

    @ReadOnce
    def query(self) -> PlainStringMap:
        return query_params("" if self.http is None else self.http.path)

    @ReadOnce
    def jwt(self) -> JwtClaims:
        return JwtClaims(self.metadata)

    @ReadOnce
    def source_principal(self) -> str | None:
        return principal(self.context.source.principal)


def _destination_labels(message: CheckMessage) -> StringMap | None:
    labels = message.context.destination.labels
    return MessageStringMap(labels) if labels else None


def _request_time(message: CheckMessage) -> Timestamp | None:
    request = message.context.request
    return timestamp(request.time) if request.HasField("time") else None


def _protocol(message: CheckMessage) -> str:
    if message.http is None:
        return "tcp"
    return "grpc" if is_grpc(message.headers.get("content-type")) else "http"


def _headers(message: CheckMessage) -> StringMap | None:
    return None if message.http is None else MessageStringMap(message.headers)


def _path(message: CheckMessage) -> str | None:
    return None if message.http is None else message.http.path


def _url_path(message: CheckMessage) -> str | None:
    if message.http is None:
        return None
    return message.http.path.partition("?")[0] or None


def _request_size(message: CheckMessage) -> int | None:
    """Known only with a body buffered for the check; Envoy says 0 or -1 otherwise."""
    if message.http is None or message.http.size <= 0:
        return None
    return int64(message.http.size)


CHECK_ATTRIBUTES: Final[AttributeTable[CheckMessage]] = {
    "source.ip": lambda m: ip_of(m.context.source.address),
    "source.port": lambda m: port_of(m.context.source.address),
    # From a request header that any client may set: good for logs, not for decisions.
    "source.name": lambda m: m.context.source.service or None,
    "source.principal": lambda m: m.source_principal,
    "source.user": lambda m: m.source_principal,
    "source.namespace": lambda m: namespace_of(m.source_principal),
    "destination.ip": lambda m: ip_of(m.context.destination.address),
    "destination.port": lambda m: port_of(m.context.destination.address),
    "destination.principal": lambda m: principal(m.context.destination.principal),
    "destination.labels": _destination_labels,
    "connection.mtls": lambda m: m.source_principal is not None,
    "connection.requested_server_name": lambda m: m.context.tls_session.sni or None,
    "context.protocol": _protocol,
    "context.time": _request_time,
    "request.time": lambda m: None if m.http is None else _request_time(m),
    "request.id": lambda m: m.headers.get("x-request-id"),
    "request.method": lambda m: None if m.http is None else m.http.method,
    "request.path": _path,
    "request.url_path": _url_path,
    "request.query_params": lambda m: m.query or None,
    "request.host": lambda m: None if m.http is None else m.http.host,
    "request.scheme": lambda m: None if m.http is None else m.http.scheme or "http",
    "request.headers": _headers,
    "request.useragent": lambda m: m.headers.get("user-agent"),
    "request.referer": lambda m: m.headers.get("referer"),
    "request.size": _request_size,
    "request.api_key": lambda m: api_key(m.query, MessageStringMap(m.headers)),
    "request.auth.principal": lambda m: m.jwt.principal(),
    "request.auth.audiences": lambda m: m.jwt.audiences(),
    "request.auth.presenter": lambda m: m.jwt.presenter(),
    "request.auth.claims": lambda m: m.jwt.claims(),
    "request.auth.raw_claims": lambda m: m.jwt.raw_claims(),
}
"""Section by section: peers, connection, request, verified token."""
