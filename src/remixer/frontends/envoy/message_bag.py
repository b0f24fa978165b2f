"""A bag over one of Envoy's messages: each attribute is decoded when it is first read.

Order of look-up, first present wins:

1. static attributes, which the operator wrote into Envoy's configuration: they name what no
   message carries and correct what Envoy cannot know;
2. the table of the message: attribute name to the function that reads it;
3. dynamic metadata: a namespace that another filter wrote is a string map of that name.
   Source: the report attributes of Mixer's client.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, TypeAlias, TypeVar

from google.protobuf.struct_pb2 import Struct

from remixer.attributes.bag import PlainBag
from remixer.attributes.table_bag import AttributeTable, TableBag
from remixer.attributes.values import Value
from remixer.attributes.vocabulary import Vocabulary
from remixer.frontends.envoy.static_attributes import static_value
from remixer.frontends.envoy.structs import string_map


class Message(Protocol):
    """What attributes are read from."""

    @property
    def metadata(self) -> Mapping[str, Struct]:
        """Dynamic metadata, by namespace."""
        ...


M = TypeVar("M", bound=Message)
VocabularySource: TypeAlias = Callable[[], Vocabulary]
"""Gives the vocabulary now in force; asked once per message, since configuration changes."""


class MessageBag(TableBag[M]):
    """A `Bag`. Its own entries are the memo of what was read, None where absent."""

    __slots__ = ("_static", "_vocabulary")

    def __init__(
        self,
        message: M,
        *,
        table: AttributeTable[M],
        static: Mapping[str, str],
        vocabulary: Vocabulary,
    ) -> None:
        self._message = message
        self._table = table
        self._static = static
        self._vocabulary = vocabulary

    def _candidates(self) -> Iterable[str]:
        return (*self._static, *self._table, *self._message.metadata)

    def present(self) -> PlainBag:
        found = super().present()
        written = (each for each in self._message.metadata if each not in self._table)
        for name in (*self._static, *written):
            value = self[name]
            if value is None:
                found.pop(name, None)
            else:
                found[name] = value
        return found

    def __missing__(self, name: str) -> Value | None:
        value: Value | None
        static = self._static
        if name in static:
            value = static_value(name, static[name], self._vocabulary)
        elif (read := self._table.get(name)) is not None:
            value = read(self._message)
        else:
            metadata = self._message.metadata
            value = string_map(metadata[name]) if name in metadata else None
        self[name] = value
        return value
