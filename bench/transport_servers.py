"""Bare servers under load, one stack each, with constant answers.

Run as `python -m bench.transport_servers own|grpcio|echo [CERTIFICATE KEY]`; prints the bound address
as its first line and serves until its standard input is closed.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import cast

import uvloop

from remixer.foundation.clock import SystemClock
from remixer.transport.grpcio_server import grpcio_servers
from remixer.transport.own_server import own_servers
from remixer.transport.port import (
    CallContext,
    Listener,
    Method,
    StreamMethod,
    TlsFiles,
    TransportLimits,
    UnaryMethod,
)

PLAIN = "/bench.Bench/Plain"
COROUTINE = "/bench.Bench/Coroutine"
WAITING = "/bench.Bench/Waiting"
COUNT = "/bench.Bench/Count"
"""Client streaming: one answer after all requests."""
EACH = "/bench.Bench/Each"
"""Both ways: an answer to each request."""
AUTHORIZATION = "/envoy.service.auth.v3.Authorization/Check"
"""What Envoy asks; an empty answer allows."""
ANSWER = bytes.fromhex("12080a001202083c18904e")
ECHO = "echo"
STACKS = {"own": own_servers, "grpcio": grpcio_servers}


def plain(_request: bytes, _call: CallContext) -> bytes:
    return ANSWER


async def coroutine(_request: bytes, _call: CallContext) -> bytes:
    return ANSWER


async def waiting(_request: bytes, _call: CallContext) -> bytes:
    await asyncio.sleep(0)
    return ANSWER


async def count(requests: AsyncIterator[bytes], _call: CallContext) -> AsyncIterator[bytes]:
    async for _ in requests:
        pass
    yield ANSWER


async def each(requests: AsyncIterator[bytes], _call: CallContext) -> AsyncIterator[bytes]:
    async for _ in requests:
        yield ANSWER


METHODS: tuple[Method, ...] = (
    UnaryMethod(PLAIN, plain),
    UnaryMethod(COROUTINE, coroutine),
    UnaryMethod(WAITING, waiting),
    UnaryMethod(AUTHORIZATION, lambda _request, _call: b""),
    StreamMethod(COUNT, count),
    StreamMethod(EACH, each),
)


class Echo(asyncio.Protocol):
    """Says what it hears: the floor under every server on this loop and this machine."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


async def serve_echo() -> None:
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        print(f"{host}:{port}", flush=True)
        await asyncio.to_thread(sys.stdin.read)


async def serve(stack: str, tls: TlsFiles | None) -> None:
    listener = Listener("127.0.0.1:0", tls)
    limits = TransportLimits()
    factory = STACKS[stack](clock=SystemClock())
    server = factory(methods=METHODS, listeners=[listener], limits=limits)
    (address,) = await server.start()
    print(address, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.drain(grace_s=1.0)


if __name__ == "__main__":
    if sys.argv[1] == ECHO:
        uvloop.run(serve_echo())
    else:
        uvloop.run(serve(sys.argv[1], TlsFiles(*sys.argv[2:4]) if sys.argv[2:] else None))
