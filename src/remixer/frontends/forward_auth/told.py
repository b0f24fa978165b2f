"""What the original request was, as a proxy tells it. Pure.

Three ways of asking, by the path of the question; its query never counts, for Caddy appends the
client's own.

    /check           `X-Forwarded-*` (Traefik, Caddy) or `X-Original-*` (nginx) tell the request
    /auth_request    the same, and the answer is one that nginx understands
    /check/ANYTHING  the question is the request itself, with a prefix (Envoy); what such headers
                     say counts for nothing there, since a client may have sent them

A proxy passes on what it does not overwrite, so a client may add the other family's headers: where
they disagree with the proxy's, nobody can tell which is true, and the question is refused.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from remixer.attributes.http_bag import HttpFacts
from remixer.attributes.http_request import ip_bytes
from remixer.attributes.values import PlainStringMap, Timestamp
from remixer.foundation.errors import InvalidRequestError
from remixer.transport.http1.port import HttpRequest, Line

CHECK_PATH: Final = "/check"
AUTH_REQUEST_PATH: Final = "/auth_request"

_FORWARDED_URI: Final = "x-forwarded-uri"
_ORIGINAL_URI: Final = "x-original-uri"
_ORIGINAL_URL: Final = "x-original-url"
_METHOD_BY_URI: Final = {
    _FORWARDED_URI: "x-forwarded-method",
    _ORIGINAL_URI: "x-original-method",
    _ORIGINAL_URL: "x-original-method",
}
_TELLING: Final = frozenset(
    {*_METHOD_BY_URI, *_METHOD_BY_URI.values(), "x-forwarded-proto", "x-forwarded-host"}
)
_OF_OUR_CONNECTION: Final = frozenset(
    {"connection", "content-length", "expect", "keep-alive", "te", "transfer-encoding"}
)
_SCHEMES: Final = frozenset({"http", "https", "ws", "wss"})
_DEFAULT_SCHEME: Final = "http"


class Asking(Enum):
    """How a proxy asks, and so how it wants to be answered."""

    BY_HEADERS = "by_headers"
    """Traefik, Caddy: 2xx lets the request pass, all else is the client's answer."""
    AUTH_REQUEST = "auth_request"
    """nginx: 2xx, 401 and 403; all else is a failure."""
    BY_ITSELF = "by_itself"
    """Envoy: 200; 5xx is a failure, all else the client's answer."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request of a proxy, understood."""

    asking: Asking
    facts: HttpFacts
    lines: Sequence[Line]
    """Headers of the original request, names in lower case."""


@dataclass(frozen=True, slots=True)
class _Original:
    method: str
    """Empty if it is not told."""
    path: str
    authority: str
    scheme: str


def way_of_asking(target: str) -> Asking | None:
    """None: nothing is asked at this place."""
    path = target.partition("?")[0]
    if path == CHECK_PATH:
        return Asking.BY_HEADERS
    if path == AUTH_REQUEST_PATH:
        return Asking.AUTH_REQUEST
    return Asking.BY_ITSELF if path.startswith(CHECK_PATH + "/") else None


def question(request: HttpRequest, asking: Asking, *, received_at: Timestamp) -> Question:
    """Raises `InvalidRequestError` that says what the proxy has to send."""
    told = _Told(request.lines)
    if asking is Asking.BY_ITSELF:
        path = request.target.removeprefix(CHECK_PATH)
        original = _Original(request.method, path, told.one("host") or "", told.scheme())
        apart = _OF_OUR_CONNECTION
    else:
        original = told.original()
        apart = _OF_OUR_CONNECTION | _TELLING
    lines = [line for line in request.lines if line[0] not in apart]
    client = told.client()
    facts = HttpFacts(
        method=original.method,
        path=original.path,
        authority=original.authority,
        scheme=original.scheme,
        headers=PlainStringMap(lines),
        received_at=received_at,
        source_ip=client,
        peer_ip=client,
    )
    return Question(asking, facts, lines)


class _Told:
    """The headers by which a proxy tells."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in lines:
            self._values.setdefault(name, []).append(value)

    def one(self, name: str) -> str | None:
        """The value, None if it is missing or empty; two that differ are refused."""
        values = self._values.get(name, ())
        if len(set(values)) > 1:
            message = f"the header {name} came twice, with different values"
            raise InvalidRequestError(message)
        return values[0] or None if values else None

    def nearest(self, name: str) -> str | None:
        """Of a list that each proxy on the way has added to: what the last one says."""
        values = self._values.get(name)
        return values[-1].rpartition(",")[2].strip() or None if values else None

    def client(self) -> bytes | None:
        """The address that the proxy itself saw: what comes before it, the client may have sent."""
        return ip_bytes(_without_port(self.nearest("x-forwarded-for") or ""))

    def scheme(self) -> str:
        found = (self.nearest("x-forwarded-proto") or _DEFAULT_SCHEME).lower()
        if found not in _SCHEMES:
            message = f"x-forwarded-proto is {found!r}; wanted http, https, ws or wss"
            raise InvalidRequestError(message)
        return found

    def original(self) -> _Original:
        """By the headers that the proxy sends; whoever sends others must say the same."""
        found = {name: self._by(name) for name in _METHOD_BY_URI if self.one(name)}
        if not found:
            message = (
                "the proxy has to send the original path and query as x-forwarded-uri (Traefik and "
                "Caddy do) or as x-original-uri (nginx: proxy_set_header X-Original-URI "
                "$request_uri)"
            )
            raise InvalidRequestError(message)
        first, *others = found.values()
        if any(each != first for each in others):
            message = (
                f"{' and '.join(found)}, with the methods and hosts beside them, tell different "
                "requests; a client may have sent one of them"
            )
            raise InvalidRequestError(message)
        if not first.method:
            uri_name = next(iter(found))
            wanted = _METHOD_BY_URI[uri_name]
            message = f"the proxy has to send the original method as {wanted}, beside {uri_name}"
            raise InvalidRequestError(message)
        return first

    def _by(self, uri_name: str) -> _Original:
        value = self.one(uri_name) or ""
        method = self.one(_METHOD_BY_URI[uri_name]) or ""
        host = self.one("host") or ""
        if uri_name == _ORIGINAL_URL:
            scheme, host, path = _url(value)
            return _Original(method, path, host, scheme)
        if uri_name == _FORWARDED_URI:
            host = self.nearest("x-forwarded-host") or host
        return _Original(method, _path(uri_name, value), host, self.scheme())


def _url(value: str) -> tuple[str, str, str]:
    """Scheme, authority, path with query."""
    scheme, _, rest = value.partition("://")
    if scheme not in _SCHEMES or rest[:1] in {"", "/", "?"}:
        message = f"{_ORIGINAL_URL} is no URL; wanted http://HOST/PATH or https://HOST/PATH"
        raise InvalidRequestError(message)
    authority, slash, path = rest.partition("/")
    return scheme, authority, slash + path or "/"


def _path(name: str, value: str) -> str:
    if not value.startswith("/") and value != "*":
        message = f"{name} does not begin with `/`; wanted the path and query of the request"
        raise InvalidRequestError(message)
    return value


def _without_port(text: str) -> str:
    """`10.0.0.1` of `10.0.0.1:4711`, `::1` of `[::1]:4711`."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    host, colon, rest = text.partition(":")
    return host if colon and ":" not in rest else text
