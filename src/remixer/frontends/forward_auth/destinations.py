"""Which service a request is for, by the host that it names. Pure.

A proxy that asks over HTTP tells nothing of the service behind it, so operators write it down here:
attributes by host, `*.example.com` for all hosts below that name, `*` for all others. Clients choose
the host that they name. So a host that no entry covers is for no service at all, and its requests
are refused: else whoever names one that the proxy passes on, and nobody thought of, would leave the
rules of the service's namespace behind.
"""

from collections.abc import Callable, Mapping
from typing import Final

from remixer.attributes.bag import PlainBag
from remixer.attributes.http_bag import inbound_attributes
from remixer.attributes.static_values import static_value
from remixer.attributes.values import ValueType
from remixer.attributes.vocabulary import Vocabulary

ANY_HOST: Final = "*"
_BELOW: Final = "*."
_LONGEST_NAME: Final = 253
"""Of a host, in DNS. A longer one is looked up no further."""


def host_of(authority: str) -> str:
    """The host in the form of a table's keys: without port, lower case, without a final dot."""
    if authority.startswith("["):
        return authority.partition("]")[0].lower() + "]"
    return authority.partition(":")[0].lower().removesuffix(".")


class Destinations:
    """Attributes of services by host, as values of the types that the vocabulary declares."""

    __slots__ = ("_by_host", "_texts", "_vocabulary", "_vocabulary_in_force")

    def __init__(
        self,
        texts: Mapping[str, Mapping[str, str]],
        *,
        vocabulary: Callable[[], Vocabulary],
    ) -> None:
        """`texts`: attributes by host, of which each is its own `host_of`, `*`, or `*.` and one.

        `vocabulary` gives the one in force; it is asked for every request.
        """
        self._texts = texts
        self._vocabulary_in_force = vocabulary
        self._vocabulary: Vocabulary | None = None
        self._by_host: Mapping[str, PlainBag] = {}

    def attributes_of(self, authority: str) -> PlainBag | None:
        """Of the service that requests to this host are for; None: no entry covers it.

        The most exact entry counts, and no other.
        """
        vocabulary = self._vocabulary_in_force()
        if vocabulary is not self._vocabulary:
            self._by_host = _typed(self._texts, vocabulary)
            self._vocabulary = vocabulary
        host = host_of(authority)
        return self._by_host.get(host) or self._covering(host)

    def _covering(self, host: str) -> PlainBag | None:
        dot = "." if len(host) <= _LONGEST_NAME else ""
        while dot:
            _, dot, host = host.partition(".")
            found = self._by_host.get(_BELOW + host)
            if found is not None:
                return found
        return self._by_host.get(ANY_HOST)


def _typed(texts: Mapping[str, Mapping[str, str]], vocabulary: Vocabulary) -> dict[str, PlainBag]:
    types = vocabulary.types
    return {
        host: inbound_attributes(
            {
                name: value
                for name, text in attributes.items()
                if (value := static_value(text, types.get(name, ValueType.STRING))) is not None
            }
        )
        for host, attributes in texts.items()
    }
