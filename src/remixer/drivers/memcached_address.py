"""Where memcached servers are, as operators write it. Pure.

memcached://a,b:11212,[::1]      several, each of which keeps its share of the keys
memcached+unix:///run/cache.sock a socket file
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from remixer.foundation.errors import RemixerError

DEFAULT_PORT: Final = 11_211
_MOST_SERVERS: Final = 100  # arbitrary; each has connections and a probe of its own


class MemcachedAddressError(RemixerError):
    """The text names no servers; `str()` says why."""


@dataclass(frozen=True, slots=True)
class MemcachedAddress:
    """Where a server is."""

    host: str = ""
    port: int = DEFAULT_PORT
    socket_path: str = ""
    """Set: a socket file; `host` and `port` mean nothing then."""

    def __str__(self) -> str:
        if self.socket_path:
            return f"memcached+unix:{self.socket_path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"memcached://{host}:{self.port}"


def parse_memcached_addresses(text: str) -> tuple[MemcachedAddress, ...]:
    """At least one, all different. Raises `MemcachedAddressError`."""
    scheme, _, rest = text.partition("://")
    if scheme == "memcached+unix":
        if not rest.startswith("/"):
            message = "the path of a socket file must be absolute: memcached+unix:///run/cache.sock"
            raise MemcachedAddressError(message)
        return (MemcachedAddress(socket_path=unquote(rest)),)
    if scheme != "memcached":
        message = f"scheme `{scheme}` is unknown; known are memcached, memcached+unix"
        raise MemcachedAddressError(message)
    servers = tuple(map(_server, rest.removesuffix("/").split(",")))
    if len(set(servers)) < len(servers):
        message = "it names a server twice"
        raise MemcachedAddressError(message)
    if len(servers) > _MOST_SERVERS:
        message = f"it names {len(servers)} servers; {_MOST_SERVERS} are the most"
        raise MemcachedAddressError(message)
    return servers


def _server(text: str) -> MemcachedAddress:
    if any(each.isspace() or each in "@/?#" for each in text):
        message = "it has more than hosts and ports"
        raise MemcachedAddressError(message)
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        message = f"server `{text}`: {error}"
        raise MemcachedAddressError(message) from error
    if not host or port == 0:
        message = f"server `{text}`: it names no {'host' if not host else 'port'}"
        raise MemcachedAddressError(message)
    return MemcachedAddress(host, DEFAULT_PORT if port is None else port)
