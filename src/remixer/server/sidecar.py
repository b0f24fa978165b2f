"""Builds every object of a sidecar process: frontends over a client's stack of tiers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from random import Random
from typing import Final

from remixer.attributes.vocabulary import Vocabulary
from remixer.foundation.clock import Clock, SystemClock
from remixer.foundation.log import event_log
from remixer.frontends.envoy.access_log import access_log_methods
from remixer.frontends.envoy.ext_authz import ext_authz_methods
from remixer.frontends.mixer_v1 import mixer_v1_methods
from remixer.mixer.port import Mixer
from remixer.observability.client_metrics import ClientMetrics
from remixer.server.forward_auth import forward_auth_parts
from remixer.server.grpc_service import GrpcService
from remixer.server.lifecycle import Lifecycle, Part, Readiness, Service, running
from remixer.server.monitoring import monitoring_routes
from remixer.server.pages import pages_part
from remixer.server.revocation_marks import marked
from remixer.server.setting_table import SettingsError
from remixer.server.sidecar_client import client_settings
from remixer.server.sidecar_settings import SidecarSettings
from remixer.server.standard_attributes import standard_vocabulary
from remixer.server.task_home import TaskHome
from remixer.sidecar.client_config.attribute_layers import local_node
from remixer.sidecar.client_config.loading import ClientConfigError, load_client_config
from remixer.sidecar.client_config.services import ClientConfig
from remixer.sidecar.configured import ConfiguredMixer
from remixer.sidecar.settings import ClientSettings
from remixer.sidecar.stack import ClientStack, open_stack
from remixer.sidecar.transport_settings import with_transport
from remixer.tiers.background import BackgroundWork
from remixer.transport.own_server import own_servers
from remixer.transport.peer_trust import PeerTrust
from remixer.transport.port import Method
from remixer.wire.forwarded_reader import ForwardedReader

_log: Final = event_log(__name__)
_ENTRIES_AT_ONCE: Final = 4
"""Of Envoy's log; a few tenths of a millisecond, for which checks have to wait."""


