"""What a WSGI environ tells of a request, and environs that header operations changed."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import quote, unquote_to_bytes

from remixer.attributes.certificate_names import uri_names
from remixer.attributes.forwarded_headers import Address
from remixer.attributes.http_bag import FORWARDED_HEADER, HttpFacts
from remixer.attributes.values import Timestamp
from remixer.foundation.http_fields import is_field_name
from remixer.mixer.http_answer import Line
from remixer.mixer.outcome import HeaderOperation
from remixer.sidecar.header_changes import changed_request, is_of_target, native_text
from remixer.sidecar.hop_trust import Connection, HopReader, first_principal

Environ: TypeAlias = dict[str, Any]
"""Of PEP 3333, whose values are as many as its servers."""

_PREFIX: Final = "HTTP_"
_FORWARDED: Final = _PREFIX + FORWARDED_HEADER.upper().replace("-", "_")
_BARE: Final = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
_RAW_TARGETS: Final = ("RAW_URI", "REQUEST_URI")  # gunicorn; uWSGI, mod_wsgi and Werkzeug
_APACHE_CERTIFICATE: Final = "SSL_CLIENT_CERT"
_UWSGI_CERTIFICATE: Final = "HTTPS_CC"


def key_of(name: str) -> str:
    """`HTTP_X_REQUEST_ID` for `x-request-id`."""
    return _BARE.get(name) or _PREFIX + name.upper().replace("-", "_")


class EnvironHeaders:
    """`Headers` of an environ. A server has joined repeated ones. Decodes what is asked for."""

    __slots__ = ("_environ",)

    def __init__(self, environ: Environ) -> None:
        """`environ` is copied, for applications change theirs."""
        self._environ = environ.copy()

    def __getitem__(self, key: str) -> str | None:
        # An underscore is no hyphen, though both become one in an environ.
        value = None if "_" in key else self._environ.get(key_of(key))
        return native_text(value) if value else None

    def whole(self) -> Mapping[str, str]:
        return {name: native_text(value) for name, value in lines_of(self._environ)}

    def size(self) -> int:
        return sum(len(name) + len(value) for name, value in lines_of(self._environ))


def lines_of(environ: Environ) -> list[Line]:
    """Headers by lower-case name, a character for each byte."""
    found = [
        (key[len(_PREFIX) :].lower().replace("_", "-"), value)
        for key, value in environ.items()
        if key.startswith(_PREFIX)
    ]
    bare = ((name, environ.get(key)) for name, key in _BARE.items())
    return [*found, *((name, value) for name, value in bare if value)]


def content_length(environ: Environ) -> int:
    """Bytes of the request's body as far as the request says; else 0."""
    text = environ.get("CONTENT_LENGTH") or ""
    return int(text) if text.isascii() and text.isdigit() else 0


