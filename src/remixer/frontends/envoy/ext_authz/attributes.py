"""What a CheckRequest says, attribute by attribute.

`CHECK_ATTRIBUTES` is the table: the name, and the function that reads it from the message. An
attribute that the message does not carry is absent. Envoy's network filter (TCP) sends no
request, so every `request.*` is absent then.
"""

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Final, Self

from google.protobuf.struct_pb2 import Struct

from remixer.attributes.bag import PlainBag, Reference
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
from remixer.attributes.values import (
    EMPTY_STRING_MAP,
    PlainStringMap,
    StringMap,
    Timestamp,
    Value,
)
from remixer.attributes.vocabulary import Vocabulary
from remixer.frontends.envoy.ext_authz.parsing import parsed
from remixer.frontends.envoy.ext_authz.spans import Spans, is_http
from remixer.frontends.envoy.ext_authz.static_part import StaticPart
from remixer.frontends.envoy.fields import int64, ip_of, port_of, timestamp
from remixer.frontends.envoy.headers import MessageStringMap, raw_header_map
from remixer.frontends.envoy.jwt import JwtClaims
from remixer.frontends.envoy.message_bag import MessageBag
from remixer.wire._pb.envoy.service.auth.v3.attribute_context_pb2 import AttributeContext
from remixer.wire._pb.remixer.reading.ext_authz_pb2 import DynamicParts, HttpParts, RequestParts
from remixer.wire.key_plan import UNPLANNED, PlannedBag, Wanted

_REQUEST_ID_CHARACTERS: Final = 64  # Envoy's own have 36
_PRINCIPAL: Final = b"\x22"
"""How the field begins: a peer without this byte has no principal."""
_GRPC: Final = b"application/grpc"
"""Where these bytes are not, no content type is gRPC's."""


class CheckBag(MessageBag, PlannedBag):
    """The bag of one CheckRequest, and the parts of it that attributes are read from.

    What the operator wrote is known before anything is parsed, and many requests are answered by it
    alone. So the request proper, most of the message, is parsed when the bag is *opened*; only then
    `request`, `http` and `headers` are there.
    """

    __slots__ = (
        "__dict__",
        "_is_open",
        "forwarded",
        "headers",
        "http",
        "message",
        "part",
        "request",
        "spans",
    )

    request: RequestParts
    http: HttpParts | None
    """None of a connection that is not HTTP."""
    headers: MutableMapping[str, str]
    """All request headers, lower case, pseudo-headers included."""

    def __init__(
        self, message: bytes, spans: Spans, part: StaticPart, vocabulary: Vocabulary
    ) -> None:
        """`spans` and `part`: the message's own."""
        self.update(part.values)
        self.table = CHECK_ATTRIBUTES
        self.static = part.texts
        self.vocabulary = vocabulary
        self.message = message
        self.spans = spans
        self.part = part
        self._is_open = False
        self.forwarded: Mapping[str, str] | None = None
        """What counts of `x-istio-attributes`; None if it was not sent."""

    def open(self) -> Self:
        """Parse the request. Raises `InvalidRequestError`."""
        if self._is_open:
            return self
        begin, end = self.spans[4:]
        self.request = request = parsed(RequestParts, self.message[begin:end])
        self.http = None
        self.headers = EMPTY_STRING_MAP
        if request.HasField("http"):
            self.http = http = request.http
            self.headers = http.headers
            if http.HasField("header_map"):
                self.headers = raw_header_map(http.header_map.headers)
        self._is_open = True
        return self

    def __missing__(self, name: str) -> Value | None:
        if name in self.static:
            return super().__missing__(name)
        read = CHECK_ATTRIBUTES.get(name)
        if read is not None:
            if not self._is_open and name not in _READ_CLOSED:
                self.open()
            value = read(self)
        elif self.part.has_metadata:
            return super().__missing__(name)
        else:
            self.part.note_absent(name)
            value = None
        self[name] = value
        return value

    def texts_of(self, references: frozenset[Reference], wanted: Wanted) -> str | None:
        """See `PlannedBag`."""
        part = self.part
        return part.texts_of(references, wanted) if self.is_usual else UNPLANNED

    @property
    def is_usual(self) -> bool:
        """Whether what its part tells holds of the bag, and is worth to be remembered."""
        return self.part.is_kept and not self.forwarded

    def present(self) -> PlainBag:
        return super(CheckBag, self.open()).present()

    def _candidates(self) -> Iterable[str]:
        return super(CheckBag, self.open())._candidates()

    @ReadOnce
    def source(self) -> AttributeContext.Peer:
        begin, end = self.spans[:2]
        return parsed(AttributeContext.Peer, self.message[begin:end])

    @ReadOnce
    def destination(self) -> AttributeContext.Peer:
        begin, end = self.spans[2:4]
        return parsed(AttributeContext.Peer, self.message[begin:end])

    @ReadOnce
    def dynamic(self) -> DynamicParts:
        return parsed(DynamicParts, self.message[self.spans[-1] :])

    @property
    def metadata(self) -> Mapping[str, Struct]:
        return self.dynamic.metadata_context.filter_metadata

    def deduplication_id(self) -> str:
        """Equal over Envoy's retries of one call, and only over these; "" if that cannot be told.

        `x-request-id` may come from the client, who must not get a second grant by repeating it;
        Envoy's own stream number keeps the calls apart. It may be long, too: its start will do.
        """
        self.open()
        if self.http is None or not (stream := self.http.id):
            return ""
        request_id = self.headers.get("x-request-id", "")
        return f"{request_id[:_REQUEST_ID_CHARACTERS]}/{stream}"

    def take_out_forwarded_header(self) -> str | None:
        """`x-istio-attributes`, which stands apart; to be called if the message may have it."""
        headers = self.open().headers
        return headers.pop(FORWARDED_HEADER) if FORWARDED_HEADER in headers else None

    def take_forwarded(self, accepted: Mapping[str, str]) -> None:
        """Lay what counts of the header over static and derived attributes, as in Mixer's client.

        But not over the namespace that a client certificate proves: that client believed the
        header. To be called before anything is read.
        """
        forwarded = dict(accepted)
        if namespace_of(self.source_principal) is not None:
            forwarded.pop("source.namespace", None)
        self.forwarded = forwarded
        if forwarded:
            self.static = {**self.static, **forwarded}
            for name in forwarded:
                self.pop(name, None)

    @ReadOnce
    def query(self) -> PlainStringMap:
        return query_params("" if self.http is None else self.http.path)

    @ReadOnce
    def jwt(self) -> JwtClaims:
        return JwtClaims(self.metadata)

    @ReadOnce
    def source_principal(self) -> str | None:
        begin, end = self.spans[:2]
        if self.message.find(_PRINCIPAL, begin, end) < 0:
            return None
        return principal(self.source.principal)


