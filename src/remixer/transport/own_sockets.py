"""Listening sockets: private files for Unix, one port on all addresses of a host for TCP.

And the words for who is on the other end of an accepted one.
"""

import errno
import socket
from asyncio import AbstractEventLoop, BaseTransport
from collections.abc import Sequence
from typing import Final

from remixer.transport.addresses import TcpAddress, UnixAddress, owner_only_files

_PORT_TRIES: Final = 16
"""For one free port on all addresses of a host name; more than 2 are hardly ever needed."""


def unix_socket(address: UnixAddress, *, backlog: int) -> socket.socket:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with owner_only_files():
            found.bind(address.path)
        found.listen(backlog)
    except BaseException:
        found.close()
        raise
    return found


async def tcp_sockets(
    address: TcpAddress, loop: AbstractEventLoop, *, backlog: int
) -> list[socket.socket]:
    """Listening on all addresses of the host, on one port."""
    found = await loop.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    places = list(dict.fromkeys((family, place) for family, _, _, _, place in found))
    for _ in range(_PORT_TRIES - 1):
        try:
            return _listen_on_all(places, backlog=backlog)
        except OSError as error:
            # The port that was free on one address may be taken on the next.
            if address.port or error.errno != errno.EADDRINUSE:
                raise
    return _listen_on_all(places, backlog=backlog)


_Place = tuple[int, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]
_NO_SUCH_ADDRESS: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""`localhost` may name ::1 on a machine without IPv6."""


def _listen_on_all(places: Sequence[_Place], *, backlog: int) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    try:
        for family, place in places:
            port = sockets[0].getsockname()[1] if sockets else int(place[1])
            try:
                sockets.append(_tcp_socket(family, (place[0], port, *place[2:]), backlog))
            except OSError as error:
                if error.errno not in _NO_SUCH_ADDRESS:
                    raise
                missing = error
    except BaseException:
        for each in sockets:
            each.close()
        raise
    if missing is not None and not sockets:
        raise missing
    return sockets


def _tcp_socket(family: int, place: tuple[object, ...], backlog: int) -> socket.socket:
    # Named, because asyncio sets TCP_NODELAY only on sockets that say what they are.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        found.bind(place)
        found.listen(backlog)
    except BaseException:
        found.close()
        raise
    return found


def peer_address(transport: BaseTransport) -> str:
    """Who is on the other end, in the form of `Peer.address`."""
    name = transport.get_extra_info("peername")
    match name:
        case (str(host), int(port)):
            return f"ipv4:{host}:{port}"
        case (str(host), int(port), *_):
            return f"ipv6:[{host}]:{port}"
        case _:
            return "unix:"
