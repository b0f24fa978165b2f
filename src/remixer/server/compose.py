"""Builds every object of a server process; the only module that knows the concrete classes.

To swap a part (a clock, a transport, a store), swap it here.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from remixer.foundation.clock import Clock, SystemClock
from remixer.foundation.log import event_log
from remixer.frontends.cache_admin import cache_admin_methods
from remixer.frontends.envoy.access_log import access_log_methods
from remixer.frontends.envoy.ext_authz import ext_authz_methods
from remixer.frontends.grpc_reflection import reflection_methods
from remixer.frontends.mixer_v1 import mixer_v1_methods
from remixer.observability.metrics import RuntimeMetrics
from remixer.server.activate import activation_part
from remixer.server.forward_auth import forward_auth_parts
from remixer.server.grpc_service import GrpcService
from remixer.server.lifecycle import Lifecycle, Part, Readiness, Service, running
from remixer.server.monitoring import monitoring_routes
from remixer.server.pages import Page, PageAnswer, pages_part
from remixer.server.revocation_marks import marked
from remixer.server.runtime_parts import RuntimeParts
from remixer.server.scrape import CONTENT_TYPE
from remixer.server.serving import servers_on
from remixer.server.settings import Settings
from remixer.server.waking import CheckingWaker
from remixer.tiers.background import BackgroundWork
from remixer.transport.peer_trust import PeerTrust
from remixer.transport.port import Method
from remixer.wire.forwarded_reader import ForwardedReader

_log: Final = event_log(__name__)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running server listens; ports are the bound ones."""

    grpc: tuple[str, ...]
    monitoring: str
    prometheus: str
    forward_auth: str | None = None
    activate: str | None = None


class RemixerServer:
    """One server process's worth of objects. Runs once: `run`, or `serving` around a block."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        on_started: Callable[[], None] | None = None,
    ) -> None:
        """Raises `StartupError` for a configuration store, or a file, that cannot be used."""
        self._on_started = on_started
        self._clock = clock or SystemClock()
        self._settings = settings
        self.metrics = RuntimeMetrics()
        self.readiness = Readiness()
        self._runtime = RuntimeParts(
            settings, clock=self._clock, metrics=self.metrics, readiness=self.readiness
        )
        self.engine = self._runtime.engine
        self.mixer = self._runtime.mixer
        self._grpc_addresses: tuple[str, ...] = ()
        self._http_addresses: dict[str, str] = {}
        self._started = asyncio.Event()
        self._lifecycle = Lifecycle(
            services=tuple(self._services()),
            readiness=self.readiness,
            grace_s=settings.drain_grace_s,
            notice_s=settings.drain_notice_s,
        )

    @property
    def lifecycle(self) -> Lifecycle:
        return self._lifecycle

    @property
    def addresses(self) -> Addresses:
        """Known once started."""
        return Addresses(
            grpc=self._grpc_addresses,
            monitoring=self._http_addresses["monitoring"],
            prometheus=self._http_addresses["prometheus"],
            forward_auth=self._http_addresses.get("forward_auth"),
            activate=self._http_addresses.get("activate"),
        )

    async def run(self) -> None:
        """Serve until asked to stop; raises what made the start fail."""
        await self._lifecycle.run()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["RemixerServer"]:
        """Serve during the block; drain and stop at its end. Raises what made the start fail."""
        async with running(self._lifecycle, started=self._started, name="server"):
            yield self

    def _services(self) -> Iterable[Service]:
        settings = self._settings
        yield from self._runtime.services()
        yield self._pages(
            "monitoring",
            settings.monitoring_address,
            monitoring_routes(readiness=self.readiness, metrics=self.metrics),
        )
        yield self._pages("prometheus", settings.prometheus_address, {"/metrics": self._scraped})
        yield self._runtime.configuration()
        yield from self._forward_auth()
        yield from self._activation()
        yield self._grpc_part()

    def _forward_auth(self) -> Iterable[Part]:
        return forward_auth_parts(
            lambda: self.mixer,
            settings=self._settings,
            vocabulary=self._runtime.vocabulary,
            clock=self._clock,
            forwarded=self._forwarded_reader(),
            observer=self.metrics.http,
            on_bound=partial(self._http_addresses.__setitem__, "forward_auth"),
        )

    def _activation(self) -> Iterable[Part]:
        settings = self._settings
        if settings.activate_address is None:
            return
        background = BackgroundWork()
        yield Part("wakes", on_run=background.run)
        waker = CheckingWaker(self.mixer, background=background, clock=self._clock)
        yield activation_part(
            lambda: waker,
            address=settings.activate_address,
            trust=PeerTrust.of(settings.activate_from),
            clock=self._clock,
            observer=self.metrics.http,
            on_bound=partial(self._http_addresses.__setitem__, "activate"),
        )

    def _grpc_part(self) -> Part:
        settings = self._settings
        service = GrpcService(
            marked(self._methods(), self._runtime.caching.mark),
            make=servers_on(settings.transport, clock=self._clock, observer=self.metrics),
            listeners=settings.listeners(),
            limits=settings.limits(),
            observer=self.metrics,
            clock=self._clock,
            told_by=reflection_methods,
        )

        async def start() -> None:
            self._grpc_addresses = await service.start()
            _log.info("listening", grpc=list(self._grpc_addresses), **self._http_addresses)
            service.announce()
            self._started.set()
            if self._on_started is not None:
                self._on_started()

        return Part(
            "grpc", on_start=start, on_drain=service.drain, on_close=partial(service.drain, 0.0)
        )

    def _methods(self) -> tuple[Method, ...]:
        return (
            *mixer_v1_methods(self.mixer, self._clock, recall=self._runtime.caching.recall()),
            *ext_authz_methods(
                self.mixer,
                vocabulary=self._runtime.vocabulary,
                forwarded=self._forwarded_reader(),
                recall=self._runtime.caching.part_recall(),
            ),
            *access_log_methods(self.mixer, vocabulary=self._runtime.vocabulary),
            *self._admin_methods(),
        )

    def _forwarded_reader(self) -> ForwardedReader:
        trust = PeerTrust.of(self._settings.trust_forwarded_attributes_from)
        return ForwardedReader(trust=trust, observer=self.metrics)

    def _admin_methods(self) -> tuple[Method, ...]:
        trust = PeerTrust.of(self._settings.admin_from)
        return cache_admin_methods(
            self._runtime.caching.operations(), trust=trust, setting="--admin-from"
        )

    def _pages(self, name: str, address: str, pages: Mapping[str, Page]) -> Part:
        return pages_part(
            name,
            pages,
            address=address,
            setting=f"--{name}-address",
            clock=self._clock,
            on_bound=partial(self._http_addresses.__setitem__, name),
        )

    def _scraped(self) -> PageAnswer:
        return 200, CONTENT_TYPE, self._runtime.scrape.render()
