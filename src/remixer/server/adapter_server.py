"""Serves one adapter to Mixers, in a process of its own.

    from remixer.server.adapter_server import serve_adapter
    from geofence.adapter import INFO

    serve_adapter(INFO, address="127.0.0.1:9070")

Mixer's gRPC adapter model over either HTTP/2 stack, with health checking and reflection. The
adapter is the same class as in process.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from remixer.adapters.registry import faults_of
from remixer.drivers.http import AioHttpClient
from remixer.foundation.clock import Clock, SystemClock
from remixer.foundation.errors import StartupError
from remixer.foundation.log import event_log
from remixer.frontends.adapter_model import AdapterModel
from remixer.frontends.adapter_model.descriptions import service_descriptor_sets
from remixer.frontends.grpc_reflection import reflection_methods
from remixer.observability.logs import LogFormat, LogLevel
from remixer.observability.metrics import RuntimeMetrics
from remixer.runtime.guard import Guard
from remixer.runtime.handlers import HandlerBuilder
from remixer.sdk.adapter import AnyAdapterInfo
from remixer.server.grpc_service import GrpcService
from remixer.server.lifecycle import Lifecycle, Part, Readiness, Service, running
from remixer.server.pages import PageAnswer, pages_part
from remixer.server.process import run_process
from remixer.server.scrape import CONTENT_TYPE, ScrapePage
from remixer.server.serving import servers_on
from remixer.server.settings import Transport
from remixer.server.task_home import TaskHome
from remixer.templates.registry import load_templates
from remixer.templates.schema import Template
from remixer.transport.port import (
    Listener,
    TlsFiles,
    TransportLimits,
)
from remixer.wire.proto_json.schema import SchemaError
from remixer.wire.published import ADAPTER_ROOTS, PublishedSchema

DEFAULT_ADDRESS: Final = "127.0.0.1:9070"
_log: Final = event_log(__name__)


@dataclass(frozen=True, slots=True)
class AdapterServerSettings:
    """What whoever runs an adapter can choose."""

    address: str = DEFAULT_ADDRESS
    metrics_address: str | None = None
    """Where the process's metrics, and what the adapter publishes to scrape, are shown over HTTP."""
    transport: Transport = Transport.OWN
    tls: TlsFiles | None = None
    limits: TransportLimits = TransportLimits()  # noqa: RUF009 - frozen
    adapter_timeout_s: float = 5.0
    """Longest wait for one call of the adapter, if the caller allows so much."""
    drain_grace_s: float = 15.0
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.CONSOLE


