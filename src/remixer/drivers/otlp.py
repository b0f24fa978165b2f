"""An OTLP client: records of the three signals to a collector, over gRPC or HTTP.

Messages are encoded in a thread, sent by the loop. Nothing is repeated here: an error says
whether the caller may.
"""

import asyncio
import gzip
import importlib
import importlib.util
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from remixer.drivers.http_client import HttpError, HttpResponse
from remixer.drivers.otlp_records import Attributes, LogRecord, MetricRecord, Signal, SpanRecord
from remixer.foundation.errors import RemixerError
from remixer.foundation.status import Code
from remixer.transport.addresses import TcpAddress, parse_address
from remixer.transport.remote_port import RpcFailed

if TYPE_CHECKING:
    from remixer.drivers.otlp_encoding import OtlpEncoder

_ENCODING: Final = "remixer.drivers.otlp_encoding"
_PACKAGES: Final = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.common")
_LONGEST_ANSWER_BYTES: Final = 64 * 1024
_LONGEST_HEADER_BYTES: Final = 16 * 1024
_LONGEST_REASON: Final = 300  # characters of a peer's own text
_ACCEPTED: Final = range(200, 300)
_BUSY_STATUSES: Final = frozenset({429, 502, 503, 504})
_BUSY_CODES: Final = frozenset(
    {
        Code.CANCELLED,
        Code.DEADLINE_EXCEEDED,
        Code.RESOURCE_EXHAUSTED,
        Code.ABORTED,
        Code.OUT_OF_RANGE,
        Code.UNAVAILABLE,
        Code.DATA_LOSS,
    }
)
"""Both tables: OTLP specification, "Failures" of gRPC and HTTP."""


