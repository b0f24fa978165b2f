"""What Kubernetes's EndpointSlices say of revisions: which exist, and which have ready endpoints.

Knative makes two services per revision. The private one selects the revision's pods; its slices
count. The public one's addresses are the Activator's own while the revision sleeps; its slices
are ignored. Labels of a service stand on its slices too.

A revision exists while it has a slice: Kubernetes keeps one, without endpoints, for a service
without pods.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from remixer.adapters.kactivator.readiness import Revision
from remixer.sdk import event_log

REVISION_LABEL: Final = "serving.knative.dev/revision"
SERVICE_TYPE_LABEL: Final = "networking.internal.knative.dev/serviceType"
SERVICE_LABEL: Final = "kubernetes.io/service-name"
PRIVATE_SUFFIXES: Final = ("-private", "-priv")
"""Of services' names, since Knative 0.10 and in 0.6."""
MOST_SLICES: Final = 100_000
"""One or two per revision; about 50 MB."""

JsonObject: TypeAlias = Mapping[str, Any]
_Key: TypeAlias = tuple[str, str]

_log: Final = event_log(__name__)


@dataclass(frozen=True, slots=True)
class _Slice:
    revision: Revision
    has_ready: bool


class SliceBook:
    """A sink of EndpointSlices that tells when a revision gets its first ready endpoint."""

    def __init__(self, *, on_ready: Callable[[Revision], None]) -> None:
        self._on_ready = on_ready
        self._slices: dict[_Key, _Slice] = {}
        self._of_revision: dict[Revision, set[_Key]] = {}
        self._ready: dict[Revision, int] = {}
        """Slices with ready endpoints; no entry for none."""
        self._seen: set[_Key] = set()
        self.not_kept = 0
        """Slices that were too many."""

    def __len__(self) -> int:
        return len(self._slices)

    def is_ready(self, revision: Revision) -> bool:
        return revision in self._ready

    def knows(self, revision: Revision) -> bool:
        return revision in self._of_revision

    @property
    def knows_all(self) -> bool:
        """Whether no slice had to be left out."""
        return self.not_kept == 0

    def begin(self) -> None:
        self._seen = set()

    def put(self, item: JsonObject, /) -> None:
        key = _identity(item)
        if key is None:
            return
        self._seen.add(key)
        revision = revision_of(item)
        if revision is None:
            self._drop(key)
            return
        if key not in self._slices and len(self._slices) >= MOST_SLICES:
            self._leave_out()
            return
        fresh = _Slice(revision, has_ready_endpoint(item))
        was_ready = self.is_ready(revision)
        if self._slices.get(key) != fresh:
            self._drop(key)
            self._add(key, fresh)
        if not was_ready and fresh.has_ready:
            self._on_ready(revision)

    def remove(self, item: JsonObject, /) -> None:
        key = _identity(item)
        if key is not None:
            self._drop(key)

    def sweep(self) -> None:
        for key in [key for key in self._slices if key not in self._seen]:
            self._drop(key)
        self._seen = set()

    def _add(self, key: _Key, fresh: _Slice) -> None:
        self._slices[key] = fresh
        self._of_revision.setdefault(fresh.revision, set()).add(key)
        if fresh.has_ready:
            self._ready[fresh.revision] = self._ready.get(fresh.revision, 0) + 1

    def _drop(self, key: _Key) -> None:
        old = self._slices.pop(key, None)
        if old is None:
            return
        keys = self._of_revision[old.revision]
        keys.discard(key)
        if not keys:
            del self._of_revision[old.revision]
        if old.has_ready:
            left = self._ready[old.revision] - 1
            if left:
                self._ready[old.revision] = left
            else:
                del self._ready[old.revision]

    def _leave_out(self) -> None:
        if not self.not_kept:
            _log.error("knative_slices_not_kept", most=MOST_SLICES)
        self.not_kept += 1


def revision_of(item: JsonObject) -> Revision | None:
    """Whose pods a slice lists; None for slices of anything but a private service."""
    metadata = _mapping(item.get("metadata"))
    labels = _mapping(metadata.get("labels"))
    namespace, name = _text(metadata, "namespace"), _text(labels, REVISION_LABEL)
    service_type = _text(labels, SERVICE_TYPE_LABEL)
    if not namespace or service_type not in {"", "Private"}:
        return None
    if service_type and name:
        return Revision(namespace, name)
    service = _text(labels, SERVICE_LABEL)
    for suffix in PRIVATE_SUFFIXES:
        if service.endswith(suffix) and (stem := service.removesuffix(suffix)):
            return Revision(namespace, name or stem)
    return None


def has_ready_endpoint(item: JsonObject) -> bool:
    """Whether any endpoint takes requests. Unknown readiness counts as ready, as Kubernetes asks.

    One that is terminating does not count, whatever else it says.
    """
    endpoints = item.get("endpoints")
    if not isinstance(endpoints, list):
        return False
    return any(_is_ready(_mapping(each)) for each in endpoints)


def _is_ready(endpoint: JsonObject) -> bool:
    conditions = _mapping(endpoint.get("conditions"))
    return (
        bool(endpoint.get("addresses"))
        and conditions.get("ready") is not False
        and conditions.get("terminating") is not True
    )


def _identity(item: JsonObject) -> _Key | None:
    metadata = _mapping(item.get("metadata"))
    name = _text(metadata, "name")
    return (_text(metadata, "namespace"), name) if name else None


def _mapping(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _text(mapping: JsonObject, key: str) -> str:
    value = mapping.get(key)
    return value if isinstance(value, str) else ""
