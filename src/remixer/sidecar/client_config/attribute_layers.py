"""The order of precedence among attributes, and what a client hands on.

From the lowest: the local node's, the client's static ones, the service's static ones, the
request's own, those of API specifications with the API key, forwarded ones. Where two layers have
a name, the higher one counts, with two exceptions: where the service listens (`destination.ip`,
`destination.port`) the operator knows better than the request, and a `source.namespace` that the
caller's identity proves is not overridden by a forwarded one.

Source: Mixer's client of 1.1 and later as implemented, which lets forwarded attributes override
proven ones.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from remixer.attributes.bag import Bag, PlainBag
from remixer.attributes.http_request import namespace_of
from remixer.attributes.values import Value
from remixer.sidecar.client_config.api_spec import API_KEY_ATTRIBUTE, ApiTable

_OUTBOUND: Final = "outbound"
_STATIC_FIRST: Final = frozenset({"destination.ip", "destination.port"})
_NODE_ID_PARTS: Final = 4
_NOTHING_FORWARDED: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class LocalNode:
    """The workload beside which the client stands. `uid`: `kubernetes://POD.NAMESPACE`."""

    uid: str
    namespace: str


def local_node(*, uid: str = "", namespace: str = "", node_id: str = "") -> LocalNode | None:
    """Of what is known; None if that is nothing.

    Where `uid` and `namespace` are not both given, `node_id` (`TYPE~IP~POD.NS~DOMAIN`) fills in.
    """
    parts = node_id.split("~")
    if len(parts) == _NODE_ID_PARTS and "." in parts[2]:
        uid = uid or f"kubernetes://{parts[2]}"
        namespace = namespace or parts[2].rpartition(".")[2]
    return LocalNode(uid, namespace) if uid or namespace else None


def is_outbound(client_attributes: Mapping[str, Value]) -> bool:
    """Whether the client stands on the caller's side."""
    return client_attributes.get("context.reporter.kind") == _OUTBOUND


def node_attributes(node: LocalNode | None, *, outbound: bool) -> dict[str, Value]:
    """What the local node adds. What of it is not known is absent (the original sends "")."""
    if node is None:
        return {}
    side = "source" if outbound else "destination"
    values = {
        f"{side}.uid": node.uid,
        "context.reporter.uid": node.uid,
        f"{side}.namespace": node.namespace,
    }
    return {name: value for name, value in values.items() if value}


def forwarded_attributes(
    node: LocalNode | None,
    *,
    outbound: bool,
    client: Mapping[str, Value],
    service: Mapping[str, Value],
) -> PlainBag:
    """What the request carries on in `x-istio-attributes`; empty means no header.

    `client` and `service` are what each `forward_attributes` says.
    """
    if not outbound:
        return PlainBag()
    own: dict[str, Value] = {"source.uid": node.uid} if node is not None and node.uid else {}
    return PlainBag({**own, **client, **service})


@dataclass(frozen=True, slots=True)
class Layers:
    """What lies under (`static`) and over (`api`) the attributes of every request."""

    static: Mapping[str, Value] = field(default_factory=dict)
    api: ApiTable | None = None
    """None where requests have no paths: TCP."""

    def over(self, request: Bag, forwarded: Mapping[str, str] = _NOTHING_FORWARDED) -> Bag:
        """The bag that a check sees; `request` is read when somebody asks, and not copied."""
        if self.api is None and not self.static and not forwarded:
            return request
        return LayeredBag(self, request, forwarded)


class LayeredBag:
    """A `Bag`: a request's own attributes with the layers around it."""

    __slots__ = ("_forwarded", "_from_api", "_layers", "_request")

    def __init__(self, layers: Layers, request: Bag, forwarded: Mapping[str, str]) -> None:
        self._layers = layers
        self._request = request
        self._forwarded = forwarded
        self._from_api: Mapping[str, Value] | None = None

    def __getitem__(self, name: str) -> Value | None:
        if name in self._forwarded and not self._is_proven(name):
            return self._forwarded[name]
        api = self._layers.api
        if api is not None:
            if name == API_KEY_ATTRIBUTE:
                return self._api_key(api)
            if name in api.provided:
                value = self._api_attributes(api).get(name)
                if value is not None:
                    return value
        static = self._layers.static
        if name in _STATIC_FIRST and name in static:
            return static[name]
        value = self._request[name]
        return static.get(name) if value is None else value

    def names(self) -> Iterator[str]:
        seen: set[str] = set()
        for name in self._candidates():
            if name not in seen:
                seen.add(name)
                if name != API_KEY_ATTRIBUTE or self[name] is not None:
                    yield name

    def _candidates(self) -> Iterator[str]:
        yield from self._request.names()
        yield from self._layers.static
        yield from self._forwarded
        api = self._layers.api
        if api is not None:
            yield from self._api_attributes(api)
            yield API_KEY_ATTRIBUTE

    def _is_proven(self, name: str) -> bool:
        if name != "source.namespace":
            return False
        principal = self._request["source.principal"]
        return type(principal) is str and namespace_of(principal) is not None

    def _api_attributes(self, api: ApiTable) -> Mapping[str, Value]:
        if self._from_api is None:
            self._from_api = api.attributes(self._request)
        return self._from_api

    def _api_key(self, api: ApiTable) -> Value | None:
        """Sources that the operator names take the place of what the request itself tells."""
        found = None if api.has_own_keys else self._request[API_KEY_ATTRIBUTE]
        if found is None:
            found = api.api_key(self._request)
        if found is None:
            found = self._api_attributes(api).get(API_KEY_ATTRIBUTE)
        return self._layers.static.get(API_KEY_ATTRIBUTE) if found is None else found
