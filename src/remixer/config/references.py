"""Names in configuration: what a reference may mean, and what it does mean.

Source: Mixer 1.3. There is no fallback to the default namespace: a rule in `shop` reaches a
handler in `istio-system` only by naming the namespace.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from remixer.foundation.findings import did_you_mean

_FULL_NAME_DOTS: Final = 2


def candidates(text: str, *, kind: str, namespace: str) -> tuple[str, ...]:
    """Fully qualified names that `text` may stand for, in the order they are tried.

    `kind` is what the reference is expected to name, `namespace` that of the one who refers.
    """
    first, *rest = text.split(".")
    match rest:
        case []:
            return (f"{text}.{kind}.{namespace}",)
        case [second]:
            return (f"{text}.{namespace}", f"{first}.{kind}.{second}")
        case _:
            return (text,)


def short_name(full_name: str) -> str:
    """What quota requests call an instance: the part before the first dot of `a.b.c`."""
    return full_name.split(".", 1)[0] if full_name.count(".") == _FULL_NAME_DOTS else full_name


T = TypeVar("T")

MAX_SEARCHES: Final = 100
"""Per run. A search compares with all names of a namespace, which takes up to some tens of
milliseconds; where a shared resource is missing, thousands of references may be broken alike."""


@dataclass(slots=True)
class Directory(Generic[T]):
    """Things of one sort by fully qualified name, and the names of those left out as faulty."""

    kind: str
    known: Mapping[str, T]
    left_out: frozenset[str] = frozenset()
    searches_left: int = MAX_SEARCHES
    """How many more references may get the nearest name as a hint."""
    _names_by_namespace: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.known:
            self._names_by_namespace.setdefault(name.rpartition(".")[2], []).append(name)

    def find(self, text: str, *, namespace: str) -> T | None:
        """The thing that `text` refers to from `namespace`."""
        for name in candidates(text, kind=self.kind, namespace=namespace):
            if name in self.known:
                return self.known[name]
            if name in self.left_out:
                # Not the next candidate: repairing this resource must not change what
                # another reference means.
                return None
        return None

    def is_left_out(self, text: str, *, namespace: str) -> bool:
        """Whether `text` refers to something that exists but is faulty."""
        names = candidates(text, kind=self.kind, namespace=namespace)
        return any(name in self.left_out for name in names)

    def hint(self, text: str, *, namespace: str, default_namespace: str) -> str:
        """The next step for a reference that names nothing."""
        elsewhere = candidates(text, kind=self.kind, namespace=default_namespace)
        for name in elsewhere:
            if name in self.known:
                return (
                    f"Names are looked up in `{namespace}` only; to reach the one in "
                    f"`{default_namespace}` write `{name}`."
                )
        if not self.searches_left:
            return ""
        self.searches_left -= 1
        own = self._names_by_namespace.get(namespace, [])
        return did_you_mean(text, _spellings(own, self.kind))


def _spellings(names: Iterable[str], kind: str) -> Iterable[str]:
    """The shortest text that refers to each name from its own namespace."""
    for name in names:
        without_namespace = name.rpartition(".")[0]
        yield without_namespace.removesuffix(f".{kind}")
