"""A bag over one of Envoy's messages: each attribute is decoded when it is first read.

Order of look-up, first present wins:

1. static attributes, which the operator wrote into Envoy's configuration: they name what no
   message carries and correct what Envoy cannot know;
2. the table of the message: attribute name to the function that reads it;
3. dynamic metadata: a namespace that another filter wrote is a string map of that name.
   Source: the report attributes of Mixer's client.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias, TypeVar

from google.protobuf.struct_pb2 import Struct

from remixer.attributes.bag import PlainBag
from remixer.attributes.table_bag import AttributeTable, TableBag
from remixer.attributes.values import Value
from remixer.attributes.vocabulary import Vocabulary
from remixer.frontends.envoy.static_attributes import static_value
from remixer.frontends.envoy.structs import string_map

M = TypeVar("M")
VocabularySource: TypeAlias = Callable[[], Vocabulary]
"""Gives the vocabulary now in force; asked once per message, since configuration changes."""


class MessageBag(TableBag[M]):
    """A `Bag`. Its own entries are the memo of what was read, None where absent."""

    __slots__ = ("_metadata", "_static", "_vocabulary")

    def __init__(
        self,
        message: M,
        *,
        table: AttributeTable[M],
        static: Mapping[str, str],
        metadata: Mapping[str, Struct],
        vocabulary: Vocabulary,
    ) -> None:
        super().__init__(message, table)
        self._static = static
        self._metadata = metadata
        self._vocabulary = vocabulary

    def _candidates(self) -> Iterable[str]:
        return (*self._static, *self._table, *self._metadata)

    def present(self) -> PlainBag:
        found = super().present()
        for name in (*self._static, *(each for each in self._metadata if each not in self._table)):
            value = self._read(name)
            if value is None:
                found.pop(name, None)
            else:
                found[name] = value
        return found

    def _read(self, name: str) -> Value | None:
        if name in self._static:
            return static_value(name, self._static[name], self._vocabulary)
        read = self._table.get(name)
        if read is not None:
            return read(self._message)
        if name in self._metadata:
            return string_map(self._metadata[name])
        return None
