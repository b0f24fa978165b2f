"""Datagrams to one peer, over UDP or a Unix socket. Sending never waits and never raises.

Theory of operation. A UDP sender holds a connected socket per resolved address: so the system
tells when nobody listens. That news comes with the *next* send, which then was not made; it is
made again at once. A name is looked up off the loop, in `open` and then by `keep_resolved`, again
and again, sooner while there is no address; an address that is still among those found is kept.
A Unix sender finds its peer by path at every send, so a peer that came back is found too.

There is no queue: the socket's own buffer is the bounded one. What does not fit, or cannot be
sent, is dropped, counted, and logged at intervals.
"""

import asyncio
import errno
import socket
from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeAlias

from remixer.foundation.clock import Clock
from remixer.foundation.event_limit import EventLimit
from remixer.foundation.log import event_log
from remixer.transport.addresses import Address, TcpAddress, UnixAddress, parse_address

LARGEST_DATAGRAM_BYTES: Final = 65_507
"""What UDP over IPv4 can carry."""
RESOLVE_INTERVAL_S: Final = 30.0
"""As long as the names of most clusters live."""
_RETRY_INTERVAL_S: Final = 2.0
_RESOLVE_TIMEOUT_S: Final = 10.0
_FIRST_RESOLVE_TIMEOUT_S: Final = 2.0
"""Of the look-up that a handler's build waits for."""
_LOG_INTERVAL_S: Final = 60.0
_NO_ADDRESS: Final = "the name is not resolved yet"

_log: Final = event_log(__name__)

SocketAddress: TypeAlias = tuple[socket.AddressFamily, tuple[Any, ...]]
"""Family, and the address as the socket functions take it."""


class Resolver(Protocol):
    """Finds the addresses of a name, best first, without holding up the loop."""

    async def __call__(self, host: str, port: int) -> Sequence[SocketAddress]:
        """Raises `OSError`."""
        ...


def parse_peer(text: str) -> Address:
    """`HOST:PORT`, `[IPV6]:PORT`, `:PORT` (this machine) or `unix:PATH`.

    Raises `ValueError` that says what was wanted.
    """
    host_and_port = text.removeprefix("udp://")
    if host_and_port.startswith(":"):
        host_and_port = f"localhost{host_and_port}"
    if host_and_port.startswith("tcp://"):
        message = f"`{text}` is not HOST:PORT or unix:PATH; datagrams go over UDP"
        raise ValueError(message)
    address = parse_address(host_and_port)
    if isinstance(address, TcpAddress) and address.port == 0:
        message = f"`{text}`: port 0 cannot be sent to"
        raise ValueError(message)
    return address


