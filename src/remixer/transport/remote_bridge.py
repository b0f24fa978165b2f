"""TLS with a check of the server's identity, beside gRPC's own stack.

Theory of operation. gRPC's C library compares a server's certificate with a host name and lets
nobody else look at it, so a certificate whose only name is a SPIFFE URI is always refused. Where
such an identity is wanted, the library speaks plain HTTP/2 to a Unix socket in a directory that
only this user may enter; for each connection there, the bridge makes one TLS connection to the
back end, verifies the chain, compares the URI, and then passes bytes both ways. A connection is
never used before it is verified. Each side stops reading while the other cannot write, so little
is kept in memory.
"""

import asyncio
import shutil
import ssl
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Final, cast

from remixer.transport.remote_address import HostTarget, UnixTarget, parse_one_target
from remixer.transport.remote_security import Identified

_HANDSHAKE_S: Final = 5.0
"""As long as gRPC tries to connect in `remote_subchannel`."""
_MOST_HELD_BYTES: Final = 65_536
_ALPN: Final = "h2"

StartTask = Callable[[Coroutine[object, None, None]], object]


class _UnidentifiedError(Exception):
    """The server is not the one that was wanted."""


class _Side(asyncio.Protocol):
    """One end of a connection that is passed on."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _Side | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods and not the class.
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool | None:
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base class's signature
        self.transport = None
        other = self.other
        if other is not None and other.transport is not None:
            other.transport.close()

    def pause_writing(self) -> None:
        if self.other is not None and (to := self.other.transport) and not to.is_closing():
            to.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and (to := self.other.transport) and not to.is_closing():
            to.resume_reading()


class _Accepted(_Side):
    """The end to gRPC's library: what it says is kept until the back end is verified."""

    def __init__(self, on_made: Callable[["_Accepted"], None]) -> None:
        super().__init__()
        self._on_made = on_made
        self._held = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._on_made(self)

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            super().data_received(data)
            return
        # Not paused from the start: uvloop begins to read after `connection_made`, paused or not.
        self._held += data
        if len(self._held) >= _MOST_HELD_BYTES and self.transport is not None:
            self.transport.pause_reading()

    def pass_on(self, far: _Side) -> None:
        """Both are connected: from now on everything goes through."""
        self.other, far.other = far, self
        if self.transport is None:
            if far.transport is not None:
                far.transport.abort()
            return
        if far.transport is None:
            self.transport.abort()
            return
        far.transport.write(bytes(self._held))
        self._held.clear()
        self.transport.resume_reading()


class TlsBridge:
    """Passes connections on to one address."""

    def __init__(self, address: str, security: Identified, *, start_task: StartTask) -> None:
        self._target = parse_one_target(address.removeprefix("ipv4:").removeprefix("ipv6:"))
        self._security = security
        self._start_task = start_task
        self._folder: str | None = None
        self._server: asyncio.AbstractServer | None = None
        self._open: set[_Accepted] = set()
        self.fault: str | None = None
        """Why the last connection could not be made; None: it could."""

    async def start(self) -> str:
        """Listen; where, as a gRPC target. Raises OSError."""
        # Two system calls on a local disk. Mode 0700: nobody else may connect.
        self._folder = tempfile.mkdtemp(prefix="remixer-")
        path = str(Path(self._folder) / "s")
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Accepted(self._accepted), path)
        return f"unix:{path}"

    def close(self) -> None:
        """Cut all connections; once or twice."""
        if self._server is not None:
            self._server.close()
        for side in tuple(self._open):
            if side.transport is not None:
                side.transport.abort()
        self._open.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _accepted(self, near: _Accepted) -> None:
        self._open = {each for each in self._open if each.transport is not None}
        self._open.add(near)
        self._start_task(self._join(near))

    async def _join(self, near: _Accepted) -> None:
        far = _Side()
        try:
            async with asyncio.timeout(_HANDSHAKE_S):
                await self._dial(far)
            self._must_be_identified(far)
        except TimeoutError:
            self._give_up(near, far, f"no TLS connection within {_HANDSHAKE_S:g} s")
        except (OSError, ValueError, _UnidentifiedError) as error:
            self._give_up(near, far, _reason(error))
        except BaseException:
            self._give_up(near, far, "closed")
            raise
        else:
            self.fault = None
            near.pass_on(far)

    async def _dial(self, far: _Side) -> None:
        loop = asyncio.get_running_loop()
        context, name = self._security.context, self._security.indication or ""
        match self._target:
            case HostTarget(host, port):
                await loop.create_connection(
                    lambda: far, host, port, ssl=context, server_hostname=name
                )
            case UnixTarget(path):
                await loop.create_unix_connection(
                    lambda: far, path, ssl=context, server_hostname=name
                )

    def _must_be_identified(self, far: _Side) -> None:
        """Raises `_UnidentifiedError`. Source: the peer check of Mixer 1.3."""
        encrypted = None if far.transport is None else far.transport.get_extra_info("ssl_object")
        if encrypted is None:
            message = "the connection was closed in the handshake"
            raise _UnidentifiedError(message)
        names = (encrypted.getpeercert() or {}).get("subjectAltName", ())
        found = {value for kind, value in names if kind == "URI"}
        if not found & self._security.identities:
            message = (
                f"the server's certificate has the identity {_listed(found)}; "
                f"wanted {_listed(self._security.identities)}"
            )
            raise _UnidentifiedError(message)
        if encrypted.selected_alpn_protocol() != _ALPN:
            message = "the server does not speak HTTP/2"
            raise _UnidentifiedError(message)

    def _give_up(self, near: _Accepted, far: _Side, reason: str) -> None:
        self.fault = reason
        for side in (near, far):
            if side.transport is not None:
                side.transport.abort()


def _listed(names: frozenset[str] | set[str]) -> str:
    return ", ".join(sorted(names)) or "(none)"


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS handshake failed ({error.reason or error})"
    return str(error)
