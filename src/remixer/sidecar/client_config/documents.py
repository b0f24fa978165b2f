"""Documents of a client's files: told apart, decoded, checked, collected.

| document | is |
|---|---|
| without `kind` | an `HttpClientConfig` |
| `kind: HttpClientConfig` or `TcpClientConfig`, with `spec` | that |
| `QuotaSpec`, `HTTPAPISpec` and their bindings | as Kubernetes has them |
| a `List` | its `items` |
| Mixer's own kinds, and other API groups | left out: files of operators have them, too |
| any other kind | a problem |
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeVar

from remixer.foundation.documents.nodes import (
    ListNode,
    MapNode,
    Node,
    ScalarNode,
    describe,
    find,
)
from remixer.foundation.findings import Findings, hint_for
from remixer.foundation.problems import Problem
from remixer.sidecar.client_config import codes
from remixer.sidecar.client_config.bindings import Selector, selector_of
from remixer.sidecar.client_config.checks import check_api_spec, check_quota_spec
from remixer.sidecar.client_config.client_checks import http_client, tcp_client
from remixer.sidecar.client_config.messages import (
    HTTPAPISpec,
    HTTPAPISpecBinding,
    HttpClientConfig,
    IstioService,
    QuotaSpec,
    QuotaSpecBinding,
    SpecReference,
    TcpClientConfig,
)
from remixer.sidecar.client_config.spots import Spot
from remixer.wire.proto_json.decode import Place, decode

T = TypeVar("T")

_GROUP: Final = "config.istio.io"
_VERSION: Final = "v1alpha2"
_CLIENT_KINDS: Final = frozenset({"HttpClientConfig", "TcpClientConfig"})
_SPEC_OF_BINDING: Final = {"QuotaSpecBinding": "QuotaSpec", "HTTPAPISpecBinding": "HTTPAPISpec"}
_KUBERNETES_KINDS: Final = frozenset(_SPEC_OF_BINDING) | frozenset(_SPEC_OF_BINDING.values())
_SERVER_KINDS: Final = frozenset(
    {"adapter", "attributemanifest", "handler", "instance", "rule", "template"}
)


@dataclass(frozen=True, slots=True, order=True)
class SpecKey:
    """Identity of a specification."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """`limits.QuotaSpec.shop`."""
        return f"{self.name}.{self.kind}.{self.namespace}"


@dataclass(frozen=True, slots=True)
class SpecDraft:
    """A specification and where it stands; None after a fault of its own."""

    spec: QuotaSpec | HTTPAPISpec | None
    spot: Spot


@dataclass(frozen=True, slots=True)
class BindingDraft:
    """Which specifications a binding gives to which services, and where it says so."""

    selectors: tuple[Selector, ...]
    references: tuple[tuple[SpecKey, Spot], ...]


@dataclass(slots=True)
class Collected:
    """What all documents so far have said."""

    problems: list[Problem] = field(default_factory=list)
    http: HttpClientConfig | None = None
    tcp: TcpClientConfig | None = None
    specs: dict[SpecKey, SpecDraft] = field(default_factory=dict)
    bindings: list[BindingDraft] = field(default_factory=list)
    clients: dict[str, Node] = field(default_factory=dict)
    """Client configurations, faulty ones as well, by kind."""

    def add(self, root: Node) -> None:
        """One document; faults are added to `problems`."""
        for document in _unwrapped(root):
            self._add(document)

    def _add(self, document: Node) -> None:
        findings = Findings("", self.problems)
        if not isinstance(document, MapNode):
            message = f"found {describe(document)}; wanted a mapping"
            findings.error(codes.NOT_FOR_CLIENTS, message, document.location)
            return
        kind = _text(document, "kind")
        if document.get("kind") is None and document.get("apiVersion") is None:
            self._client("HttpClientConfig", document, path="")
        elif _concerns_clients(document, kind, findings):
            if kind in _CLIENT_KINDS:
                self._client(kind, document.get("spec") or document, path="spec")
            else:
                self._kubernetes(kind, document, findings)

    def _client(self, kind: str, node: Node, *, path: str) -> None:
        spot = Spot(node, Place(path, Findings(kind, self.problems)))
        earlier = self.clients.setdefault(kind, node)
        if earlier is not node:
            message = f"there is an {kind} at {earlier.location} already"
            spot.error(codes.GIVEN_TWICE, message, "One client has one of each; join the two.")
        if kind == "HttpClientConfig":
            self.http = http_client(spot)
        else:
            self.tcp = tcp_client(spot)

    def _kubernetes(self, kind: str, document: MapNode, findings: Findings) -> None:
        key = _key(kind, document, findings)
        if key is None:
            return
        spec = document.get("spec")
        spot = Spot(spec or document, Place("spec", Findings(str(key), self.problems)))
        match kind:
            case "QuotaSpec":
                self._spec(key, _decoded(spec, QuotaSpec(), spot), spot)
            case "HTTPAPISpec":
                self._spec(key, _decoded(spec, HTTPAPISpec(), spot), spot)
            case "QuotaSpecBinding":
                quotas = _decoded(spec, QuotaSpecBinding(), spot)
                if quotas is not None:
                    self._binding(key, quotas.services, quotas.quota_specs, spot)
            case _:
                apis = _decoded(spec, HTTPAPISpecBinding(), spot)
                if apis is not None:
                    self._binding(key, apis.services, apis.api_specs, spot)

    def _spec(self, key: SpecKey, spec: QuotaSpec | HTTPAPISpec | None, spot: Spot) -> None:
        match spec:
            case QuotaSpec():
                check_quota_spec(spec, spot)
            case HTTPAPISpec():
                check_api_spec(spec, spot)
            case None:
                pass
        earlier = self.specs.get(key)
        if earlier is not None:
            message = f"the name is taken at {earlier.spot.node.location}"
            spot.error(codes.GIVEN_TWICE, message, "Rename one, or remove it.")
        self.specs[key] = SpecDraft(spec, spot)

    def _binding(
        self,
        key: SpecKey,
        services: tuple[IstioService, ...],
        references: tuple[SpecReference, ...],
        spot: Spot,
    ) -> None:
        places = spot.field("services")
        places.require(codes.BAD_SERVICE, services, "the binding names no service")
        selectors = [
            _selector(service, key.namespace, places.item(index))
            for index, service in enumerate(services)
        ]
        kind = _SPEC_OF_BINDING[key.kind]
        named = spot.field("quota_specs" if kind == "QuotaSpec" else "api_specs")
        named.require(codes.NO_SUCH_SPEC, references, f"the binding names no {kind}")
        found = (
            (SpecKey(kind, each.namespace or key.namespace, each.name), named.item(index))
            for index, each in enumerate(references)
        )
        self.bindings.append(BindingDraft(tuple(each for each in selectors if each), tuple(found)))


def _decoded(node: Node | None, prototype: T, spot: Spot) -> T | None:
    return decode(node, prototype, spot.place)


def _selector(service: IstioService, namespace: str, spot: Spot) -> Selector | None:
    found = selector_of(service, namespace=namespace)
    if found is None:
        hint = 'Give `name` or a full host name as `service`; `"*"` is all, `"*.ns.*"` a namespace.'
        spot.error(codes.BAD_SERVICE, "this selects no service", hint)
    if service.labels:
        message = "bindings do not look at labels"
        spot.field("labels").warning(codes.WITHOUT_EFFECT, message, "Remove them.")
    return found


def _unwrapped(document: Node) -> Iterator[Node]:
    """The items of a `List`, or the document itself."""
    if isinstance(document, MapNode):
        items = document.get("items")
        if _text(document, "kind").endswith("List") and isinstance(items, ListNode):
            for item in items.items:
                yield from _unwrapped(item)
            return
    yield document


def _concerns_clients(document: MapNode, kind: str, findings: Findings) -> bool:
    """Whether it is a client's; if it only seems so, a problem says why not."""
    group, _, version = _text(document, "apiVersion").rpartition("/")
    is_ours = kind in _CLIENT_KINDS or kind in _KUBERNETES_KINDS
    if not is_ours and (group not in {"", _GROUP} or kind in _SERVER_KINDS):
        return False
    at = document.get("apiVersion" if is_ours else "kind") or document
    if not is_ours:
        message = f"`{kind}` is no kind that clients read" if kind else "the document has no `kind`"
        hint = hint_for(kind, _CLIENT_KINDS | _KUBERNETES_KINDS)
    elif (
        kind in _CLIENT_KINDS
        or document.get("apiVersion") is None
        or (group, version) == (_GROUP, _VERSION)
    ):
        return True
    else:
        message = f"kind `{kind}` of another version than `{_GROUP}/{_VERSION}`"
        hint = f"Write `apiVersion: {_GROUP}/{_VERSION}`."
    findings.error(codes.NOT_FOR_CLIENTS, message, at.location, hint=hint)
    return False


def _key(kind: str, document: MapNode, findings: Findings) -> SpecKey | None:
    found: list[str] = []
    for part in ("namespace", "name"):
        path = f"metadata.{part}"
        node = find(document, path)
        value = node.value if isinstance(node, ScalarNode) else None
        if isinstance(value, str) and value:
            found.append(value)
            continue
        message = f"`{kind}` without `{path}`"
        if node is not None:
            message = f"found {describe(node)}; wanted a text"
        at = node or document.get("metadata") or document
        findings.error(codes.NAMELESS, message, at.location, field=path, hint=f"Give `{path}`.")
    return SpecKey(kind, *found) if len(found) == 2 else None  # noqa: PLR2004 - both parts


def _text(document: MapNode, key: str) -> str:
    node = document.get(key)
    return node.value if isinstance(node, ScalarNode) and isinstance(node.value, str) else ""
