"""What an access log entry says, attribute by attribute.

`HTTP_ATTRIBUTES` and `TCP_ATTRIBUTES` are the tables; what both kinds of entry say stands in
`_COMMON`. An entry lists only the headers that Envoy's configuration names; those that have a
field of their own in the entry are in `request.headers` all the same.
"""

from collections.abc import Callable, Mapping
from typing import Final

from remixer.attributes.http_bag import FORWARDED_HEADER
from remixer.attributes.http_request import api_key, is_grpc
from remixer.attributes.table_bag import AttributeTable
from remixer.attributes.values import PlainStringMap, StringMap, Timestamp, Value
from remixer.frontends.envoy.access_log.entry import HttpLogBag, LogBag, TcpLogBag
from remixer.frontends.envoy.access_log.response_flags import proxy_error_code
from remixer.frontends.envoy.fields import duration, int64, ip_of, port_of
from remixer.frontends.envoy.headers import MessageStringMap
from remixer.wire._pb.envoy.config.core.v3.base_pb2 import RequestMethod
from remixer.wire._pb.envoy.data.accesslog.v3.accesslog_pb2 import HTTPRequestProperties

_GRPC_STATUS: Final = "grpc-status"
_GRPC_MESSAGE: Final = "grpc-message"


def _start(entry: LogBag) -> Timestamp | None:
    return entry.time_after_ns(0)


def _end(entry: LogBag) -> Timestamp | None:
    return entry.time_after_ns(entry.duration or 0)


_COMMON: Final[dict[str, Callable[[LogBag], Value | None]]] = {
    "source.ip": lambda e: ip_of(e.common.downstream_remote_address),
    "source.port": lambda e: port_of(e.common.downstream_remote_address),
    "source.principal": lambda e: e.source_principal,
    "source.user": lambda e: e.source_principal,
    "source.namespace": lambda e: e.source_namespace,
    "source.workload.name": lambda e: e.reporter.workload_name if e.is_outbound else None,
    "source.workload.namespace": lambda e: e.reporter.namespace if e.is_outbound else None,
    "source.labels": lambda e: e.reporter.labels if e.is_outbound else None,
    "origin.ip": lambda e: ip_of(e.common.downstream_direct_remote_address),
    "destination.ip": lambda e: ip_of(e.destination),
    "destination.port": lambda e: port_of(e.destination),
    "destination.principal": lambda e: e.destination_principal,
    "destination.namespace": lambda e: e.destination_namespace,
    "destination.workload.name": lambda e: None if e.is_outbound else e.reporter.workload_name,
    "destination.workload.namespace": lambda e: None if e.is_outbound else e.reporter.namespace,
    "destination.labels": lambda e: None if e.is_outbound else e.reporter.labels,
    "destination.service.name": lambda e: e.service.name,
    "destination.service.namespace": lambda e: e.service.namespace,
    "destination.service.host": lambda e: e.service.host,
    "connection.mtls": lambda e: e.source_principal is not None,
    "connection.requested_server_name": lambda e: e.common.tls_properties.tls_sni_hostname or None,
    "context.reporter.uid": lambda e: e.reporter.uid,
    "context.time": _end,
    "context.proxy_error_code": lambda e: proxy_error_code(e.common.response_flags),
    "check.error_code": lambda e: e.check.error_code(),
    "check.error_message": lambda e: e.check.error_message(),
    "check.cache_hit": lambda e: e.check.is_cache_hit(),
    "quota.cache_hit": lambda e: e.check.is_quota_cache_hit(),
}


class LoggedRequestHeaders:
    """The headers that an entry lists, and those it has as fields, as one map.

    Without `x-istio-attributes`, which is of the mesh and not of the request: what counts of it
    stands in the check's metadata.
    """

    __slots__ = ("_request",)

    def __init__(self, request: HTTPRequestProperties) -> None:
        self._request = request

    def __getitem__(self, key: str) -> str | None:
        logged = self._request.request_headers
        if key in logged:
            return None if key == FORWARDED_HEADER else logged[key]
        read = _HEADERS_WITH_FIELDS.get(key)
        return None if read is None else read(self._request) or None

    def whole(self) -> Mapping[str, str]:
        fields = {name: read(self._request) for name, read in _HEADERS_WITH_FIELDS.items()}
        present = {name: value for name, value in fields.items() if value}
        present.update(self._request.request_headers)
        present.pop(FORWARDED_HEADER, None)
        return present


_HEADERS_WITH_FIELDS: Final[dict[str, Callable[[HTTPRequestProperties], str]]] = {
    ":authority": lambda q: q.authority,
    ":method": lambda q: _method(q) or "",
    ":path": lambda q: q.path,
    ":scheme": lambda q: q.scheme,
    "referer": lambda q: q.referer,
    "user-agent": lambda q: q.user_agent,
    "x-forwarded-for": lambda q: q.forwarded_for,
    "x-request-id": lambda q: q.request_id,
}


_METHOD_NAMES: Final = {
    number: name
    for name, number in RequestMethod.items()
    if number != RequestMethod.METHOD_UNSPECIFIED
}


