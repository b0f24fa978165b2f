"""Raw resources: identity, annotations and the still undecoded `spec`, with their places."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from remixer.config import codes, kinds
from remixer.foundation.documents.nodes import (
    ListNode,
    MapNode,
    Node,
    ScalarNode,
    describe,
    is_null,
)
from remixer.foundation.documents.yaml_documents import read_documents
from remixer.foundation.findings import Findings, hint_for
from remixer.foundation.problems import Location, Problem, Severity

_MOST_NAMES: Final = 20  # of a list in one problem; arbitrary, enough to know where to look
_HELP_SHAPE: Final = "A resource has `kind`, `metadata.name`, `metadata.namespace` and `spec`."


@dataclass(frozen=True, slots=True, order=True)
class ResourceKey:
    """Identity of a resource."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """The fully qualified name, `accesslog.instance.istio-system`."""
        return f"{self.name}.{self.kind}.{self.namespace}"


@dataclass(frozen=True, slots=True)
class Resource:
    """One document of the operator's. `spec` None means an empty message."""

    key: ResourceKey
    spec: MapNode | None
    location: Location
    annotations: Mapping[str, ScalarNode] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The fully qualified name."""
        return str(self.key)


@dataclass(frozen=True, slots=True)
class LoadedResources:
    """What a store has now. `resources` have unique keys and are sorted by them."""

    resources: tuple[Resource, ...] = ()
    problems: tuple[Problem, ...] = ()
    is_available: bool = True
    """False: (part of) the store cannot be read; its last good content is in `resources`."""


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """The resources of one file, in order of writing, and its faults."""

    resources: tuple[Resource, ...] = ()
    problems: tuple[Problem, ...] = ()
    kept: tuple[Resource, ...] = ()
    """From an earlier parse; they give way to the same resource in any file."""


def parse_file(content: bytes, file: str, *, earlier: ParsedFile | None = None) -> ParsedFile:
    """Everything usable in a file; never raises. `file` is what problems call it.

    `earlier`: the last parse of the same file. Of a document that cannot be read nobody knows
    which resource it was; so what only the earlier content has is kept while any is unreadable.
    A policy must not be lifted because a file was half-written.
    """
    parsed = _parse(content, file)
    if earlier is None or all(each.severity is Severity.WARNING for each in parsed.problems):
        return parsed
    present = {each.key for each in parsed.resources}
    kept = tuple(each for each in (*earlier.kept, *earlier.resources) if each.key not in present)
    if not kept:
        return parsed
    return replace(parsed, problems=(*parsed.problems, _kept_problem(kept, file)), kept=kept)


def _kept_problem(kept: Sequence[Resource], file: str) -> Problem:
    names = ", ".join(each.name for each in kept[:_MOST_NAMES])
    more = ", …" if len(kept) > _MOST_NAMES else ""
    message = f"{len(kept)} of its earlier resources stay in force: {names}{more}"
    hint = "Correct the file; then what it says counts, deletions too."
    return Problem(
        codes.EARLIER_KEPT, message, Location(file), hint=hint, severity=Severity.WARNING
    )


def _parse(content: bytes, file: str) -> ParsedFile:
    documents = read_documents(content, file)
    problems = list(documents.problems)
    resources = [
        resource
        for root in documents.roots
        for document in _unwrapped(root)
        if (resource := _resource(document, problems)) is not None
    ]
    return ParsedFile(tuple(resources), tuple(problems))


def combine(files: Iterable[ParsedFile]) -> LoadedResources:
    """One state from files in lexical order: of two resources with one key the last counts."""
    by_key: dict[ResourceKey, Resource] = {}
    kept: dict[ResourceKey, Resource] = {}
    problems: list[Problem] = []
    for parsed in files:
        kept.update((each.key, each) for each in parsed.kept)
        problems.extend(parsed.problems)
        for resource in parsed.resources:
            earlier = by_key.get(resource.key)
            if earlier is not None:
                _warn_of_duplicate(resource, earlier, problems)
            by_key[resource.key] = resource
    by_key = {**kept, **by_key}
    resources = tuple(by_key[key] for key in sorted(by_key))
    return LoadedResources(resources, tuple(problems))


def overlay(lower: LoadedResources, upper: LoadedResources) -> LoadedResources:
    """Both; a resource of `upper` replaces one of the same key.

    For defaults under an operator's own files.
    """
    by_key = {each.key: each for each in (*lower.resources, *upper.resources)}
    return LoadedResources(
        tuple(by_key[key] for key in sorted(by_key)),
        lower.problems + upper.problems,
        is_available=lower.is_available and upper.is_available,
    )


def _warn_of_duplicate(resource: Resource, earlier: Resource, problems: list[Problem]) -> None:
    Findings(resource.name, problems).warning(
        codes.DUPLICATE_RESOURCE,
        f"the same resource is already at {earlier.location}; this one counts",
        resource.location,
        hint="Remove one of them.",
    )


def _unwrapped(document: Node) -> Iterator[Node]:
    """The items of a `List`, or the document itself."""
    if isinstance(document, MapNode):
        items = document.get("items")
        if _text(document, "kind").endswith("List") and isinstance(items, ListNode):
            for item in items.items:
                yield from _unwrapped(item)
            return
    yield document


def _resource(document: Node, problems: list[Problem]) -> Resource | None:
    """The resource in a document; None if it is foreign or faulty."""
    findings = Findings("", problems)
    if not isinstance(document, MapNode):
        message = f"found {describe(document)} where a resource was wanted"
        findings.error(codes.NOT_A_RESOURCE, message, document.location, hint=_HELP_SHAPE)
        return None
    kind = _text(document, "kind")
    if _is_foreign(_text(document, "apiVersion"), kind):
        return None
    if not kind:
        message = "the document has no `kind`"
        findings.error(codes.NOT_A_RESOURCE, message, document.location, hint=_HELP_SHAPE)
        return None
    key = _key(document, kind, findings)
    if key is None or not _is_of_its_group(document, key, problems):
        return None
    spec = document.get("spec")
    if spec is not None and not isinstance(spec, MapNode):
        findings = Findings(str(key), problems)
        message = f"found {describe(spec)}; wanted a mapping"
        findings.error(codes.NOT_A_RESOURCE, message, spec.location, field="spec")
        return None
    return Resource(key, spec, document.location, _annotations(document))


def _is_foreign(api_version: str, kind: str) -> bool:
    """Whether the document is clearly meant for someone else, such as a Deployment."""
    group, slash, _ = api_version.rpartition("/")
    if slash:
        return group not in {kinds.API_GROUP, kinds.OWN_API_GROUP}
    # `v1` is Kubernetes' own group; its kinds begin with a capital, Mixer's do not.
    return bool(api_version) and kind[:1].isupper()


def _is_of_its_group(document: MapNode, key: ResourceKey, problems: list[Problem]) -> bool:
    """Whether Mixer's kinds are in Mixer's group and our own in ours. Without a group all are."""
    group, _, version = _text(document, "apiVersion").rpartition("/")
    is_own = key.kind in kinds.OWN_KINDS
    hint = ""
    if group == kinds.OWN_API_GROUP and not is_own:
        message = f"`{kinds.OWN_API_GROUP}` has no kind `{key.kind}`"
        hint = hint_for(key.kind, kinds.OWN_KINDS)
    elif group and is_own and group != kinds.OWN_API_GROUP:
        message = f"kind `{key.kind}` does not belong to `{group}`"
    elif group and is_own and version != kinds.OWN_API_VERSION:
        message = f"`{kinds.OWN_API_GROUP}` has no version `{version}`"
    else:
        return True
    at = document.get("apiVersion") or document
    hint = hint or f"Write `apiVersion: {kinds.OWN_API_GROUP}/{kinds.OWN_API_VERSION}`."
    Findings(str(key), problems).error(
        codes.FOREIGN_KIND, message, at.location, field="apiVersion", hint=hint
    )
    return False


def _key(document: MapNode, kind: str, findings: Findings) -> ResourceKey | None:
    metadata = document.get("metadata")
    found: list[str] = []
    for part in ("name", "namespace"):
        node = metadata.get(part) if isinstance(metadata, MapNode) else None
        value = node.value if isinstance(node, ScalarNode) else None
        field_path = f"metadata.{part}"
        if isinstance(value, str) and value:
            found.append(value)
        elif node is None or is_null(node) or value == "":
            message = f"`{kind}` without `{field_path}`"
            place = document.location if metadata is None else metadata.location
            findings.error(codes.NAMELESS, message, place, field=field_path, hint=_HELP_SHAPE)
        else:
            message = f"found {describe(node)}; wanted a text"
            findings.error(
                codes.NAMELESS, message, node.location, field=field_path, hint="Quote it."
            )
    return ResourceKey(kind, found[1], found[0]) if len(found) == 2 else None  # noqa: PLR2004 - name and namespace


def _annotations(document: MapNode) -> dict[str, ScalarNode]:
    metadata = document.get("metadata")
    found = metadata.get("annotations") if isinstance(metadata, MapNode) else None
    if not isinstance(found, MapNode):
        return {}
    return {entry.key: entry.value for entry in found if isinstance(entry.value, ScalarNode)}


def _text(document: MapNode, key: str) -> str:
    node = document.get(key)
    return node.value if isinstance(node, ScalarNode) and isinstance(node.value, str) else ""
