"""Which revision a request is for, from the action's namespace and service. Pure.

Knative's autoscaler knows revisions by `namespace/name`, and drops every other key without a
word. The service may be a revision, its private Kubernetes service, either of them as a host name
inside the cluster, or `namespace/revision` as a rule put it together. What comes from requests is
not trusted: a name that Kubernetes would not take is no revision, so that no control character
and no text without end reaches the wire, a log or an answer.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from remixer.adapters.kactivator.readiness import Revision

ANY: Final = "*"
_LONGEST_SERVICE: Final = 320  # a revision, a namespace, a cluster's domain and a port
_SERVICE_LABEL: Final = "svc"
# What Kubernetes takes as the name of a service and of a namespace.
_DNS_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # noqa: TID251 - ours, linear
_PORT: Final = re.compile(r":[0-9]{1,5}\Z")  # noqa: TID251 - ours, linear


@dataclass(frozen=True, slots=True)
class KeyRules:
    """How a service's name becomes a revision's."""

    suffixes: Sequence[str] = ("-priv", "-private")
    """Of private services. The first that the name ends with is cut off, once."""


def revision_of(namespace: object, service: object, rules: KeyRules) -> Revision | None:
    """None if this is nothing that could be a revision.

    A namespace that is part of the service's name counts more than `namespace`.
    """
    if not isinstance(namespace, str) or not isinstance(service, str):
        return None
    if _DNS_LABEL.fullmatch(service):  # most are: nothing more than a name
        revision = Revision(namespace, _without_suffix(service, rules.suffixes))
        return revision if is_revision(revision) else None
    if not service or len(service) > _LONGEST_SERVICE:
        return None
    within, slash, name = service.rpartition("/")
    if slash:
        namespace = within
    else:
        host = _PORT.sub("", service.lower()).removesuffix(".")
        labels = host.split(".")
        name = labels[0]
        if len(labels) > 1:
            if not _is_inside(labels):
                return None
            namespace = labels[1]
    revision = Revision(namespace, _without_suffix(name, rules.suffixes))
    return revision if is_revision(revision) else None


def is_revision(revision: Revision) -> bool:
    """Whether Kubernetes would take these names."""
    namespace, name = revision
    return _DNS_LABEL.fullmatch(namespace) is not None and _DNS_LABEL.fullmatch(name) is not None


def _is_inside(labels: Sequence[str]) -> bool:
    """`name.namespace`, or `name.namespace.svc` and whatever the cluster's domain is."""
    return len(labels) == 2 or labels[2] == _SERVICE_LABEL  # noqa: PLR2004 - the two that name it


def _without_suffix(name: str, suffixes: Iterable[str]) -> str:
    for suffix in suffixes:
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


class KnownRevisions:
    """The operator's list: `namespace/revision`, or `namespace/*`. An empty one knows all."""

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self._entries = frozenset(entries)

    def holds(self, revision: Revision) -> bool:
        entries = self._entries
        return not entries or str(revision) in entries or f"{revision.namespace}/{ANY}" in entries


def entry_fault(entry: str) -> str:
    """Why a list's entry can match nothing, or `""`."""
    namespace, slash, name = entry.partition("/")
    if not slash:
        return "has no namespace"
    wanted = Revision(namespace, "any" if name == ANY else name)
    return "" if is_revision(wanted) else "is no name that Kubernetes takes"
