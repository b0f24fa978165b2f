"""What a client configuration says of calls, over what the sidecar was started with."""

from remixer.attributes.values import Duration
from remixer.sidecar.client_config.messages import FailPolicy as PolicyName
from remixer.sidecar.client_config.messages import NetworkFailPolicy, TransportConfig
from remixer.sidecar.settings import ClientSettings
from remixer.sidecar.transport_settings import with_transport
from remixer.tiers.settings import FailPolicy

_MS = 1_000_000


def test_what_the_file_leaves_unsaid_stays() -> None:
    settings = ClientSettings(failure=FailPolicy.OPEN)
    assert with_transport(settings, TransportConfig()) == settings


def test_caches_and_batches_can_be_switched_off() -> None:
    transport = TransportConfig(
        disable_check_cache=True, disable_quota_cache=True, disable_report_batch=True
    )
    settings = with_transport(ClientSettings(), transport)
    assert settings.cache is None
    assert not settings.quotas.is_on
    assert settings.reports.batch.most_records == 1


def test_the_policy_for_failures_brings_its_retries() -> None:
    policy = NetworkFailPolicy(
        policy=PolicyName.FAIL_OPEN,
        max_retry=3,
        base_retry_wait=Duration(10 * _MS),
        max_retry_wait=Duration(20 * _MS),
    )
    settings = with_transport(ClientSettings(), TransportConfig(network_fail_policy=policy))
    assert settings.failure is FailPolicy.OPEN
    remote = settings.remote
    assert (remote.max_retry, remote.base_retry_wait_s, remote.max_retry_wait_s) == (3, 0.01, 0.02)
    closed = NetworkFailPolicy(policy=PolicyName.FAIL_CLOSE)
    again = with_transport(settings, TransportConfig(network_fail_policy=closed))
    assert again.failure is FailPolicy.CLOSED


def test_batches_are_as_large_and_as_late_as_the_file_says() -> None:
    transport = TransportConfig(
        report_batch_max_entries=7, report_batch_max_time=Duration(250 * _MS)
    )
    reports = with_transport(ClientSettings(), transport).reports
    assert (reports.batch.most_records, reports.interval_s) == (7, 0.25)
