"""The port of servers that keep values by key: Valkey, Redis, memcached.

Each call is bounded in time by the driver, and raises `KeyValueError` and nothing else for trouble
with the server. Keys are 1 to 250 bytes of printable ASCII without blanks. Values may go at any
time: servers forget what they have no room for.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from remixer.foundation.errors import RemixerError

_EDITION: Final = struct.Struct(">Q")
READERS_LIFE_MS: Final = 3_700_000
"""How long numbers of readers are remembered after the last one; values that are counted should
not live longer."""
UNCOUNTED: Final = _EDITION.pack(0)


class KeyValueError(RemixerError):
    """No usable answer. `str()` names the server and the reason, never a key or a value."""


class KeyValueUnavailableError(KeyValueError):
    """No server: refused, silent, gone, or resting after such failures."""


class KeyValueRefusedError(KeyValueError):
    """The server answered with an error: credentials, no room, a command that it does not know."""


class Put(NamedTuple):
    """A value to keep. A tuple, because batches of them are made on the way."""

    key: bytes
    value: bytes
    life_ms: int
    """At least 1. A server that counts in seconds rounds up."""
    edition: int | None = None
    """Not None: the value is for `read_many`. Not zero: its readers are counted, those of each
    edition by themselves. Below 2^64."""


class Read(NamedTuple):
    """A value that was put with an edition."""

    value: bytes
    ticket: int
    """The reader's number, the first is 1; 0 if nobody counts, or nobody knows."""


class Addition(NamedTuple):
    """An amount to add to a counter, which starts at zero when there is none."""

    key: bytes
    amount: int
    """At least 1."""
    life_ms: int
    """Of the counter, from now on."""


def with_edition(entry: Put) -> bytes:
    """What drivers keep of an entry."""
    return entry.value if entry.edition is None else _EDITION.pack(entry.edition) + entry.value


def edition_of(kept: bytes) -> bytes:
    """The edition's bytes, empty if readers are not counted."""
    edition = kept[: _EDITION.size]
    return b"" if len(edition) < _EDITION.size or edition == UNCOUNTED else edition


def value_of(kept: bytes) -> bytes:
    """The value itself."""
    return kept[_EDITION.size :]


class KeyValues(Protocol):
    """One server, or several that act as one."""

    async def start(self) -> None:
        """Make ready; sends nothing. Raises `RemixerError` if the client is not installed."""
        ...

    async def get_many(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        """The value of each key, None where there is none; one round trip."""
        ...

    async def read_many(self, keys: Sequence[bytes]) -> Sequence[Read | None]:
        """Values that were put with an edition, None where there is none.

        Each reader of a counted one gets a number that nobody else gets. What was put without an
        edition reads as anything.
        """
        ...

    async def put_many(self, entries: Sequence[Put]) -> None:
        """Keep values. Which of them were kept is unknown after an error."""
        ...

    async def add_many(self, additions: Sequence[Addition]) -> Sequence[int]:
        """Add to each counter, atomically; its total after that."""
        ...

    async def aclose(self) -> None:
        """Close all connections; once or twice."""
        ...


class Notices(Protocol):
    """Tells all who listen that something happened; what is told while nobody listens is lost."""

    async def notify(self, channel: str) -> None:
        """Raises `KeyValueError`."""
        ...

    async def listen(self, channel: str, on_notice: Callable[[], None]) -> None:
        """Call `on_notice` at each notice, and once after each connection was made.

        Runs until it is cancelled; connects again by itself.
        """
        ...


class KeyValueStore(KeyValues, Notices, Protocol):
    """A server that does both."""
