"""A small gRPC client over bytes, for the command line and for tests."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import grpc
from grpc import aio

from remixer.foundation.status import Code
from remixer.transport.addresses import parse_address
from remixer.transport.remote_port import RpcFailed

__all__ = ["ClientTls", "GrpcClient", "RpcClient", "RpcFailed"]

_LARGEST_RESPONSE_BYTES: Final = 64 << 20
"""Arbitrary; far above what any server of ours sends."""
_LONGEST_RECONNECT_PAUSE_MS: Final = 5_000
"""grpcio's own is two minutes: a collector that is back would wait so long for its data."""


class RpcClient(Protocol):
    """Calls methods of one server."""

    async def unary(
        self,
        path: str,
        request: bytes,
        *,
        timeout_s: float,
        metadata: Mapping[str, str] | None = None,
    ) -> bytes:
        """One request, one response; raises `RpcFailed`. `path`: `/package.Service/Method`."""
        ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ClientTls:
    """PEM files. Without `server_ca` the machine's own authorities count."""

    server_ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    server_name: str | None = None
    """The name that the certificate must carry, if it is not the host of the address."""


class GrpcClient:
    """Implements `RpcClient` with grpcio. Connects at the first call; make it inside a loop.

    Raises ValueError for a bad address and OSError for unreadable files. `gzip`: requests are
    compressed.
    """

    def __init__(self, address: str, *, tls: ClientTls | None = None, gzip: bool = False) -> None:
        target = str(parse_address(address))
        options: list[tuple[str, int | str]] = [
            ("grpc.max_receive_message_length", _LARGEST_RESPONSE_BYTES),
            # One call is one attempt: a caller who measures or tests must see failures.
            ("grpc.enable_retries", 0),
            # Else clients of one process share connections, and with them each other's fate.
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_http_proxy", 0),
            ("grpc.max_reconnect_backoff_ms", _LONGEST_RECONNECT_PAUSE_MS),
        ]
        if gzip:
            options.append(("grpc.default_compression_algorithm", grpc.Compression.Gzip.value))
        if tls is None:
            self._channel = aio.insecure_channel(target, options)
            return
        if tls.server_name is not None:
            options.append(("grpc.ssl_target_name_override", tls.server_name))
        self._channel = aio.secure_channel(target, _credentials(tls), options)

    async def unary(
        self,
        path: str,
        request: bytes,
        *,
        timeout_s: float,
        metadata: Mapping[str, str] | None = None,
    ) -> bytes:
        call: aio.UnaryUnaryMultiCallable[bytes, bytes]
        call = self._channel.unary_unary(path, None, None)
        pairs = tuple((metadata or {}).items())
        try:
            return await call(request, timeout=timeout_s, metadata=pairs)
        except aio.AioRpcError as error:
            raise RpcFailed(Code(error.code().value[0]), error.details() or "") from error

    async def aclose(self) -> None:
        await self._channel.close(None)


def _credentials(tls: ClientTls) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        root_certificates=_pem(tls.server_ca),
        private_key=_pem(tls.key),
        certificate_chain=_pem(tls.certificate),
    )


def _pem(path: str | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()
