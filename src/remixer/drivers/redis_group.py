"""Redis or Valkey servers that act as one, as operators write them. Pure.

valkey+sentinel://user:secret@a:26379,b/shop?db=1   the primary that sentinels call `shop`
valkey+cluster://a:6379,b                           a cluster; any of its servers will do

`redis+…` means the same; `rediss+…` and `valkeys+…` mean TLS. Options are those of one server;
name, password and database are those of the servers, and sentinels are asked without.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, NoReturn, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

from remixer.drivers.redis_address import RedisAddress, RedisAddressError, parse_redis_address

_SENTINEL_PORT: Final = 26_379
_MOST_MEMBERS: Final = 100  # arbitrary; a few are enough to find the others


class Grouping(Enum):
    """How the servers find each other."""

    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class RedisGroup:
    """Several servers."""

    grouping: Grouping
    members: tuple[tuple[str, int], ...]
    """Hosts and ports: of sentinels, or of servers of the cluster."""
    like: RedisAddress
    """How to talk to each server: database, credentials, TLS. Its host means nothing."""
    name: str = ""
    """What sentinels call the primary."""

    def __str__(self) -> str:
        """For logs: never a name or password of a user."""
        members = ",".join(f"{host}:{port}" for host, port in self.members)
        scheme = "rediss" if self.like.is_tls else "redis"
        return f"{scheme}+{self.grouping.value}://{members}/{self.name}".rstrip("/")


RedisPlace: TypeAlias = RedisAddress | RedisGroup


def parse_redis_place(text: str) -> RedisPlace:
    """One server or several. Raises `RedisAddressError`."""
    scheme, plus, rest = text.partition("+")
    kind, separator, _ = rest.partition("://")
    if not plus or not separator or kind not in {each.value for each in Grouping}:
        return parse_redis_address(text)
    grouping = Grouping(kind)
    url = f"{scheme}{rest.removeprefix(kind)}"
    try:
        parts = urlsplit(url)
    except ValueError:
        _refuse("it is not a URL")
    credentials, at, hosts = parts.netloc.rpartition("@")
    addresses = [_member(parts, host, grouping) for host in hosts.split(",")]
    if len(addresses) > _MOST_MEMBERS:
        _refuse(f"it names {len(addresses)} servers; {_MOST_MEMBERS} are the most")
    name = unquote(parts.path.strip("/"))
    if grouping is Grouping.SENTINEL and not name:
        _refuse("it does not say what the sentinels call the primary: …/NAME")
    if grouping is Grouping.CLUSTER and name:
        _refuse("a cluster has neither a name nor a database")
    like = parse_redis_address(parts._replace(netloc=f"{credentials}{at}group", path="").geturl())
    return RedisGroup(
        grouping=grouping,
        members=tuple((each.host, each.port) for each in addresses),
        like=replace(like, host="", port=0),
        name=name,
    )


def _member(parts: SplitResult, host: str, grouping: Grouping) -> RedisAddress:
    plain = parse_redis_address(f"{parts.scheme}://{host}")
    if grouping is Grouping.SENTINEL and not host.rpartition("]")[2].count(":"):
        return replace(plain, port=_SENTINEL_PORT)
    return plain


def _refuse(reason: str) -> NoReturn:
    # Without the cause: its text may repeat a password.
    raise RedisAddressError(reason) from None
