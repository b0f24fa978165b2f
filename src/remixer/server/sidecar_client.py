"""A sidecar's settings as those of its client."""

from pathlib import Path

from remixer.server.setting_forms import Switch
from remixer.server.sidecar_settings import SidecarSettings
from remixer.sidecar.cache_settings import client_cache_settings
from remixer.sidecar.settings import ClientSettings
from remixer.tiers.quota_cache import QuotaCacheSettings
from remixer.tiers.report_settings import ReportSettings
from remixer.tiers.settings import CacheSettings, RemoteSettings
from remixer.transport.remote_spec import Authentication, MutualTls, Tls
from remixer.wire.report_batch import BatchLimits


def client_settings(settings: SidecarSettings) -> ClientSettings:
    """For the stack of tiers."""
    return ClientSettings(
        authentication=_authentication(settings),
        failure=settings.failure,
        remote=RemoteSettings(
            timeout_s=settings.timeout_s,
            max_retry=settings.max_retry,
            base_retry_wait_s=settings.base_retry_wait_s,
            max_retry_wait_s=settings.max_retry_wait_s,
        ),
        cache=_cache_settings(settings),
        quotas=QuotaCacheSettings(is_on=settings.quota_cache is Switch.ON),
        reports=ReportSettings(
            batch=BatchLimits(most_records=settings.report_entries),
            interval_s=settings.report_interval_s,
            call_timeout_s=settings.timeout_s,
            backlog_bytes=settings.report_bytes,
        ),
        spill=None if settings.report_spill is None else Path(settings.report_spill),
        spill_bytes=settings.report_spill_bytes,
        source_uid=settings.source_uid,
    )


def _cache_settings(settings: SidecarSettings) -> CacheSettings | None:
    if settings.cache is Switch.OFF:
        return None
    return client_cache_settings(
        max_entries=settings.cache_entries,
        max_bytes=settings.cache_bytes,
        max_age_s=settings.cache_max_age_s,
        stale_for_s=settings.cache_stale_for_s,
    )


def _authentication(settings: SidecarSettings) -> Authentication | None:
    if settings.mixer_tls_certificate and settings.mixer_tls_key:
        return MutualTls(
            settings.mixer_tls_certificate,
            settings.mixer_tls_key,
            settings.mixer_tls_ca or "",
            settings.mixer_server_name,
        )
    if settings.mixer_tls_ca or settings.mixer_server_name:
        return Tls(settings.mixer_tls_ca or "", settings.mixer_server_name)
    return None
