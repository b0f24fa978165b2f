"""The port of servers that keep values by key: Valkey, Redis, memcached.

Each call is bounded in time by the driver, and raises `KeyValueError` and nothing else for trouble
with the server. Keys are 1 to 250 bytes of printable ASCII without blanks. Values may go at any
time: servers forget what they have no room for.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from remixer.foundation.errors import RemixerError


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


class Addition(NamedTuple):
    """An amount to add to a counter, which starts at zero when there is none."""

    key: bytes
    amount: int
    """At least 1."""
    life_ms: int
    """Of the counter, from now on."""


class KeyValues(Protocol):
    """One server, or several that act as one."""

    async def start(self) -> None:
        """Make ready; sends nothing. Raises `RemixerError` if the client is not installed."""
        ...

    async def get_many(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        """The value of each key, None where there is none; one round trip."""
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
