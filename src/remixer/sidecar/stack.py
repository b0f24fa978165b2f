"""The stack of a client, from the failure policy down to the connection."""

from collections.abc import Hashable
from dataclasses import asdict
from random import Random
from typing import Final
from uuid import uuid4

from remixer.attributes.bag import Bag, PlainBag
from remixer.attributes.http_bag import FORWARDED_HEADER
from remixer.drivers.spill_directory import SpillDirectory, SpillLimits
from remixer.foundation.clock import Clock
from remixer.foundation.log import event_log
from remixer.mixer.port import Mixer
from remixer.sidecar.settings import ClientSettings
from remixer.tiers.background import BackgroundWork
from remixer.tiers.cached import CacheCounts, CachedMixer
from remixer.tiers.network_failure import NetworkFailureMixer
from remixer.tiers.quota_cache import QuotaCacheCounts, QuotaCachedMixer
from remixer.tiers.remote import RemoteMixer
from remixer.tiers.report_pipeline import ReportPipeline
from remixer.transport.remote_channel import (
    ChannelLimits,
    GrpcRemoteChannel,
    open_remote_channel,
)
from remixer.transport.remote_metrics import ChannelMetrics
from remixer.transport.remote_resting import RestingChannel
from remixer.transport.remote_spec import ConnectionSpec
from remixer.transport.remote_subchannel import WireLimits
from remixer.wire.client_codec import REPORT_PATH
from remixer.wire.forwarded import encode_forwarded
from remixer.wire.revocation_marks import MetMarks, RevocationMark

_log: Final = event_log(__name__)

_AUTHORITY: Final = "mixer"  # Mixer's client says so, whatever the address
_SERVICE: Final = "istio.mixer.v1.Mixer"
_KEEPALIVE_S: Final = 310.0


class _OnePlace:
    """All requests are decided by the same rules, as far as a client can tell.

    What chooses the rules, a namespace attribute, is among the references of every answer.
    """

    def __init__(self) -> None:
        self._stamp = object()

    def renew(self) -> None:
        """What was decided so far counts no more. For any thread."""
        self._stamp = object()

    def place_of(self, bag: Bag) -> tuple[Hashable, object]:  # noqa: ARG002 - the port's
        return "", self._stamp


class ClientStack:
    """One client's worth of tiers. Made inside the loop that uses it."""

    def __init__(
        self,
        settings: ClientSettings,
        *,
        channel: RestingChannel,
        background: BackgroundWork,
        clock: Clock,
        random: Random,
    ) -> None:
        self.settings = settings
        self.mark = RevocationMark()
        """Of the last revocation that a Mixer told of, for clients of ours."""
        self._met = MetMarks()
        self.policies = _OnePlace()
        self.channel = channel
        self.reports = ReportPipeline(
            send=self._send,
            settings=settings.reports,
            clock=clock,
            random=random,
            spill=_spill(settings),
        )
        self.remote = RemoteMixer(
            channel,
            reports=self.reports,
            settings=settings.remote,
            clock=clock,
            random=random,
            new_base=lambda: str(uuid4()),
        )
        self.quotas = QuotaCachedMixer(
            self.remote, settings=settings.quotas, clock=clock, background=background
        )
        self.cached: CachedMixer | None = None
        if settings.cache is not None:
            self.cached = CachedMixer(
                self.quotas,
                settings=settings.cache,
                policies=self.policies,
                clock=clock,
                random=random,
                background=background,
            )
        self.failure = NetworkFailureMixer(
            self.cached or self.quotas, policy=settings.failure, clock=clock
        )

    @property
    def mixer(self) -> Mixer:
        """The outermost tier."""
        return self.failure

    def statistics(self) -> dict[str, int]:
        """What became of checks, quotas and reports. Most names are those of Mixer's client."""
        found = {
            f"total_{name}": number
            for counts in (self.remote.counts, self.reports.counts)
            for name, number in asdict(counts).items()
        }
        found |= _quota_statistics(self.quotas.counts)
        found |= self._check_statistics()
        found["total_check_failed_open"] = self.failure.counts.opened
        found["total_check_failed_closed"] = self.failure.counts.closed
        return found

    def _check_statistics(self) -> dict[str, int]:
        given = self.failure.counts
        cache = self.cached.counts if self.cached is not None else CacheCounts()
        hit_accepts = cache.hits - cache.hit_denials
        misses = given.accepted + given.denied if self.cached is None else cache.misses
        return {
            "total_check_calls": cache.hits + misses,
            "total_check_cache_hits": cache.hits,
            "total_check_cache_misses": misses,
            "total_check_cache_hit_accepts": hit_accepts,
            "total_check_cache_hit_denies": cache.hit_denials,
            "total_check_renewals": cache.renewals,
            "total_check_stale_answers": cache.stale,
            "total_remote_check_calls": misses,
            "total_remote_check_accepts": given.accepted - hit_accepts,
            "total_remote_check_denies": given.denied - cache.hit_denials,
        }

    async def aclose(self, grace_s: float) -> None:
        """Send what is to be reported, for so many seconds, and call nobody any more; twice is safe."""
        await self.reports.aclose(grace_s)
        await self.channel.aclose()

    async def _send(self, payload: bytes) -> None:
        answer = await self.channel.unary(
            REPORT_PATH,
            payload,
            timeout_s=self.settings.reports.call_timeout_s,
            is_safe_to_retry=False,
        )
        name = self._met.new_in(answer)
        if name is not None:
            _log.info("verdicts_revoked_by_mixer", mark=name)
            self.policies.renew()
            self.mark.renew(name)