async def resolve(host: str, port: int) -> Sequence[SocketAddress]:
    """By the system's resolver, in a thread. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    return [(family, place) for family, _kind, _protocol, _name, place in found]


class DatagramSender:
    """Sends to one peer. `open` first, `keep_resolved` in a task, `close` at the end."""

    def __init__(
        self, peer: Address, *, name: str, clock: Clock, resolver: Resolver = resolve
    ) -> None:
        self._peer = peer
        self._name = name
        self._clock = clock
        self._resolver = resolver
        self._socket: socket.socket | None = None
        self._current: SocketAddress | None = None
        self._is_named = False
        self._is_closed = False
        self._limit = EventLimit(interval_s=_LOG_INTERVAL_S)
        self.sent = 0
        """Datagrams that the system took."""
        self.dropped = 0
        """Datagrams that were not sent, or that nobody received."""

    async def open(self) -> None:
        """Get a socket. A name is looked up once, for a moment; `keep_resolved` goes on.

        Raises `OSError` if the system has no sockets left.
        """
        if isinstance(self._peer, UnixAddress):
            self._socket = _socket(socket.AF_UNIX)
            return
        place = _numeric(self._peer)
        if place is not None:
            self._use(place)
        else:
            self._is_named = True
            await self._resolve(self._peer, timeout_s=_FIRST_RESOLVE_TIMEOUT_S)

    def close(self) -> None:
        """Now; once or twice."""
        self._is_closed = True
        held, self._socket = self._socket, None
        if held is not None:
            held.close()

    def send(self, payload: bytes) -> bool:
        """Hand `payload` to the system; False if it is dropped."""
        reason = self._attempt(payload)
        if reason is None:
            self.sent += 1
            return True
        self._lose(reason)
        return False

    async def keep_resolved(self) -> None:
        """Look the name up for ever; returns at once if there is none to look up."""
        if isinstance(self._peer, UnixAddress) or not self._is_named:
            return
        while not self._is_closed:
            await asyncio.sleep(RESOLVE_INTERVAL_S if self._socket else _RETRY_INTERVAL_S)
            await self._resolve(self._peer, timeout_s=_RESOLVE_TIMEOUT_S)

    # ------------------------------------------------------------ sending

    def _attempt(self, payload: bytes) -> str | None:
        """None if it was sent, else why not."""
        if self._socket is None:
            return "closed" if self._is_closed else _NO_ADDRESS
        try:
            self._send_once(self._socket, payload)
        except ConnectionRefusedError as error:
            if isinstance(self._peer, UnixAddress):
                return _reason(error)
            self._lose("nobody listens there")  # an earlier datagram; this one is still here
            return self._attempt_again(self._socket, payload)
        except OSError as error:
            return _reason(error)
        return None

    def _attempt_again(self, held: socket.socket, payload: bytes) -> str | None:
        try:
            self._send_once(held, payload)
        except OSError as error:
            return _reason(error)
        return None

    def _send_once(self, held: socket.socket, payload: bytes) -> None:
        if isinstance(self._peer, UnixAddress):
            held.sendto(payload, self._peer.path)
        else:
            held.send(payload)

    def _lose(self, reason: str) -> None:
        self.dropped += 1
        held_back = self._limit.pass_now(reason, now_s=self._clock.monotonic_s())
        if held_back is not None:
            _log.warning(
                "datagram_dropped",
                sender=self._name,
                peer=str(self._peer),
                reason=reason,
                dropped_so_far=self.dropped,
            )

    # ------------------------------------------------------------ addresses

    async def _resolve(self, peer: TcpAddress, *, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                found = await self._resolver(peer.host, peer.port)
        except (OSError, UnicodeError) as error:  # UnicodeError: a name that IDNA refuses
            self._tell_unresolved(_reason(error))
            return
        if self._is_closed or (self._socket is not None and self._current in found):
            return
        # Go's clients of this protocol prefer IPv4, and so operators' daemons listen there.
        for each in sorted(found, key=lambda place: place[0] is not socket.AF_INET):
            try:
                self._use(each)
            except OSError as error:
                self._tell_unresolved(_reason(error))
            else:
                return

    def _use(self, target: SocketAddress) -> None:
        family, place = target
        fresh = _socket(family)
        try:
            fresh.connect(place)  # of a datagram socket: only notes the address
        except OSError:
            fresh.close()
            raise
        before, self._socket, self._current = self._socket, fresh, target
        if before is not None:
            before.close()

    def _tell_unresolved(self, reason: str) -> None:
        held_back = self._limit.pass_now("resolve", now_s=self._clock.monotonic_s())
        if held_back is not None:
            _log.warning(
                "datagram_peer_unresolved", sender=self._name, peer=str(self._peer), reason=reason
            )


def _socket(family: socket.AddressFamily) -> socket.socket:
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.settimeout(0)
    return made


def _numeric(peer: TcpAddress) -> SocketAddress | None:
    """The address, if the host is one and no name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, peer.host)
        except (OSError, ValueError):
            continue
        return family, (peer.host, peer.port)
    return None


def _reason(error: Exception) -> str:
    if isinstance(error, BlockingIOError):
        return "the socket's buffer is full"
    if isinstance(error, OSError) and error.errno == errno.EMSGSIZE:
        return "too long for a datagram"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