class AdapterServer:
    """One adapter's process. Runs once: `run`, or `serving` around a block."""

    def __init__(
        self,
        info: AnyAdapterInfo,
        settings: AdapterServerSettings,
        *,
        templates: Iterable[Template] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`templates`: to choose from; None means the built-in and the installed ones.

        Raises `StartupError` for an adapter that cannot be served.
        """
        faults = tuple(faults_of(info))
        if faults:
            message = f"{'; '.join(faults)}. Next step: correct the adapter's INFO."
            raise StartupError(message)
        self._info = info
        self._settings = settings
        self._templates = templates_of(info, templates)
        self._clock = clock or SystemClock()
        self.metrics = RuntimeMetrics()
        self._scrape = ScrapePage()
        self._http = AioHttpClient()
        self._addresses: tuple[str, ...] = ()
        self._metrics_address = ""
        self._started = asyncio.Event()
        self._model: AdapterModel | None = None
        self._service: GrpcService | None = None
        self._lifecycle = Lifecycle(
            services=tuple(self._services()),
            readiness=Readiness(),
            grace_s=settings.drain_grace_s,
        )

    @property
    def lifecycle(self) -> Lifecycle:
        return self._lifecycle

    @property
    def address(self) -> str:
        """The bound one; known once started."""
        return self._addresses[0]

    @property
    def metrics_address(self) -> str:
        """The bound one; empty if none was wanted."""
        return self._metrics_address

    async def run(self) -> None:
        """Serve until asked to stop; raises what made the start fail."""
        await self._lifecycle.run()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["AdapterServer"]:
        """Serve during the block; drain and stop at its end. Raises what made the start fail."""
        async with running(self._lifecycle, started=self._started, name="adapter"):
            yield self

    def _services(self) -> Iterable[Service]:
        home = TaskHome()
        yield Part("tasks", on_run=home.run)
        yield Part("http client", on_start=self._http.start, on_close=self._http.aclose)
        if self._settings.metrics_address is not None:
            yield self._metrics_part(self._settings.metrics_address)
        yield Part(
            "adapter",
            on_start=partial(self._start, home),
            on_drain=self._drain,
            on_close=self._close,
        )

    def _metrics_part(self, address: str) -> Part:
        return pages_part(
            "metrics",
            {"/metrics": self._scraped},
            address=address,
            setting="--metrics-address",
            clock=self._clock,
            on_bound=self._metrics_bound,
        )

    def _metrics_bound(self, address: str) -> None:
        self._metrics_address = address

    def _scraped(self) -> PageAnswer:
        return 200, CONTENT_TYPE, self.metrics.render() + self._scrape.render()

    async def _start(self, home: TaskHome) -> None:
        model = self._model = self._adapter_model(await home.group())
        sets = service_descriptor_sets(self._info, self._templates)
        schema = PublishedSchema(ADAPTER_ROOTS, sets=sets)
        service = self._service = GrpcService(
            model.methods(),
            make=servers_on(self._settings.transport, clock=self._clock, observer=self.metrics),
            listeners=[Listener(self._settings.address, self._settings.tls)],
            limits=self._settings.limits,
            observer=self.metrics,
            clock=self._clock,
            told_by=partial(reflection_methods, schema=schema),
        )
        self._addresses = await service.start()
        _log.info("adapter listening", adapter=self._info.name, grpc=self._addresses[0])
        service.announce()
        self._started.set()

    def _adapter_model(self, group: asyncio.TaskGroup) -> AdapterModel:
        guard = Guard(
            clock=self._clock,
            metrics=self.metrics,
            adapter_timeout_s=self._settings.adapter_timeout_s,
        )
        builder = HandlerBuilder(
            clock=self._clock,
            http=self._http,
            scrape=self._scrape,
            group=group,
            guard=guard,
            metrics=self.metrics,
        )
        try:
            return AdapterModel(
                self._info,
                self._templates,
                builder=builder,
                guard=guard,
                clock=self._clock,
                group=group,
            )
        except SchemaError as error:
            message = f"adapter `{self._info.name}` cannot be served: {error}"
            raise StartupError(message) from error

    async def _drain(self, grace_s: float) -> None:
        if self._service is not None:
            await self._service.drain(grace_s)

    async def _close(self) -> None:
        await self._drain(0.0)
        if self._model is not None:
            await self._model.aclose()


def templates_of(
    info: AnyAdapterInfo, known: Iterable[Template] | None = None
) -> tuple[Template, ...]:
    """The adapter's templates, sorted by name; `known` None means built-in and installed ones.

    Raises `StartupError` for one that nobody knows.
    """
    found = load_templates().templates.values() if known is None else known
    by_name = {each.name: each for each in found}
    missing = sorted(info.templates - by_name.keys())
    if missing or not info.templates:
        which = f"takes the unknown template `{missing[0]}`" if missing else "takes no template"
        message = f"adapter `{info.name}` {which}. Known: {', '.join(sorted(by_name))}."
        raise StartupError(message)
    return tuple(by_name[name] for name in sorted(info.templates))


def serve_adapter(
    info: AnyAdapterInfo,
    *,
    address: str = DEFAULT_ADDRESS,
    settings: AdapterServerSettings | None = None,
) -> int:
    """Serve until SIGTERM or Ctrl-C; the exit code. A start that fails is one message.

    `settings` replaces `address` if given. For an adapter's own `main`; logs go to stderr.
    """
    wanted = AdapterServerSettings(address=address) if settings is None else settings
    return run_process(
        lambda: AdapterServer(info, wanted),
        log_format=wanted.log_format,
        log_level=wanted.log_level,
    )