class EnvironReader:
    """Reads the facts of requests; hops of `hops` are believed."""

    __slots__ = ("_has_server_certificates", "_hops")

    def __init__(self, hops: HopReader, *, has_server_certificates: bool) -> None:
        self._hops = hops
        self._has_server_certificates = has_server_certificates

    def facts(
        self, environ: Environ, headers: EnvironHeaders, received_at: Timestamp
    ) -> tuple[HttpFacts, Mapping[str, str] | None]:
        """And the attributes that count of `x-istio-attributes`; None without such a header."""
        source_ip = self._hops.ip(environ.get("REMOTE_ADDR"))
        certificate = self._client_uris(environ)
        facts = HttpFacts(
            method=environ["REQUEST_METHOD"],
            path=_path(environ),
            headers=headers,
            authority=headers["host"] or "",
            scheme=environ.get("wsgi.url_scheme", "http"),
            received_at=received_at,
            source_ip=source_ip,
            source_port=_port(environ.get("REMOTE_PORT")),
            peer_ip=source_ip,
            destination_ip=self._hops.ip(environ.get("SERVER_NAME")),
            destination_port=_port(environ.get("SERVER_PORT")),
            source_principal=first_principal(certificate or ()),
            has_client_certificate=certificate is not None,
        )
        header: str | None = environ.get(_FORWARDED)
        if header is None and not self._hops.is_used:
            return facts, None
        connection = Connection(
            None if source_ip is None else Address(source_ip, facts.source_port),
            is_unix=environ.get("REMOTE_ADDR") == "",  # what gunicorn says there
            uri_sans=certificate or (),
        )
        told = self._hops.told(connection, lambda name: native_text(environ.get(key_of(name), "")))
        if header is None:
            return told.applied_to(facts), None
        return told.applied_to(facts), self._hops.attributes(connection, header)

    def _client_uris(self, environ: Environ) -> tuple[str, ...] | None:
        """URI names of the client's certificate; None if there was no verified one."""
        socket = environ.get("gunicorn.socket")
        if socket is not None and hasattr(socket, "getpeercert"):
            # Empty unless the server was told to verify.
            return _uris_of(socket.getpeercert() or {})
        if not self._has_server_certificates:
            return None
        pem: str | None = environ.get(_UWSGI_CERTIFICATE)  # there only if it was verified
        if environ.get("SSL_CLIENT_VERIFY") == "SUCCESS":
            pem = environ.get(_APACHE_CERTIFICATE)
        return uri_names(pem) if pem else None


def _uris_of(certificate: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Of what `ssl.SSLSocket.getpeercert` gives."""
    if not certificate:
        return None
    names: Iterable[tuple[str, str]] = certificate.get("subjectAltName", ())
    return tuple(value for kind, value in names if kind == "URI")


def _path(environ: Environ) -> str:
    """As sent, with query, if the server tells; else as it decoded it."""
    for key in _RAW_TARGETS:
        raw = environ.get(key)
        if raw and raw.startswith("/"):
            return native_text(raw.partition("#")[0])
    decoded = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    path = quote(decoded.encode("latin-1"))
    query = environ.get("QUERY_STRING")
    return f"{path}?{native_text(query)}" if query else path


def _port(text: str | int | None) -> int | None:
    return int(text) if text and str(text).isascii() and str(text).isdigit() else None


def without_forwarded(environ: Environ) -> Environ:
    """The environ as the application may see it: the header is of the mesh."""
    return {key: value for key, value in environ.items() if key != _FORWARDED}


def changed_environ(environ: Environ, operations: Iterable[HeaderOperation]) -> Environ:
    """An environ after request operations. Pseudo-headers change method, path and host."""
    listed = tuple(operations)
    changed = {
        key: value
        for key, value in environ.items()
        if not key.startswith(_PREFIX) and key not in _BARE.values()
    }
    plain = [each for each in listed if not is_of_target(each)]
    for name, value in changed_request(lines_of(environ), plain):
        key = key_of(name)
        separator = "; " if name == "cookie" else ","
        changed[key] = f"{changed[key]}{separator}{value}" if key in changed else value
    # A pseudo-header cannot be removed, and has one value.
    for name, value in changed_request([], filter(is_of_target, listed)):
        changed |= _target_keys(environ, name, value)
    return changed


def _target_keys(environ: Environ, name: str, value: str) -> Environ:
    """Of the environ. What makes no request line is left out."""
    if name in {"host", ":authority"}:
        return {"HTTP_HOST": value}
    if name == ":method" and is_field_name(value):
        return {"REQUEST_METHOD": value}
    if name == ":path" and value.startswith("/"):
        return _path_keys(environ, value)
    return {}


def _path_keys(environ: Environ, target: str) -> Environ:
    path, _, query = target.partition("?")
    decoded = unquote_to_bytes(path.encode("latin-1")).decode("latin-1")
    mount: str = environ.get("SCRIPT_NAME", "")
    if not mount or not (decoded == mount or decoded.startswith(mount + "/")):
        mount = ""
    raw: Environ = {key: target for key in _RAW_TARGETS if key in environ}
    inner = decoded[len(mount) :]
    return {"SCRIPT_NAME": mount, "PATH_INFO": inner, "QUERY_STRING": query, **raw}