class OtlpError(RemixerError):
    """A request was not taken; `str()` says why, without secrets.

    `after_s` is how long the peer asked to wait; 0 if it did not.
    """

    def __init__(self, reason: str, *, can_retry: bool, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.can_retry = can_retry
        self.after_s = after_s


class OtlpMissingError(RemixerError):
    """The optional packages are not installed."""

    def __init__(self) -> None:
        super().__init__("the OpenTelemetry SDK is not installed: pip install 'remixer[otlp]'")


@dataclass(frozen=True, slots=True)
class OtlpTls:
    """PEM files. Without `ca` the machine's own authorities count."""

    ca: str = ""
    certificate: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class OtlpSettings:
    """Where to and how. `header_files` hold values of headers; they are read for every request."""

    endpoint: str
    over_http: bool
    headers: Mapping[str, str] = field(default_factory=dict)
    header_files: Mapping[str, str] = field(default_factory=dict)
    tls: OtlpTls | None = None
    use_gzip: bool = False
    timeout_s: float = 10.0
    resource: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rejected:
    """Entries that the peer did not take, of a request that it took."""

    count: int
    reason: str


class _Carrier(Protocol):
    """Takes a request to the peer and brings the answer. Raises `OtlpError`."""

    async def send(self, signal: Signal, body: bytes, headers: Mapping[str, str]) -> bytes: ...

    async def aclose(self) -> None: ...


def is_otlp_installed() -> bool:
    """Whether `open_otlp` would find its packages."""
    try:
        return all(importlib.util.find_spec(each) is not None for each in _PACKAGES)
    except ModuleNotFoundError:  # a parent package is missing
        return False


def check_grpc_endpoint(text: str) -> str:
    """What is wrong with an address of a collector; `""` if nothing is."""
    try:
        address = parse_address(text)
    except ValueError as error:
        return str(error)
    if isinstance(address, TcpAddress) and address.port == 0:
        return f"`{text}`: port 0 is nowhere to connect to"
    return ""


async def open_otlp(settings: OtlpSettings) -> "OtlpClient":
    """A client; it connects when there is something to send.

    Raises `OtlpMissingError`, OSError or ValueError for files that cannot be used.
    """
    if not is_otlp_installed():
        raise OtlpMissingError
    await asyncio.to_thread(importlib.import_module, _ENCODING)  # takes half a second
    from remixer.drivers.otlp_encoding import OtlpEncoder  # noqa: PLC0415 - an optional extra

    carrier: _Carrier
    if settings.over_http:
        carrier = _HttpCarrier(settings, _ssl_context(settings))
    else:
        carrier = _GrpcCarrier(settings)
    return OtlpClient(settings, carrier, OtlpEncoder(settings.resource))


class OtlpClient:
    """Sends records. Methods may run at the same time."""

    def __init__(self, settings: OtlpSettings, carrier: _Carrier, encoder: "OtlpEncoder") -> None:
        self._settings = settings
        self._carrier = carrier
        self._encoder = encoder

    async def send_metrics(self, records: Sequence[MetricRecord]) -> Rejected:
        """Raises `OtlpError`."""
        return await self._send(Signal.METRICS, lambda: self._encoder.metrics(records))

    async def send_logs(self, records: Sequence[LogRecord]) -> Rejected:
        """Raises `OtlpError`."""
        return await self._send(Signal.LOGS, lambda: self._encoder.logs(records))

    async def send_spans(self, records: Sequence[SpanRecord]) -> Rejected:
        """Raises `OtlpError`."""
        return await self._send(Signal.TRACES, lambda: self._encoder.spans(records))

    async def aclose(self) -> None:
        """Cancel what is under way and close all connections; once or twice."""
        await self._carrier.aclose()

    async def _send(self, signal: Signal, encode: Callable[[], bytes]) -> Rejected:
        try:
            body, headers = await asyncio.to_thread(self._prepare, encode)
        except OSError as error:
            message = f"a file of header_files cannot be read: {error.strerror or error}"
            raise OtlpError(message, can_retry=True) from error
        answer = await self._carrier.send(signal, body, headers)
        try:
            count, reason = self._encoder.rejected(signal, answer)
        except ValueError as error:
            raise OtlpError(str(error), can_retry=False) from error
        return Rejected(count, reason[:_LONGEST_REASON])

    def _prepare(self, encode: Callable[[], bytes]) -> tuple[bytes, dict[str, str]]:
        """In a thread: body and headers, compressed and read from files."""
        try:
            body = encode()
        except Exception as error:  # the SDK's encoders promise nothing
            message = f"the records cannot be encoded: {type(error).__name__}"
            raise OtlpError(message, can_retry=False) from error
        if self._settings.use_gzip and self._settings.over_http:
            body = gzip.compress(body, compresslevel=6)
        headers = {name.lower(): value for name, value in self._settings.headers.items()}
        for name, path in self._settings.header_files.items():
            headers[name.lower()] = _header_value(name, path)
        return body, headers


class _GrpcCarrier:
    def __init__(self, settings: OtlpSettings) -> None:
        # Loads gRPC's own stack: 8 MB.
        from remixer.transport.client import ClientTls, GrpcClient  # noqa: PLC0415 - see above

        tls = settings.tls
        self._client = GrpcClient(
            settings.endpoint,
            tls=(
                None
                if tls is None
                else ClientTls(tls.ca or None, tls.certificate or None, tls.key or None)
            ),
            gzip=settings.use_gzip,
        )
        self._timeout_s = settings.timeout_s

    async def send(self, signal: Signal, body: bytes, headers: Mapping[str, str]) -> bytes:
        try:
            return await self._client.unary(
                signal.method, body, timeout_s=self._timeout_s, metadata=headers
            )
        except RpcFailed as error:
            reason = str(error)[:_LONGEST_REASON]
            raise OtlpError(reason, can_retry=error.code in _BUSY_CODES) from error

    async def aclose(self) -> None:
        await self._client.aclose()


class _HttpCarrier:
    def __init__(self, settings: OtlpSettings, tls: ssl.SSLContext | None) -> None:
        # Loads aiohttp: 8 MB.
        from remixer.drivers.http import AioHttpClient  # noqa: PLC0415 - see above

        self._client = AioHttpClient(tls=tls)
        self._base = settings.endpoint.rstrip("/")
        self._timeout_s = settings.timeout_s
        self._headers = {"content-type": "application/x-protobuf"}
        if settings.use_gzip:
            self._headers["content-encoding"] = "gzip"
        self._is_closed = False

    async def send(self, signal: Signal, body: bytes, headers: Mapping[str, str]) -> bytes:
        if self._is_closed:
            message = "the client is closed"
            raise OtlpError(message, can_retry=False)
        await self._client.start()
        try:
            response = await self._client.post(
                f"{self._base}/{signal.path}",
                body,
                headers={**headers, **self._headers},
                timeout_s=self._timeout_s,
                limit_bytes=_LONGEST_ANSWER_BYTES,
            )
        except HttpError as error:
            raise OtlpError(str(error), can_retry=True) from error
        if response.status not in _ACCEPTED:
            message = f"the answer has status {response.status}"
            is_busy = response.status in _BUSY_STATUSES
            raise OtlpError(message, can_retry=is_busy, after_s=_retry_after_s(response))
        return response.body

    async def aclose(self) -> None:
        self._is_closed = True
        await self._client.aclose()


def _header_value(name: str, path: str) -> str:
    """Raises OSError, or `OtlpError` without the value: clients would tell it in their errors."""
    with Path(path).open("rb") as file:
        value = file.read(_LONGEST_HEADER_BYTES + 1).strip()
    if len(value) > _LONGEST_HEADER_BYTES or not (value.isascii() and value.decode().isprintable()):
        message = f"the file of header `{name}` does not hold one line of printable ASCII"
        raise OtlpError(message, can_retry=True)
    return value.decode()


def _retry_after_s(response: HttpResponse) -> float:
    """Whole seconds; dates are not read."""
    for name, value in response.headers.items():
        if name.lower() == "retry-after" and value.isascii() and value.isdigit():
            return float(value[:6])
    return 0.0


def _ssl_context(settings: OtlpSettings) -> ssl.SSLContext | None:
    tls = settings.tls
    if tls is None:
        return None
    context = ssl.create_default_context(cafile=tls.ca or None)
    if tls.certificate:
        context.load_cert_chain(tls.certificate, tls.key or None)
    return context
