"""A kept port is refused to everybody but a server."""

import asyncio
import socket

import pytest

from remixer.testing.ports import KeptPort


def test_who_connects_is_refused() -> None:
    with KeptPort() as port, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port.number))


def test_nobody_else_is_given_it() -> None:
    with KeptPort() as port, socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port.number))


async def test_a_server_may_listen_there_and_go_and_come_again() -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    with KeptPort() as port:
        for _ in range(3):
            server = await asyncio.start_server(greet, "127.0.0.1", port.number)
            reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
            assert await reader.read() == b"hello"
            writer.close()
            server.close()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port.number))


def test_one_of_a_number_may_be_kept_again() -> None:
    with KeptPort() as port:
        number = port.number
    with KeptPort(number) as port:
        assert port.address == f"127.0.0.1:{number}"
