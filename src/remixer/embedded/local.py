"""The runtime and its caches inside an application: nothing listens, nothing leaves the process."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from remixer.foundation.clock import Clock, SystemClock
from remixer.mixer.port import Mixer
from remixer.observability.metrics import RuntimeMetrics
from remixer.server.lifecycle import Lifecycle, Part, Phase, Readiness, running
from remixer.server.runtime_parts import RuntimeParts
from remixer.server.settings import Settings
from remixer.sidecar.loop_life import LoopLife
from remixer.tiers.cached import Policies
from remixer.tiers.network_failure import NetworkFailureMixer
from remixer.tiers.settings import FailPolicy


@dataclass(slots=True)
class _Life:
    """A Mixer that runs."""

    parts: RuntimeParts
    port: NetworkFailureMixer
    readiness: Readiness
    end: AsyncExitStack
    """Drains and stops it."""


class LocalMixer:
    """Implements `AppMixer`. Made anywhere; `start` binds it to the running loop."""

    def __init__(
        self,
        config: Path | str,
        settings: Settings | None = None,
        *,
        failure: FailPolicy = FailPolicy.CLOSED,
        clock: Clock | None = None,
    ) -> None:
        """As `Remixer.local`. Files are read by `start`, which tells what is wrong with them."""
        text = str(config)
        store = text if "://" in text else f"fs://{Path(text).absolute()}"
        # Nobody asks an application that starts; a server may wait for rules, it must not.
        self._settings = replace(settings or Settings(config_wait_s=0.0), config_store=store)
        self._failure = failure
        self._clock = clock or SystemClock()
        self._life: LoopLife[_Life] = LoopLife("Mixer", survives_fork=lambda _: True)
        self.metrics = RuntimeMetrics()

    async def start(self) -> None:
        """Load the rules. Raises `StartupError` for a store that cannot be opened or read.

        Without `settings` at once, with them after their `config_wait_s`.
        """
        await self._life.start(self._begun, is_running=_is_running)

    async def aclose(self) -> None:
        life = self._life.taken()
        if life is not None:
            await life.end.aclose()

    async def rest(self) -> None:
        """Before a fork: nothing is to be done for it here.

        Connections are the handlers' own. Adapters elsewhere are of no use in a child.
        """

    def wake(self) -> None:
        """The fork is over."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    @property
    def port(self) -> Mixer:
        return self._running.port

    @property
    def policies(self) -> Policies:
        return self._running.parts.engine

    def scrape(self) -> bytes:
        """What handlers of the `prometheus` adapter publish, in its text format, while it runs.

        For a page of the application's own; a thread may ask.
        """
        return self._running.parts.scrape.render()

    @property
    def _running(self) -> _Life:
        life = self._life.held
        if life is None:
            raise self._life.absence()
        return life

    async def _begun(self) -> _Life:
        readiness = Readiness()
        parts = RuntimeParts(
            self._settings, clock=self._clock, metrics=self.metrics, readiness=readiness
        )
        started = asyncio.Event()

        async def tell() -> None:
            started.set()

        lifecycle = Lifecycle(
            services=(*parts.services(), parts.configuration(), Part("started", on_start=tell)),
            readiness=readiness,
            grace_s=self._settings.drain_grace_s,
        )
        end = AsyncExitStack()
        await end.enter_async_context(running(lifecycle, started=started, name="mixer"))
        port = NetworkFailureMixer(parts.mixer, policy=self._failure, clock=self._clock)
        return _Life(parts, port, readiness, end)


def _is_running(life: _Life) -> bool:
    return life.readiness.phase is Phase.SERVING
