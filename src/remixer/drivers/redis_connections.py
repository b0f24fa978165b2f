"""How redis-py's client is made for one server, for sentinels, for a cluster.

Nothing is repeated by the library: whoever knows that a command may be sent twice sends it twice.
The older protocol is spoken, which every server and proxy knows.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from remixer.drivers.redis_address import RedisAddress
from remixer.drivers.redis_errors import RedisUnavailableError
from remixer.drivers.redis_group import Grouping, RedisGroup, RedisPlace

if TYPE_CHECKING:
    from redis.asyncio import BlockingConnectionPool
    from redis.asyncio.connection import AbstractConnection

MOST_CONNECTIONS: Final = 1_000
_MOST_PASSWORD_BYTES: Final = 4_096

Close: TypeAlias = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """How a client behaves."""

    address: RedisPlace
    pool_size: int = 10
    connect_timeout_s: float = 1.0
    command_timeout_s: float = 1.0


def open_redis(settings: RedisSettings) -> tuple[object, Close]:
    """The library's client and what closes it; nothing is sent."""
    place = settings.address
    if isinstance(place, RedisAddress):
        from redis.asyncio import Redis  # noqa: PLC0415 - an optional extra

        client = Redis.from_pool(_pool(settings, place))
        return client, partial(client.aclose, close_connection_pool=True)
    match place.grouping:
        case Grouping.SENTINEL:
            return _of_sentinels(settings, place)
        case Grouping.CLUSTER:
            return _of_cluster(settings, place)


def _of_sentinels(settings: RedisSettings, group: RedisGroup) -> tuple[object, Close]:
    from redis.asyncio.sentinel import Sentinel  # noqa: PLC0415 - an optional extra

    shared: dict[str, Any] = {
        **_times(settings),
        **({"ssl": True, **_tls(group.like)} if group.like.is_tls else {}),
        "protocol": 2,
        "driver_info": None,
    }
    manager_class: Any = Sentinel  # the library has no types for it
    manager = manager_class(group.members, sentinel_kwargs=shared)
    client: Any = manager.master_for(
        group.name,
        db=group.like.database,
        max_connections=min(settings.pool_size, MOST_CONNECTIONS),
        **shared,
        **_credentials(group.like),
    )

    async def close() -> None:
        await client.aclose(close_connection_pool=True)
        for sentinel in manager.sentinels:
            await sentinel.aclose(close_connection_pool=True)

    return client, close


def _of_cluster(settings: RedisSettings, group: RedisGroup) -> tuple[object, Close]:
    from redis.asyncio.cluster import ClusterNode, RedisCluster  # noqa: PLC0415 - an optional extra
    from redis.asyncio.retry import Retry  # noqa: PLC0415 - an optional extra
    from redis.backoff import NoBackoff  # noqa: PLC0415 - an optional extra

    options: dict[str, Any] = {
        **_times(settings),
        # One more look at the layout after a failover; more would outlast the caller.
        "retry": Retry(NoBackoff(), 1),
        **({"ssl": True, **_tls(group.like)} if group.like.is_tls else {}),
        **_credentials(group.like),
    }
    client: Any = RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in group.members],
        # A part of the cluster is better than nothing: its keys are answered, others are misses.
        require_full_coverage=False,
        max_connections=min(settings.pool_size, MOST_CONNECTIONS),
        protocol=2,
        driver_info=None,
        **options,
    )
    return client, client.aclose


def _pool(settings: RedisSettings, address: RedisAddress) -> "BlockingConnectionPool":
    from redis.asyncio import BlockingConnectionPool  # noqa: PLC0415 - an optional extra

    return BlockingConnectionPool(
        max_connections=min(settings.pool_size, MOST_CONNECTIONS),
        timeout=settings.connect_timeout_s + settings.command_timeout_s,
        connection_class=_connection_class(address),
        db=address.database,
        protocol=2,
        driver_info=None,
        **_times(settings),
        **_credentials(address),
        **_place(address),
    )


def _times(settings: RedisSettings) -> dict[str, Any]:
    from redis.asyncio.retry import Retry  # noqa: PLC0415 - an optional extra
    from redis.backoff import NoBackoff  # noqa: PLC0415 - an optional extra

    return {
        "socket_timeout": settings.command_timeout_s,
        "socket_connect_timeout": settings.connect_timeout_s,
        # Repeating is the caller's decision: an allocation may have counted.
        "retry": Retry(NoBackoff(), 0),
    }


def _connection_class(address: RedisAddress) -> "type[AbstractConnection]":
    from redis.asyncio import connection  # noqa: PLC0415 - an optional extra

    if address.socket_path:
        return connection.UnixDomainSocketConnection
    return connection.SSLConnection if address.is_tls else connection.Connection


def _place(address: RedisAddress) -> dict[str, Any]:
    if address.socket_path:
        return {"path": address.socket_path}
    place: dict[str, Any] = {"host": address.host, "port": address.port}
    return place | _tls(address) if address.is_tls else place


def _tls(address: RedisAddress) -> dict[str, Any]:
    return {
        "ssl_ca_certs": address.ca_file or None,
        "ssl_certfile": address.certificate_file or None,
        "ssl_keyfile": address.key_file or None,
    }


def _credentials(address: RedisAddress) -> dict[str, Any]:
    if not address.password_file:
        return {"username": address.username or None, "password": address.password or None}
    from redis.credentials import CredentialProvider  # noqa: PLC0415 - an optional extra

    class FromFile(CredentialProvider):
        """Reads the password at each new connection."""

        async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
            password = await asyncio.to_thread(_password_in, address.password_file)
            return (address.username, password) if address.username else (password,)

    return {"credential_provider": FromFile()}


def _password_in(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return file.read(_MOST_PASSWORD_BYTES).decode().rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        message = f"password file {path}: {reason}"
        raise RedisUnavailableError(message) from None
