"""The caches of verdicts of one server: the memory of this process, and what instances share."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

from remixer.attributes.vocabulary import Vocabulary
from remixer.foundation.clock import Clock
from remixer.frontends.cache_admin import CacheOperations
from remixer.mixer.port import Mixer
from remixer.observability.metrics import RuntimeMetrics
from remixer.runtime.engine import Engine
from remixer.runtime.route_signatures import RouteSignatures
from remixer.server.cache_admin import CacheAdmin
from remixer.server.cache_recording import CacheRecording
from remixer.server.lifecycle import Part, Service
from remixer.server.revocation_marks import mark_at
from remixer.server.setting_forms import Switch
from remixer.server.settings import Settings
from remixer.tiers.background import BackgroundWork
from remixer.tiers.cached import CachedMixer
from remixer.tiers.part_recall import PartRecall
from remixer.tiers.recall import Recall
from remixer.tiers.revoking import matcher
from remixer.tiers.shared.opening import SharedTier, open_shared_cache
from remixer.wire.revocation_marks import RevocationMark

_NS_PER_MS: Final = 1_000_000


class Caching:
    """`mixer` answers: from memory, from the shared cache, or by asking the engine."""

    def __init__(
        self, engine: Engine, settings: Settings, *, clock: Clock, metrics: RuntimeMetrics
    ) -> None:
        """Raises `StartupError` for a URL that names no shared cache."""
        self._clock = clock
        self._engine = engine
        self._background = BackgroundWork()
        self._shared: SharedTier | None = None
        self._memory: CachedMixer | None = None
        self._recording: CacheRecording | None = None
        self.mark = RevocationMark()
        """By which clients hear of revocations."""
        if settings.cache is Switch.OFF:
            return
        shared = None
        if settings.shared_cache is not None:
            self._shared = self._opened(settings.shared_cache, settings)
            metrics.watch_shared_cache(self._shared.cache.counts)
            signatures = RouteSignatures(lambda: engine.generation)
            shared = self._shared.around(engine, policies=signatures)
        if settings.cache_record is not None:
            file, most_bytes = Path(settings.cache_record), settings.cache_record_bytes
            self._recording = CacheRecording(file, most_bytes=most_bytes, clock=clock)
        self._memory = CachedMixer(
            shared or engine,
            settings=settings.cache_settings(),
            policies=engine,
            clock=clock,
            random=Random(),  # noqa: S311 - spreads expiry, guards nothing
            background=self._background,
            trace=self._recording,
        )
        metrics.watch_cache(self._memory)
        if self._shared is not None:
            self._shared.revocations.subscribe(self._memory.revoke)
            self._shared.revocations.subscribe(self._tell_clients)

    async def _tell_clients(self, _matches: object) -> None:
        """As all servers do that hear of the same revocation, each once its memory is clean."""
        assert self._shared is not None  # noqa: S101 - there are subscriptions only with it
        self.mark.renew(mark_at(self._shared.revocations.latest_ms * _NS_PER_MS))

    def _opened(self, url: str, settings: Settings) -> SharedTier:
        secrets = settings.shared_cache_key
        return open_shared_cache(
            url,
            settings=settings.shared_settings(),
            clock=self._clock,
            background=self._background,
            secrets_file=None if secrets is None else Path(secrets),
            compile_text=lambda text: matcher(text, self._vocabulary()),
        )

    def _vocabulary(self) -> Vocabulary:
        return self._engine.generation.snapshot.vocabulary

    @property
    def mixer(self) -> Mixer:
        """The outermost tier."""
        return self._memory or self._engine

    def recall(self) -> Recall | None:
        """The memory, for requests of known layouts.

        None if there is none, or if each check is to be recorded.
        """
        if self._memory is None or self._recording is not None:
            return None
        return Recall(self._memory, policies=self._engine, now_s=self._clock.monotonic_s)

    def part_recall(self) -> PartRecall | None:
        """The same, for requests with a part that operators wrote."""
        if self._memory is None or self._recording is not None:
            return None
        return PartRecall(self._memory, policies=self._engine, now_s=self._clock.monotonic_s)

    def services(self) -> Iterator[Service]:
        """What must run for it."""
        yield Part("background", on_run=self._background.run)
        if self._recording is not None:
            yield self._recording
        if self._shared is not None:
            shared = self._shared
            yield Part(
                "shared cache", on_start=shared.start, on_run=shared.run, on_close=shared.aclose
            )

    def operations(self) -> CacheOperations:
        """For the operators of the caches."""
        return CacheAdmin(
            self._memory,
            vocabulary=self._vocabulary,
            clock=self._clock,
            revocations=None if self._shared is None else self._shared.revocations,
            mark=self.mark,
        )
