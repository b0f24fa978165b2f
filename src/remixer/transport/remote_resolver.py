"""From a name to the addresses behind it, again and again.

`Resolution` is the pure part: which addresses count now, and when to ask again. Addresses that
were found stay in use while the name cannot be resolved: a resolver that is down must not take
the back end with it. Addresses are gRPC targets: `ipv4:127.0.0.1:80`, `ipv6:[::1]:80`,
`unix:/run/adapter.sock`.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, assert_never

from remixer.transport.remote_address import HostTarget, ListTarget, Target, UnixTarget

_TIMEOUT_S: Final = 10.0  # what resolv.conf's defaults come to: two tries of 5 s

ResolverFor: TypeAlias = "Callable[[Target], Resolver]"


class ResolveFailed(Exception):  # noqa: N818 - reads as the outcome it is
    """The name has no addresses just now; `str()` says why."""


class Resolver(Protocol):
    """Knows the addresses of one back end."""

    @property
    def is_fixed(self) -> bool:
        """Whether asking once is enough."""
        ...

    async def resolve(self) -> tuple[str, ...]:
        """All addresses, as gRPC targets. Raises `ResolveFailed`."""
        ...


@dataclass(frozen=True, slots=True)
class FixedResolver:
    """Always the same addresses."""

    addresses: tuple[str, ...]
    is_fixed: bool = True

    async def resolve(self) -> tuple[str, ...]:
        return self.addresses


@dataclass(frozen=True, slots=True)
class SystemResolver:
    """Asks the machine: /etc/hosts, DNS, whatever it is set up with; IPv4 and IPv6."""

    target: HostTarget
    is_fixed: bool = False

    async def resolve(self) -> tuple[str, ...]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                found = await loop.getaddrinfo(
                    self.target.host, self.target.port, type=socket.SOCK_STREAM
                )
        except TimeoutError as error:
            message = f"{self.target.host} was not resolved within {_TIMEOUT_S:g} s"
            raise ResolveFailed(message) from error
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            message = f"{self.target.host} cannot be resolved ({reason})"
            raise ResolveFailed(message) from error
        return tuple(grpc_target(str(place[0]), self.target.port) for *_, place in found)


@dataclass(frozen=True, slots=True)
class ListResolver:
    """All that several others find; one that finds nothing takes none of the others with it."""

    members: tuple[Resolver, ...]

    @property
    def is_fixed(self) -> bool:
        return all(each.is_fixed for each in self.members)

    async def resolve(self) -> tuple[str, ...]:
        found: list[str] = []
        failures: list[str] = []
        for answer in await asyncio.gather(
            *(each.resolve() for each in self.members), return_exceptions=True
        ):
            match answer:
                case ResolveFailed():
                    failures.append(str(answer))
                case BaseException():
                    raise answer
                case _:
                    found.extend(answer)
        if not found:
            raise ResolveFailed("; ".join(failures))
        return tuple(found)


def resolver_for(target: Target) -> Resolver:
    """How the addresses of `target` are found."""
    match target:
        case UnixTarget(path):
            return FixedResolver((f"unix:{path}",))
        case HostTarget(host, port) if target.is_literal:
            return FixedResolver((grpc_target(host, port),))
        case HostTarget():
            return SystemResolver(target)
        case ListTarget(members):
            return ListResolver(tuple(resolver_for(each) for each in members))
        case _:
            assert_never(target)


def grpc_target(host: str, port: int) -> str:
    """The one form that grpc does not resolve again."""
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"


@dataclass(frozen=True, slots=True)
class ResolutionLimits:
    """How often a name is resolved, and how much of the answer is used."""

    period_s: float = 30.0
    """While all is well: addresses that appear are found within this."""
    soonest_s: float = 2.0
    """After a connection broke, or the name did not resolve; doubled while it does not."""
    most_addresses: int = 64


class Resolution:
    """What is known of one name. Not for two tasks at once."""

    __slots__ = ("_faults", "_last_s", "_limits", "_wanted_soon", "addresses", "reason")

    def __init__(self, limits: ResolutionLimits) -> None:
        self._limits = limits
        self.addresses: tuple[str, ...] = ()
        self.reason: str | None = None
        """Why the last try failed; None: it did not."""
        self._last_s: float | None = None
        self._faults = 0
        self._wanted_soon = False

    def found(self, addresses: Iterable[str], *, now_s: float) -> bool:
        """Take a new answer; whether it differs. An empty one counts as a failure."""
        unique = tuple(dict.fromkeys(addresses))[: self._limits.most_addresses]
        if not unique:
            self.failed("the name has no addresses", now_s=now_s)
            return False
        self._asked(now_s)
        self._faults = 0
        self.reason = None
        if set(unique) == set(self.addresses):
            return False
        self.addresses = unique
        return True

    def failed(self, reason: str, *, now_s: float) -> None:
        self._asked(now_s)
        self._faults += 1
        self.reason = reason

    def hurry(self) -> None:
        """A connection broke: the addresses may have changed."""
        self._wanted_soon = True

    def due_in_s(self, *, now_s: float) -> float:
        """Seconds until the name is to be resolved; 0: now."""
        if self._last_s is None:
            return 0.0
        wait_s = self._limits.period_s
        if self._faults:
            doublings = min(self._faults - 1, 10)  # enough to pass any sensible period
            wait_s = min(wait_s, self._limits.soonest_s * 2**doublings)
        elif self._wanted_soon:
            wait_s = min(wait_s, self._limits.soonest_s)
        return max(0.0, self._last_s + wait_s - now_s)

    def _asked(self, now_s: float) -> None:
        self._last_s = now_s
        self._wanted_soon = False
