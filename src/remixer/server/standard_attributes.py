"""The types of the attributes that proxies send, for who has no configuration of rules."""

from collections.abc import Iterator, Mapping
from functools import cached_property

from remixer.attributes.values import ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.config.manifests import build_vocabulary
from remixer.config.stores.embedded import default_vocabulary


class _StandardTypes(Mapping[str, ValueType]):
    """Read from the package when somebody first asks: few programs ever do."""

    @cached_property
    def _types(self) -> Mapping[str, ValueType]:
        return build_vocabulary(default_vocabulary().resources, []).types

    def __getitem__(self, name: str) -> ValueType:
        return self._types[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)


def standard_vocabulary() -> Vocabulary:
    """The attributes that every configuration of rules builds on."""
    return Vocabulary(_StandardTypes())
