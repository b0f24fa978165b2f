"""What a client of a Mixer can be told. Every field has a safe default."""

from dataclasses import dataclass, field
from pathlib import Path

from remixer.sidecar.cache_settings import client_cache_settings
from remixer.tiers.quota_cache import QuotaCacheSettings
from remixer.tiers.report_settings import ReportSettings
from remixer.tiers.settings import CacheSettings, FailPolicy, RemoteSettings
from remixer.transport.remote_spec import Authentication


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
