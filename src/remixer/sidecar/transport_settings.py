"""What a client configuration says of how Mixers are talked to, on top of a client's settings.

What the file leaves unsaid stays as it was set. Source: `TransportConfig` of Mixer's client.
"""

from dataclasses import replace
from typing import Final

from remixer.attributes.values import Duration
from remixer.sidecar.client_config.messages import FailPolicy as PolicyName
from remixer.sidecar.client_config.messages import NetworkFailPolicy, TransportConfig
from remixer.sidecar.settings import ClientSettings
from remixer.tiers.report_settings import ReportSettings
from remixer.tiers.settings import FailPolicy

_NS_PER_S: Final = 1_000_000_000
_POLICIES: Final = {
    PolicyName.FAIL_OPEN: FailPolicy.OPEN,
    PolicyName.FAIL_CLOSE: FailPolicy.CLOSED,
}


def with_transport(settings: ClientSettings, transport: TransportConfig) -> ClientSettings:
    """The settings, changed where the file says something."""
    if transport.disable_check_cache:
        settings = replace(settings, cache=None)
    if transport.disable_quota_cache:
        settings = replace(settings, quotas=replace(settings.quotas, is_on=False))
    if transport.network_fail_policy is not None:
        settings = _with_policy(settings, transport.network_fail_policy)
    return replace(settings, reports=_reports(settings.reports, transport))


def _with_policy(settings: ClientSettings, policy: NetworkFailPolicy) -> ClientSettings:
    remote = replace(
        settings.remote,
        max_retry=policy.max_retry,
        base_retry_wait_s=_seconds(policy.base_retry_wait),
        max_retry_wait_s=_seconds(policy.max_retry_wait),
    )
    return replace(settings, failure=_POLICIES[policy.policy], remote=remote)


def _reports(reports: ReportSettings, transport: TransportConfig) -> ReportSettings:
    most = 1 if transport.disable_report_batch else transport.report_batch_max_entries
    if most is not None:
        reports = replace(reports, batch=replace(reports.batch, most_records=most))
    if transport.report_batch_max_time is not None:
        reports = replace(reports, interval_s=_seconds(transport.report_batch_max_time))
    return reports


def _seconds(duration: Duration) -> float:
    return duration / _NS_PER_S