class SidecarServer:
    """One sidecar's worth of objects. Runs once: `run`, or `serving` around a block."""

    def __init__(
        self,
        settings: SidecarSettings,
        *,
        clock: Clock | None = None,
        on_started: Callable[[], None] | None = None,
    ) -> None:
        """Raises `SettingsError` for a configuration file that cannot be used."""
        self._settings = settings
        self._clock = clock or SystemClock()
        self._on_started = on_started
        self._config = _config_of(settings)
        self._vocabulary = standard_vocabulary()
        self._home = TaskHome()
        self._stack: ClientStack | None = None
        self._service: GrpcService | None = None
        self._started = asyncio.Event()
        self.metrics = ClientMetrics()
        self.readiness = Readiness()
        self.addresses: tuple[str, ...] = ()
        """Where gRPC is served; known once started."""
        self.monitoring_address = ""
        """Likewise, empty for nowhere."""
        self.forward_auth_address = ""
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
    def stack(self) -> ClientStack:
        """The tiers, once started."""
        assert self._stack is not None  # noqa: S101 - who asks earlier is wrong
        return self._stack

    async def run(self) -> None:
        """Serve until asked to stop; raises what made the start fail."""
        await self._lifecycle.run()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["SidecarServer"]:
        """Serve during the block; drain and stop at its end. Raises what made the start fail."""
        async with running(self._lifecycle, started=self._started, name="sidecar"):
            yield self

    def _services(self) -> Iterator[Service]:
        yield Part("tasks", on_run=self._home.run)
        yield Part(
            "client",
            on_start=self._open_client,
            on_drain=self._send_reports,
            on_close=self._close_client,
        )
        yield from self._forward_auth()
        if self._settings.monitoring_address is not None:
            yield self._monitoring_part(self._settings.monitoring_address)
        yield Part("grpc", on_start=self._serve, on_drain=self._drain, on_close=self._cut)

    # ------------------------------------------------------------ the client

    async def _open_client(self) -> None:
        settings = self._settings
        group = await self._home.group()
        background = BackgroundWork()
        background.run_in(group)
        self._stack = await open_stack(
            settings.mixer,
            self._client_settings(),
            clock=self._clock,
            random=Random(),  # noqa: S311 - spreads retries and expiry, guards nothing
            background=background,
            metrics=self.metrics.channels,
        )
        group.create_task(self._stack.reports.run(), name="reports")
        self.metrics.watch_client(self._stack.statistics)
        if self._stack.cached is not None:
            self.metrics.watch_cache(self._stack.cached)

    def _client_settings(self) -> ClientSettings:
        settings = client_settings(self._settings)
        return (
            settings
            if self._config is None
            else with_transport(settings, self._config.http.transport)
        )

    async def _send_reports(self, grace_s: float) -> None:
        await self.stack.reports.aclose(grace_s)

    async def _close_client(self) -> None:
        if self._stack is not None:
            await self._stack.aclose(0.0)

    def _mixer(self) -> Mixer:
        mixer = self.stack.mixer
        return mixer if self._config is None else ConfiguredMixer(mixer, config=self._config)

    # ------------------------------------------------------------ serving

    async def _serve(self) -> None:
        settings = self._settings
        service = self._service = GrpcService(
            self._methods(self._mixer()),
            make=own_servers(clock=self._clock, observer=self.metrics),
            listeners=settings.listeners(),
            limits=settings.limits(),
            observer=self.metrics,
            clock=self._clock,
        )
        self.addresses = await service.start()
        _log.info(
            "listening",
            grpc=list(self.addresses),
            **self._http_addresses(),
            mixer=settings.mixer,
        )
        service.announce()
        self._started.set()
        if self._on_started is not None:
            self._on_started()

    def _methods(self, mixer: Mixer) -> tuple[Method, ...]:
        return (
            *marked(mixer_v1_methods(mixer, self._clock), self.stack.mark),
            *ext_authz_methods(
                mixer, vocabulary=self._standard, forwarded=self._forwarded_reader()
            ),
            *access_log_methods(mixer, vocabulary=self._standard, entries_at_once=_ENTRIES_AT_ONCE),
        )

    def _forwarded_reader(self) -> ForwardedReader:
        ignores = self._config is not None and self._config.http.ignore_forwarded_attributes
        trusted = () if ignores else self._settings.trust_forwarded_attributes_from
        return ForwardedReader(trust=PeerTrust.of(trusted), observer=self.metrics)

    def _http_addresses(self) -> dict[str, str]:
        """Where HTTP is served; nothing of what is switched off."""
        found = {"monitoring": self.monitoring_address, "forward_auth": self.forward_auth_address}
        return {name: address for name, address in found.items() if address}

    def _standard(self) -> Vocabulary:
        return self._vocabulary

    async def _drain(self, grace_s: float) -> None:
        if self._service is not None:
            await self._service.drain(grace_s)

    async def _cut(self) -> None:
        await self._drain(0.0)

    def _forward_auth(self) -> Iterator[Part]:
        return forward_auth_parts(
            self._mixer,
            settings=self._settings,
            vocabulary=self._standard,
            clock=self._clock,
            forwarded=self._forwarded_reader(),
            observer=self.metrics.http,
            on_bound=partial(setattr, self, "forward_auth_address"),
        )

    def _monitoring_part(self, address: str) -> Part:
        return pages_part(
            "monitoring",
            monitoring_routes(readiness=self.readiness, metrics=self.metrics),
            address=address,
            setting="--monitoring-address",
            clock=self._clock,
            on_bound=partial(setattr, self, "monitoring_address"),
        )


def _config_of(settings: SidecarSettings) -> ClientConfig | None:
    """Raises `SettingsError` with every fault of the file."""
    if settings.client_config is None:
        return None
    uid = settings.source_uid
    node = local_node(uid=uid, namespace=uid.rpartition(".")[2] if "." in uid else "")
    try:
        config = load_client_config(settings.client_config, node=node)
    except ClientConfigError as error:
        raise SettingsError(error.errors) from error
    for each in config.warnings:
        _log.warning("client_config", problem=str(each))
    return config
