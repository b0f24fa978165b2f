"""The listeners of one server: opened one by one, closed together, socket files removed."""

import asyncio
from asyncio import AbstractServer, BaseProtocol
from collections.abc import Callable
from typing import Final

from remixer.transport.addresses import (
    SocketFile,
    TcpAddress,
    UnixAddress,
    address_to_listen_on,
    clear_stale_socket,
    refused_by_system,
)
from remixer.transport.own_sockets import tcp_sockets, unix_socket

_ACCEPT_TURNS: Final = 3
"""Of the loop: to see what waits, to accept it, to begin it."""


class Listeners:
    """Of the running loop."""

    def __init__(self, *, backlog: int) -> None:
        """`backlog`: connections that the system holds until we accept them."""
        self._backlog = backlog
        self._servers: list[AbstractServer] = []
        self._socket_files: list[SocketFile] = []

    async def open(self, text: str, make: Callable[[], BaseProtocol], *, setting: str) -> str:
        """Listen on `text`; the bound address. `StartupError` names `setting`."""
        loop, backlog = asyncio.get_running_loop(), self._backlog
        address = address_to_listen_on(text, setting=setting)
        try:
            if isinstance(address, UnixAddress):
                clear_stale_socket(address, setting=setting)
                bound = unix_socket(address, backlog=backlog)
                self._socket_files.append(SocketFile.of(address))
                server = await loop.create_unix_server(make, sock=bound, backlog=backlog)
                self._servers.append(server)
                return str(address)
            sockets = await tcp_sockets(address, loop, backlog=backlog)
            for each in sockets:
                self._servers.append(await loop.create_server(make, sock=each, backlog=backlog))
        except OSError as error:
            raise refused_by_system(address, error, setting=setting) from error
        return str(TcpAddress(address.host, sockets[0].getsockname()[1]))

    async def accept_waiting(self) -> None:
        """Take in connections that peers have made and the loop has not seen yet."""
        for _ in range(_ACCEPT_TURNS if self._servers else 0):
            await asyncio.sleep(0)

    def close(self) -> None:
        """Accept nothing more; twice is safe. Connections live on."""
        for server in self._servers:
            server.close()
        self._servers.clear()

    def remove_files(self) -> None:
        """Socket files that are still ours; twice is safe."""
        for file in self._socket_files:
            file.remove()
        self._socket_files.clear()
