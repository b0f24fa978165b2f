"""What can be wrong with a Redis or Valkey server."""

from remixer.drivers.key_values import (
    KeyValueError,
    KeyValueRefusedError,
    KeyValueUnavailableError,
)


class RedisError(KeyValueError):
    """A command without a usable answer. `str()` says at which server and why."""


class RedisUnavailableError(RedisError, KeyValueUnavailableError):
    """No server: refused, silent, gone, or resting after such failures."""


class RedisAnswerError(RedisError, KeyValueRefusedError):
    """The server answered with an error: credentials, a script's fault, a wrong type."""
