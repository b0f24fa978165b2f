"""What a client of a Mixer can be told. Every field has a safe default."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from remixer.tiers.network_failure import FailPolicy
from remixer.tiers.quota_cache import QuotaCacheSettings
from remixer.tiers.remote import RemoteSettings
from remixer.tiers.report_pipeline import ReportSettings
from remixer.tiers.settings import CacheSettings
from remixer.transport.remote_spec import Authentication

_USUAL: Final = CacheSettings()
_ENTRIES: Final = 10_000  # Mixer's client
_BYTES: Final = 16 << 20
_SHAPES: Final = 256  # of all services together: a client knows no namespaces


def client_cache_settings(
    *,
    max_entries: int = _ENTRIES,
    max_bytes: int = _BYTES,
    max_age_s: float = _USUAL.max_age_s,
    stale_for_s: float = _USUAL.stale_for_s,
) -> CacheSettings:
    """Smaller than a server's; and uses are spent to the last few, for each costs a call."""
    return CacheSettings(
        max_entries=max_entries,
        max_bytes=max_bytes,
        max_age_s=max_age_s,
        stale_for_s=stale_for_s,
        refresh_uses_at=0.98,
        max_shapes=_SHAPES,
    )


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How a Mixer is asked, and what is kept of its answers."""

    authentication: Authentication | None = None
    """TLS, mutual TLS or a token; None: neither encrypted nor authenticated."""
    failure: FailPolicy = FailPolicy.CLOSED
    """What becomes of requests that nobody decides on."""
    remote: RemoteSettings = field(default_factory=RemoteSettings)
    cache: CacheSettings | None = field(default_factory=client_cache_settings)
    """None: every check is asked of the Mixer."""
    quotas: QuotaCacheSettings = field(default_factory=QuotaCacheSettings)
    reports: ReportSettings = field(default_factory=ReportSettings)
    spill: Path | None = None
    """A directory for reports that memory has no room for, and those left at the end."""
    spill_bytes: int = 256 << 20
    source_uid: str = ""
    """`kubernetes://POD.NAMESPACE` of whoever asks; told with every call, if there is one."""
    close_s: float = 3.0
    """For reports that are left when the client closes."""
