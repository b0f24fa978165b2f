"""The addresses of back ends, as operators write them: gRPC's dial targets. Pure.

Forms: `HOST:PORT`, `[IPV6]:PORT`, `unix:PATH`, and before a host `dns:///`, `dns:`,
`passthrough:///` or `tcp://`. A name stands for all of its addresses; several, with commas between
them, are servers that all do the same.
"""

import ipaddress
from dataclasses import dataclass
from typing import Final, TypeAlias

_HIGHEST_PORT: Final = 65_535
_LONGEST_NAME: Final = 253  # RFC 1035, as text
_PREFIXES: Final = ("dns:///", "dns:", "passthrough:///", "tcp://")
_NAME_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")


@dataclass(frozen=True, slots=True)
class HostTarget:
    """A name or a literal address, and a port. The host of IPv6 is kept without brackets."""

    host: str
    port: int

    @property
    def is_literal(self) -> bool:
        return is_literal(self.host)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixTarget:
    """A socket in the file system."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class ListTarget:
    """Several places, each as good as the others."""

    members: tuple[HostTarget | UnixTarget, ...]

    def __str__(self) -> str:
        return ",".join(map(str, self.members))


Target: TypeAlias = HostTarget | UnixTarget | ListTarget


def parse_target(text: str) -> Target:
    """Read an address or a list of them; raises ValueError that says what was wanted."""
    if "," not in text:
        return parse_one_target(text)
    members = tuple(parse_one_target(each.strip()) for each in text.split(","))
    if len(set(members)) < len(members):
        message = f"`{text}` names one address twice"
        raise ValueError(message)
    return ListTarget(members)


def parse_one_target(text: str) -> HostTarget | UnixTarget:
    """Read one address; raises ValueError that says what was wanted."""
    if not text:
        message = "is empty; wanted HOST:PORT or unix:PATH"
        raise ValueError(message)
    if text.startswith("unix:"):
        path = text.removeprefix("unix:").removeprefix("//")
        if not path or "\0" in path:
            message = f"`{text}` names no path; wanted unix:PATH"
            raise ValueError(message)
        return UnixTarget(path)
    rest = next((text.removeprefix(each) for each in _PREFIXES if text.startswith(each)), text)
    if "/" in rest:
        message = f"`{text}` is not HOST:PORT or unix:PATH"
        raise ValueError(message)
    host, _, port = rest.rpartition(":")
    return HostTarget(_host(host, whole=text), _port(port, whole=text))


def is_literal(host: str) -> bool:
    """Whether `host` is an address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _host(host: str, *, whole: str) -> str:
    if host.startswith("[") and host.endswith("]") and is_literal(host[1:-1]):
        return host[1:-1]
    if ":" in host:
        message = f"`{whole}`: an IPv6 address needs brackets, as in [::1]:9091"
        raise ValueError(message)
    if not host or len(host) > _LONGEST_NAME or not _NAME_LETTERS.issuperset(host.lower()):
        message = f"`{whole}` is not HOST:PORT or unix:PATH"
        raise ValueError(message)
    return host


def _port(port: str, *, whole: str) -> int:
    if not (port.isascii() and port.isdigit()) or not 1 <= int(port[:6]) <= _HIGHEST_PORT:
        message = f"`{whole}`: the port must be a number from 1 to {_HIGHEST_PORT}"
        raise ValueError(message)
    return int(port)
