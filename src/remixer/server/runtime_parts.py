"""The rules in force and the memory of their verdicts, without anything that listens."""

import asyncio
from collections.abc import Iterator

from remixer.attributes.vocabulary import Vocabulary
from remixer.config.stores.opening import open_store
from remixer.drivers.http_on_demand import HttpClientOnDemand
from remixer.foundation.clock import Clock
from remixer.mixer.port import Mixer
from remixer.observability.metrics import RuntimeMetrics
from remixer.runtime.engine import Engine
from remixer.runtime.guard import Guard
from remixer.runtime.handlers import HandlerBuilder
from remixer.runtime.reload import Reloader
from remixer.runtime.slices import Slices
from remixer.server.caching import Caching
from remixer.server.configuration import Configuration
from remixer.server.installed import installed_resolver
from remixer.server.lifecycle import Part, Readiness, Service
from remixer.server.scrape import ScrapePage
from remixer.server.settings import Settings
from remixer.server.task_home import TaskHome


class RuntimeParts:
    """What decides, for a server or inside an application."""

    def __init__(
        self, settings: Settings, *, clock: Clock, metrics: RuntimeMetrics, readiness: Readiness
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._readiness = readiness
        self._guard = Guard(
            clock=clock, metrics=metrics, adapter_timeout_s=settings.adapter_timeout_s
        )
        self._home = TaskHome()
        self._http = HttpClientOnDemand()
        self.scrape = ScrapePage()
        """What handlers of the prometheus adapter publish."""
        self.engine = Engine(guard=self._guard, metrics=metrics)
        self.caching = Caching(self.engine, settings, clock=clock, metrics=metrics)

    @property
    def mixer(self) -> Mixer:
        """The outermost tier."""
        return self.caching.mixer

    def vocabulary(self) -> Vocabulary:
        """The attributes that the rules in force know."""
        return self.engine.generation.snapshot.vocabulary

    def services(self) -> Iterator[Service]:
        """What handlers need while they live."""
        yield Part("tasks", on_run=self._home.run)
        yield from self.caching.services()
        yield Part("http client", on_start=self._http.start, on_close=self._http.aclose)

    def configuration(self) -> Configuration:
        """Loads the rules and follows their changes; after `services`.

        Raises `StartupError` for a store that cannot be opened.
        """
        settings = self._settings
        return Configuration(
            store=open_store(settings.config_store, clock=self._clock),
            resolver=installed_resolver(
                default_namespace=settings.default_namespace,
                semantics=settings.expression_semantics,
            ),
            make_reloader=self._reloader,
            home=self._home,
            clock=self._clock,
            readiness=self._readiness,
            wait_s=settings.config_wait_s,
        )

    def _reloader(self, group: asyncio.TaskGroup) -> Reloader:
        handlers = HandlerBuilder(
            clock=self._clock,
            http=self._http,
            scrape=self.scrape,
            group=group,
            guard=self._guard,
            metrics=self._metrics,
        )
        return Reloader(
            engine=self.engine,
            handlers=handlers,
            metrics=self._metrics,
            group=group,
            slices=Slices(group=group),
        )
