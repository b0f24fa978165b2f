"""A bag over one of Envoy's messages: each attribute is decoded when it is first read.

Order of look-up, first present wins:

1. static attributes, which the operator wrote into Envoy's configuration: they name what no
   message carries and correct what Envoy cannot know;
2. the table of the message: attribute name to the function that reads it;
3. dynamic metadata: a namespace that another filter wrote is a string map of that name.
   Source: the report attributes of Mixer's client.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Self, TypeAlias

from google.protobuf.struct_pb2 import Struct

from remixer.attributes.bag import PlainBag
from remixer.attributes.static_values import static_value
from remixer.attributes.table_bag import TableBag, read_all
from remixer.attributes.values import Value, ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.frontends.envoy.structs import string_map

VocabularySource: TypeAlias = Callable[[], Vocabulary]
"""Gives the vocabulary now in force; asked once per message, since configuration changes."""


class MessageBag(TableBag):
    """What the bags of all messages have in common; the parts of the message are a subclass's own.

    A subclass sets all attributes when it is made: every request makes one, and a chain of
    initializers costs as much as the rest.
    """

    __slots__ = ("static", "table", "vocabulary")

    table: Mapping[str, Callable[[Self], Value | None]]
    static: Mapping[str, str]
    vocabulary: Vocabulary

    @property
    @abstractmethod
    def metadata(self) -> Mapping[str, Struct]:
        """Dynamic metadata, by namespace."""

    def _candidates(self) -> Iterable[str]:
        return (*self.static, *self.table, *self.metadata)

    def present(self: Self) -> PlainBag:
        table = self.table
        found = read_all(table, self, PlainBag())
        for name in (*self.static, *(each for each in self.metadata if each not in table)):
            value = self[name]
            if value is None:
                found.pop(name, None)
            else:
                found[name] = value
        return found

    def __missing__(self: Self, name: str) -> Value | None:
        value: Value | None
        static = self.static
        if name in static:
            value = static[name]
            declared = self.vocabulary.types.get(name)
            if declared is not None and declared is not ValueType.STRING:
                value = static_value(value, declared)
        elif (read := self.table.get(name)) is not None:
            value = read(self)
        else:
            metadata = self.metadata
            value = string_map(metadata[name]) if name in metadata else None
        self[name] = value
        return value