def _method(request: HTTPRequestProperties) -> str | None:
    """None for a method outside Envoy's list."""
    return _METHOD_NAMES.get(request.request_method)


def _total(header_bytes: int, body_bytes: int, wire_bytes: int) -> int | None:
    return int64(header_bytes + body_bytes or wire_bytes)


def _request_total(entry: HttpLogBag) -> int | None:
    request, wire_bytes = entry.request, entry.common.downstream_wire_bytes_received
    return _total(request.request_headers_bytes, request.request_body_bytes, wire_bytes)


def _response_total(entry: HttpLogBag) -> int | None:
    response, wire_bytes = entry.response, entry.common.downstream_wire_bytes_sent
    return _total(response.response_headers_bytes, response.response_body_bytes, wire_bytes)


def _response_time(entry: HttpLogBag) -> Timestamp | None:
    common = entry.common
    if not common.HasField("time_to_first_downstream_tx_byte"):
        return None
    after_ns = duration(common.time_to_first_downstream_tx_byte)
    return None if after_ns is None else entry.time_after_ns(after_ns)


def _response_code(entry: HttpLogBag) -> int | None:
    """None if the client went away before there was one."""
    response = entry.response
    return response.response_code.value if response.HasField("response_code") else None


def _response_headers(entry: HttpLogBag) -> StringMap | None:
    """Headers and trailers in one."""
    headers, trailers = entry.response.response_headers, entry.response.response_trailers
    if headers and trailers:
        return PlainStringMap(dict(headers) | dict(trailers))
    present = headers or trailers
    return MessageStringMap(present) if present else None


def _response_field(entry: HttpLogBag, name: str) -> str | None:
    """Trailers first, then headers."""
    trailers = entry.response.response_trailers
    if name in trailers:
        return trailers[name]
    headers = entry.response.response_headers
    return headers[name] if name in headers else None  # noqa: SIM401 - maps' `get` takes longer


def _grpc_message(entry: HttpLogBag) -> str | None:
    """Set, if only to empty text, whenever there is a status."""
    if _response_field(entry, _GRPC_STATUS) is None:
        return None
    return _response_field(entry, _GRPC_MESSAGE) or ""


def _http_protocol(entry: HttpLogBag) -> str:
    """Content types are logged only on demand; a gRPC status gives a call away as well."""
    headers = entry.request.request_headers
    if "content-type" in headers and is_grpc(headers["content-type"]):
        return "grpc"
    return "http" if _response_field(entry, _GRPC_STATUS) is None else "grpc"


HTTP_ATTRIBUTES: Final[AttributeTable[HttpLogBag]] = {
    **_COMMON,
    "context.protocol": _http_protocol,
    "api.operation": lambda e: e.common.route_name or None,
    "request.time": _start,
    "request.id": lambda e: e.request.request_id or None,
    "request.method": lambda e: _method(e.request),
    "request.path": lambda e: e.path,
    "request.url_path": lambda e: e.path.partition("?")[0] or None,
    "request.query_params": lambda e: e.query or None,
    "request.api_key": lambda e: api_key(e.query, LoggedRequestHeaders(e.request)),
    "request.host": lambda e: e.request.authority,
    "request.scheme": lambda e: e.request.scheme or "http",
    "request.headers": lambda e: LoggedRequestHeaders(e.request),
    "request.useragent": lambda e: e.request.user_agent or None,
    "request.referer": lambda e: e.request.referer or None,
    "request.size": lambda e: int64(e.request.request_body_bytes),
    "request.total_size": _request_total,
    "request.auth.principal": lambda e: e.jwt.principal(),
    "request.auth.audiences": lambda e: e.jwt.audiences(),
    "request.auth.presenter": lambda e: e.jwt.presenter(),
    "request.auth.claims": lambda e: e.jwt.claims(),
    "request.auth.raw_claims": lambda e: e.jwt.raw_claims(),
    "response.time": _response_time,
    "response.duration": lambda e: e.duration,
    "response.code": _response_code,
    "response.size": lambda e: int64(e.response.response_body_bytes),
    "response.total_size": _response_total,
    "response.headers": _response_headers,
    "response.grpc_status": lambda e: _response_field(e, _GRPC_STATUS),
    "response.grpc_message": _grpc_message,
}
"""One finished HTTP request."""

TCP_ATTRIBUTES: Final[AttributeTable[TcpLogBag]] = {
    **_COMMON,
    "context.protocol": lambda _: "tcp",
    "connection.id": lambda e: e.common.stream_id or None,
    "connection.event": lambda e: e.event,
    "connection.duration": lambda e: e.duration,
    "connection.received.bytes": lambda e: int64(e.traffic.received),
    "connection.received.bytes_total": lambda e: int64(e.traffic.received_total),
    "connection.sent.bytes": lambda e: int64(e.traffic.sent),
    "connection.sent.bytes_total": lambda e: int64(e.traffic.sent_total),
}
"""One state of a TCP connection."""
