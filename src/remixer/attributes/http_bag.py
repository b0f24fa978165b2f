"""The attributes of one HTTP request, as Mixer's sidecar made them, read when first asked for.

Order, first present wins. Source: Mixer's client, as implemented since 1.1.

1. forwarded attributes, of which a trusted neighbour vouches (`x-istio-attributes`); but not over
   a `source.namespace` that a certificate proves;
2. `HTTP_ATTRIBUTES`: what the request itself tells;
3. static attributes, which the operator wrote down. Where the service listens
   (`destination.ip`, `destination.port`) they win over what the request tells.

`HttpBag` is what a check sees; `remixer.attributes.http_report.HttpReportBag` stands on it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from remixer.attributes.bag import PlainBag, plain_bag
from remixer.attributes.http_request import api_key, is_grpc, namespace_of, query_params
from remixer.attributes.table_bag import AttributeTable, TableBag, read_all
from remixer.attributes.values import (
    EMPTY_STRING_MAP,
    EPOCH,
    PlainStringMap,
    StringMap,
    Timestamp,
    Value,
)

FORWARDED_HEADER: Final = "x-istio-attributes"
APART: Final = frozenset({"host", FORWARDED_HEADER})
"""Headers that are not told as such: `host` is HTTP/1's word for `:authority`; the other is of the
mesh, not of the request."""
STATIC_FIRST: Final = frozenset({"destination.ip", "destination.port"})
_NO_ATTRIBUTES: Final[Mapping[str, Value]] = {}
_NOT_FORWARDED: Final[Mapping[str, str]] = {}


@dataclass(slots=True, eq=False)  # not frozen: every request makes one, and freezing doubles that
class HttpFacts:
    """What one HTTP request tells, and its connection. To be left as it was made.

    Whatever came over the wire counts as the caller decided: the client's address out of
    `x-forwarded-for`, say, only where a trusted proxy wrote it.
    """

    method: str
    path: str
    """As sent, with query; empty if there was none."""
    headers: StringMap
    """By lower-case name, without pseudo-headers; of a repeated header the last line."""
    authority: str = ""
    scheme: str = "http"
    received_at: Timestamp = EPOCH
    source_ip: bytes | None = None
    """The client's, 4 or 16 bytes."""
    source_port: int | None = None
    peer_ip: bytes | None = None
    """Of the other end of the connection: the client, or the last proxy."""
    destination_ip: bytes | None = None
    destination_port: int | None = None
    source_principal: str | None = None
    """Without `spiffe://`, as `remixer.attributes.http_request.principal` gives it."""
    destination_principal: str | None = None
    has_client_certificate: bool = False
    server_name: str | None = None
    """That TLS asked for (SNI)."""
    _query: PlainStringMap | None = field(default=None, init=False, repr=False)
    """Parsed when first asked for."""

    def query(self) -> PlainStringMap:
        query = self._query
        if query is None:
            query = query_params(self.path) if "?" in self.path else EMPTY_STRING_MAP
            self._query = query
        return query


class RequestHeaders:
    """`request.headers`: those of the request, and HTTP/2's pseudo-headers whatever it came by."""

    __slots__ = ("_facts",)

    def __init__(self, facts: HttpFacts) -> None:
        self._facts = facts

    def __getitem__(self, key: str) -> str | None:
        if key.startswith(":"):
            return self._pseudo_headers().get(key)
        return None if key in APART else self._facts.headers[key]

    def whole(self) -> Mapping[str, str]:
        plain = self._facts.headers.whole().items()
        named = {name: value for name, value in plain if name not in APART}
        return self._pseudo_headers() | named

    def _pseudo_headers(self) -> dict[str, str]:
        facts = self._facts
        pairs = {
            ":authority": facts.authority,
            ":method": facts.method,
            ":path": facts.path,
            ":scheme": facts.scheme,
        }
        return {name: value for name, value in pairs.items() if value}


HTTP_ATTRIBUTES: Final[AttributeTable[HttpFacts]] = {
    "source.ip": lambda f: f.source_ip,
    "source.port": lambda f: f.source_port,
    "source.principal": lambda f: f.source_principal,
    "source.user": lambda f: f.source_principal,
    "source.namespace": lambda f: namespace_of(f.source_principal),
    "origin.ip": lambda f: f.peer_ip,
    "destination.ip": lambda f: f.destination_ip,
    "destination.port": lambda f: f.destination_port,
    "destination.principal": lambda f: f.destination_principal,
    "connection.mtls": lambda f: f.has_client_certificate or f.source_principal is not None,
    "connection.requested_server_name": lambda f: f.server_name or None,
    "context.protocol": lambda f: "grpc" if is_grpc(f.headers["content-type"]) else "http",
    "context.time": lambda f: f.received_at,
    "request.time": lambda f: f.received_at,
    "request.id": lambda f: f.headers["x-request-id"],
    "request.method": lambda f: f.method,
    "request.path": lambda f: f.path,
    "request.url_path": lambda f: f.path.partition("?")[0] or None,
    "request.query_params": lambda f: f.query() or None,
    "request.host": lambda f: f.authority,
    "request.scheme": lambda f: f.scheme or "http",
    "request.headers": RequestHeaders,
    "request.useragent": lambda f: f.headers["user-agent"],
    "request.referer": lambda f: f.headers["referer"],
    "request.api_key": lambda f: api_key(f.query(), f.headers),
}
"""What a request tells, attribute by attribute."""


class HttpBag(TableBag):
    """The bag that a check of one HTTP request sees."""

    __slots__ = ("facts", "forwarded", "static")

    def __init__(
        self,
        facts: HttpFacts,
        *,
        static: Mapping[str, Value] = _NO_ATTRIBUTES,
        forwarded: Mapping[str, str] | None = None,
    ) -> None:
        """`static`: string maps in it are `StringMap`s; see `inbound_attributes`."""
        self.facts = facts
        self.static = static
        self.forwarded = _NOT_FORWARDED
        """Those that count."""
        if forwarded:
            proven = namespace_of(facts.source_principal) is not None
            self.forwarded = {
                name: value
                for name, value in forwarded.items()
                if not (proven and name == "source.namespace")
            }
            self.update(self.forwarded)

    def present(self) -> PlainBag:
        static = self.static
        found = read_all(HTTP_ATTRIBUTES, self.facts, PlainBag(static))
        for name in STATIC_FIRST:
            if name in static:
                found[name] = static[name]
        found.update(self.forwarded)
        return found

    def _candidates(self) -> Iterable[str]:
        return (*self.static, *HTTP_ATTRIBUTES, *self.forwarded)

    def __missing__(self, name: str) -> Value | None:
        static = self.static
        read = None if name in STATIC_FIRST and name in static else HTTP_ATTRIBUTES.get(name)
        value = None if read is None else read(self.facts)
        if value is None:
            value = static.get(name)
        self[name] = value
        return value


def inbound_attributes(attributes: Mapping[str, Value | Mapping[str, str]]) -> PlainBag:
    """Static attributes of a service for what it is asked, as `HttpBag` takes them.

    As with Mixer's sidecar, the reporter stands at the destination and is, unless said otherwise,
    the destination itself.
    """
    static = plain_bag({"context.reporter.kind": "inbound", **attributes})
    if "destination.uid" in static:
        static.setdefault("context.reporter.uid", static["destination.uid"])
    return static
