"""What a gRPC server of ours offers to services: methods over bytes.

A service registers methods; each takes serialized request messages and gives serialized
responses, so that a codec decides what to parse. A unary handler may be a plain function
(answered at once, no task) or return an awaitable. Nothing here is bound to one HTTP/2 stack.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

from remixer.foundation.deadline import Deadline
from remixer.foundation.errors import RemixerError
from remixer.foundation.status import Code


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is on the other end. `uri_sans` come from the verified client certificate, if any."""

    address: str
    """`ipv4:127.0.0.1:4711`, `ipv6:[::1]:4711` or `unix:`."""
    uri_sans: tuple[str, ...] = ()


class Metadatum(NamedTuple):
    """One entry of metadata as servicers see it; grpcio's own has the same names."""

    key: str
    value: str | bytes


class CallContext(Protocol):
    """One call, as its handler sees it. Valid only during the call."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """Request metadata, lower-case names; binary (`-bin`) entries left out."""
        ...

    @property
    def deadline(self) -> Deadline | None:
        """None if the caller set no timeout."""
        ...

    @property
    def peer(self) -> Peer: ...

    def set_trailing_metadata(self, metadata: Mapping[str, str]) -> None:
        """Sent with the status."""
        ...


class RpcError(RemixerError):
    """Ends the call with this status instead of a response."""

    def __init__(self, code: Code, message: str, *, details: bytes = b"") -> None:
        """`details`: a serialized google.rpc.Status for `grpc-status-details-bin`, or empty."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


UnaryHandler: TypeAlias = Callable[[bytes, CallContext], "bytes | Awaitable[bytes]"]
StreamHandler: TypeAlias = Callable[[AsyncIterator[bytes], CallContext], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class UnaryMethod:
    """One request, one response. `path` as on the wire: `/package.Service/Method`."""

    path: str
    handle: UnaryHandler


@dataclass(frozen=True, slots=True)
class StreamMethod:
    """Any number of requests, any number of responses.

    A method without responses until the end (client streaming) yields once, at its end.
    """

    path: str
    handle: StreamHandler


Method: TypeAlias = UnaryMethod | StreamMethod


def service_of(method: Method) -> str:
    """`package.Service` of a method's path."""
    return method.path.strip("/").rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files, read again when they change. With `client_ca`, clients must show a certificate."""

    certificate: str
    key: str
    client_ca: str | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """Where to listen: `HOST:PORT` (port 0: any free), `unix:PATH`."""

    address: str
    tls: TlsFiles | None = None
    setting: str = "--address"
    """What the operator changes to move it; `StartupError` names it."""


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """Bounds on one peer."""

    max_message_bytes: int = 1_048_576  # Mixer's own default
    max_concurrent_streams: int = 1024  # Mixer's own default


class GrpcServer(Protocol):
    """A running or startable server."""

    async def start(self) -> tuple[str, ...]:
        """Bind and serve; the bound addresses, in order of the listeners.

        Raises `StartupError` with the address and the reason if one cannot be bound.
        """
        ...

    async def drain(self, *, grace_s: float) -> None:
        """Accept nothing new, finish what was accepted, at most `grace_s` seconds."""
        ...


class GrpcServerFactory(Protocol):
    """Makes a server; one implementation per HTTP/2 stack."""

    def __call__(
        self,
        *,
        methods: Sequence[Method],
        listeners: Sequence[Listener],
        limits: TransportLimits,
    ) -> GrpcServer: ...