def _destination_labels(bag: CheckBag) -> StringMap | None:
    labels = bag.destination.labels
    return MessageStringMap(labels) if labels else None


def _request_time(bag: CheckBag) -> Timestamp | None:
    request = bag.request
    return timestamp(request.time) if request.HasField("time") else None


def _protocol(bag: CheckBag) -> str:
    if bag.message.find(_GRPC) < 0 and is_http(bag.message, bag.spans):
        return "http"
    if bag.open().http is None:
        return "tcp"
    return "grpc" if is_grpc(bag.headers.get("content-type")) else "http"


def _headers(bag: CheckBag) -> StringMap | None:
    return None if bag.http is None else MessageStringMap(bag.headers)


def _path(bag: CheckBag) -> str | None:
    return None if bag.http is None else bag.http.path


def _url_path(bag: CheckBag) -> str | None:
    if bag.http is None:
        return None
    return bag.http.path.partition("?")[0] or None


def _request_size(bag: CheckBag) -> int | None:
    """Known only with a body buffered for the check; Envoy says 0 or -1 otherwise."""
    if bag.http is None or bag.http.size <= 0:
        return None
    return int64(bag.http.size)


CHECK_ATTRIBUTES: Final[AttributeTable[CheckBag]] = {
    "source.ip": lambda b: ip_of(b.source.address),
    "source.port": lambda b: port_of(b.source.address),
    # From a request header that any client may set: good for logs, not for decisions.
    "source.name": lambda b: b.source.service or None,
    "source.principal": lambda b: b.source_principal,
    "source.user": lambda b: b.source_principal,
    "source.namespace": lambda b: namespace_of(b.source_principal),
    "destination.ip": lambda b: ip_of(b.destination.address),
    "destination.port": lambda b: port_of(b.destination.address),
    "destination.principal": lambda b: principal(b.destination.principal),
    "destination.labels": _destination_labels,
    "connection.mtls": lambda b: b.source_principal is not None,
    "connection.requested_server_name": lambda b: b.dynamic.tls_session.sni or None,
    "context.protocol": _protocol,
    "context.time": _request_time,
    "request.time": lambda b: None if b.http is None else _request_time(b),
    "request.id": lambda b: b.headers.get("x-request-id"),
    "request.method": lambda b: None if b.http is None else b.http.method,
    "request.path": _path,
    "request.url_path": _url_path,
    "request.query_params": lambda b: b.query or None,
    "request.host": lambda b: None if b.http is None else b.http.host,
    "request.scheme": lambda b: None if b.http is None else b.http.scheme or "http",
    "request.headers": _headers,
    "request.useragent": lambda b: b.headers.get("user-agent"),
    "request.referer": lambda b: b.headers.get("referer"),
    "request.size": _request_size,
    "request.api_key": lambda b: api_key(b.query, MessageStringMap(b.headers)),
    "request.auth.principal": lambda b: b.jwt.principal(),
    "request.auth.audiences": lambda b: b.jwt.audiences(),
    "request.auth.presenter": lambda b: b.jwt.presenter(),
    "request.auth.claims": lambda b: b.jwt.claims(),
    "request.auth.raw_claims": lambda b: b.jwt.raw_claims(),
}
"""Section by section: peers, connection, request, verified token."""

_READ_CLOSED: Final = frozenset(
    {
        "source.ip",
        "source.port",
        "source.name",
        "source.principal",
        "source.user",
        "source.namespace",
        "destination.ip",
        "destination.port",
        "destination.principal",
        "destination.labels",
        "connection.mtls",
        "connection.requested_server_name",
        "context.protocol",
        "request.auth.principal",
        "request.auth.audiences",
        "request.auth.presenter",
        "request.auth.claims",
        "request.auth.raw_claims",
    }
)
"""What a bag tells without being opened."""