def forwarded_headers(settings: ClientSettings) -> dict[str, str]:
    """Headers that tell the next hop who asks; none if nobody said who that is."""
    if not settings.source_uid:
        return {}
    return {FORWARDED_HEADER: encode_forwarded(PlainBag({"source.uid": settings.source_uid}))}


def _spill(settings: ClientSettings) -> SpillDirectory | None:
    if settings.spill is None:
        return None
    return SpillDirectory(settings.spill, limits=SpillLimits(most_bytes=settings.spill_bytes))


def _quota_statistics(counts: QuotaCacheCounts) -> dict[str, int]:
    return {
        "total_quota_calls": counts.calls,
        "total_quota_cache_hits": counts.cache_hits,
        "total_quota_cache_misses": counts.cache_misses,
        "total_quota_cache_hit_accepts": counts.hit_accepts,
        "total_quota_cache_hit_denies": counts.hit_denies,
        "total_remote_quota_calls": counts.remote_calls,
        "total_remote_quota_accepts": counts.remote_accepts,
        "total_remote_quota_denies": counts.remote_denies,
        "total_remote_quota_prefetch_calls": counts.prefetches,
        "total_quota_prefetch_failures": counts.prefetch_failures,
        "total_quota_unbacked_grants": counts.unbacked,
    }


async def open_stack(
    address: str,
    settings: ClientSettings,
    *,
    clock: Clock,
    random: Random,
    background: BackgroundWork,
    metrics: ChannelMetrics | None = None,
) -> ClientStack:
    """Connects in the background; a Mixer that is away is no failure.

    `background` runs until the channel is closed. Raises `RemoteSetupError` for a bad address.
    """
    spec = ConnectionSpec(
        address,
        authentication=settings.authentication,
        authority=_AUTHORITY,
        metadata=tuple(forwarded_headers(settings).items()),
    )
    limits = ChannelLimits(wire=WireLimits(health_service=_SERVICE, keepalive_s=_KEEPALIVE_S))

    async def connect() -> GrpcRemoteChannel:
        return await open_remote_channel(
            spec, clock=clock, tasks=background, limits=limits, metrics=metrics
        )

    channel = RestingChannel(await connect(), connect)
    return ClientStack(settings, channel=channel, background=background, clock=clock, random=random)
