"""What an ASGI scope tells of a request, and scopes that header operations changed."""

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias, TypeVar, cast
from urllib.parse import quote, unquote

from remixer.attributes.byte_headers import ByteHeaders
from remixer.attributes.certificate_names import uri_names
from remixer.attributes.forwarded_headers import Address
from remixer.attributes.http_bag import FORWARDED_HEADER, HttpFacts
from remixer.attributes.records import text_of
from remixer.attributes.values import Timestamp
from remixer.foundation.http_fields import is_field_name
from remixer.mixer.http_answer import Line
from remixer.mixer.outcome import HeaderOperation
from remixer.sidecar.header_changes import changed_request, is_of_target
from remixer.sidecar.hop_trust import Connection, HopReader, first_principal

Scope: TypeAlias = MutableMapping[str, Any]
"""Of ASGI 3, whose values are as many as its extensions."""
_End: TypeAlias = Sequence[Any]
"""Host and port, or path and None."""

_NOWHERE: Final = (None, None)
_FORWARDED: Final = FORWARDED_HEADER.encode()
_SCHEMES: Final = {"ws": "http", "wss": "https"}  # what a sidecar sees of a WebSocket
_AUTHORITY_NAMES: Final = frozenset({":authority", "host"})

S = TypeVar("S", bound=Scope)


def path_of(scope: Scope) -> str:
    """As sent, with query."""
    raw: bytes | None = scope.get("raw_path")
    path = text_of(raw.partition(b"?")[0]) if raw else quote(scope["path"])
    query: bytes = scope.get("query_string", b"")
    return f"{path}?{text_of(query)}" if query else path


class ScopeReader:
    """Reads the facts of requests; hops of `hops` are believed."""

    __slots__ = ("_hops",)

    def __init__(self, hops: HopReader) -> None:
        self._hops = hops

    def facts(
        self, scope: Scope, headers: ByteHeaders, received_at: Timestamp
    ) -> tuple[HttpFacts, Mapping[str, str] | None]:
        """And the attributes that count of `x-istio-attributes`; None without such a header."""
        client: _End = scope.get("client") or _NOWHERE
        server: _End = scope.get("server") or _NOWHERE
        scheme: str = scope.get("scheme", "http")
        source_ip = self._hops.ip(client[0])
        facts = HttpFacts(
            method=scope.get("method", "GET"),  # a WebSocket's scope has none
            path=path_of(scope),
            headers=headers,
            authority=headers["host"] or "",
            scheme=_SCHEMES.get(scheme, scheme),
            received_at=received_at,
            source_ip=source_ip,
            source_port=client[1],
            peer_ip=source_ip,
            destination_ip=self._hops.ip(server[0]),
            destination_port=server[1],
        )
        tls, header = _tls(scope), headers.by_name().get(_FORWARDED)
        if not tls and header is None and not self._hops.is_used:
            return facts, None
        return self._with_hops(facts, scope, tls, header)

    def _with_hops(
        self, facts: HttpFacts, scope: Scope, tls: Mapping[str, Any], header: bytes | None
    ) -> tuple[HttpFacts, Mapping[str, str] | None]:
        """And who is at the other end of TLS."""
        sans = _verified_uris(tls)
        connection = Connection(
            None if facts.source_ip is None else Address(facts.source_ip, facts.source_port),
            is_unix=_is_unix(scope),
            uri_sans=sans,
        )
        facts = replace(
            facts,
            source_principal=first_principal(sans),
            destination_principal=first_principal(uri_names(tls.get("server_cert") or "")),
            has_client_certificate=bool(tls.get("client_cert_chain")),
        )
        told = self._hops.told(connection, lambda name: _lines_of(scope, name))
        if header is None:
            return told.applied_to(facts), None
        return told.applied_to(facts), self._hops.attributes(connection, text_of(header))


def _is_unix(scope: Scope) -> bool:
    client: _End = scope.get("client") or _NOWHERE
    server: _End = scope.get("server") or _NOWHERE
    return not client[0] and server[0] is not None and server[1] is None


def _tls(scope: Scope) -> Mapping[str, Any]:
    """ASGI's `tls` extension; empty without one."""
    extensions: Mapping[str, Any] = scope.get("extensions") or {}
    tls: Mapping[str, Any] | None = extensions.get("tls")
    return tls or {}


def _verified_uris(tls: Mapping[str, Any]) -> tuple[str, ...]:
    """A certificate that the server could not verify names nobody."""
    chain = tls.get("client_cert_chain")
    if not chain or tls.get("client_cert_error"):
        return ()
    return uri_names(next(iter(chain)))


def _lines_of(scope: Scope, name: str) -> str:
    wanted = name.encode()
    return text_of(b",".join(value for each, value in scope["headers"] if each == wanted))


def without_forwarded(scope: S) -> S:
    """The scope as the application may see it: the header is of the mesh."""
    kept = [line for line in scope["headers"] if line[0] != _FORWARDED]
    return cast("S", {**scope, "headers": kept})


def changed_scope(scope: S, operations: Iterable[HeaderOperation]) -> S:
    """A scope after request operations. Pseudo-headers change method, path and host."""
    of_target = [each for each in operations if is_of_target(each)]
    others = [each for each in operations if not is_of_target(each)]
    lines: list[Line] = [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
    ]
    changed: dict[str, Any] = {}
    for name, value in _targets(of_target):
        if name in _AUTHORITY_NAMES:
            lines = [("host", value), *(line for line in lines if line[0] != "host")]
        else:
            changed |= _target_fields(name, value)
    lines = changed_request(lines, others)
    changed["headers"] = [
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in lines
    ]
    return cast("S", {**scope, **changed})


def _targets(operations: Iterable[HeaderOperation]) -> list[Line]:
    """What the operations leave, one line per name; a pseudo-header cannot be removed."""
    return list(dict(changed_request([], operations)).items())


def _target_fields(name: str, value: str) -> dict[str, Any]:
    """Of the scope. What makes no request line is left out."""
    if name == ":method" and is_field_name(value):
        return {"method": value}
    if name == ":path" and value.startswith("/"):
        path, _, query = value.partition("?")
        raw = path.encode("latin-1")
        return {
            "path": unquote(raw.decode("utf-8", "replace")),
            "raw_path": raw,
            "query_string": query.encode("latin-1"),
        }
    return {}
