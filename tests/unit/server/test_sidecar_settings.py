"""Settings of the sidecar: one table, and what becomes of them."""

from pathlib import Path

import pytest

from remixer.server.setting_table import SettingsError
from remixer.server.settings import read_settings
from remixer.server.sidecar_client import client_settings
from remixer.server.sidecar_settings import (
    SidecarSettings,
    read_sidecar_settings,
    sidecar_settings_table,
)
from remixer.sidecar.settings import ClientSettings
from remixer.tiers.settings import FailPolicy
from remixer.transport.remote_spec import MutualTls, Tls


def read(*flags: str, **environment: str) -> SidecarSettings:
    return read_sidecar_settings(flags, environment)


def faults(*flags: str, **environment: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(*flags, **environment)
    return [f"{each.location} {each.code} {each.message}" for each in caught.value.problems]


def test_defaults_are_those_of_every_client() -> None:
    assert client_settings(read()) == ClientSettings()


@pytest.mark.parametrize("row", sidecar_settings_table(), ids=lambda row: row.key)
def test_a_default_that_is_shown_is_one_that_can_be_given(row: object) -> None:
    assert isinstance(row, type(sidecar_settings_table()[0]))
    assert row.variable == f"REMIXER_SIDECAR_{row.key.upper()}"
    if row.default:
        assert read(f"{row.flag}={row.default}") == read()


def test_each_setting_reaches_the_client() -> None:
    settings = client_settings(
        read(
            "--failure=open",
            "--timeout=2s",
            "--max-retry=3",
            "--base-retry-wait=10ms",
            "--max-retry-wait=20ms",
            "--cache-entries=5",
            "--cache-bytes=20000",
            "--cache-max-age=7s",
            "--cache-stale-for=8s",
            "--quota-cache=off",
            "--report-entries=9",
            "--report-interval=500ms",
            "--report-bytes=2000000",
            "--report-spill=/var/spool/remixer",
            "--report-spill-bytes=3000000",
            "--source-uid=kubernetes://web-1.shop",
        )
    )
    assert settings.failure is FailPolicy.OPEN
    remote = settings.remote
    assert (remote.timeout_s, remote.max_retry) == (2.0, 3)
    assert (remote.base_retry_wait_s, remote.max_retry_wait_s) == (0.01, 0.02)
    cache = settings.cache
    assert cache is not None
    assert (cache.max_entries, cache.max_bytes) == (5, 20_000)
    assert (cache.max_age_s, cache.stale_for_s) == (7.0, 8.0)
    assert not settings.quotas.is_on
    reports = settings.reports
    assert (reports.batch.most_records, reports.interval_s) == (9, 0.5)
    assert (reports.backlog_bytes, reports.call_timeout_s) == (2_000_000, 2.0)
    assert (settings.spill, settings.spill_bytes) == (Path("/var/spool/remixer"), 3_000_000)
    assert settings.source_uid == "kubernetes://web-1.shop"


def test_the_cache_can_be_off() -> None:
    assert client_settings(read("--cache=off")).cache is None


def test_several_mixers_are_one_setting_however_they_are_given() -> None:
    both = "mixer-0:9091,mixer-1:9091"
    assert read(f"--mixer={both}").mixer == both
    assert read("--mixer=mixer-0:9091", "--mixer=mixer-1:9091").mixer == both
    assert read(REMIXER_SIDECAR_MIXER=both).mixer == both


def test_mixers_are_talked_to_as_the_files_say() -> None:
    assert client_settings(read()).authentication is None
    tls = client_settings(read("--mixer-tls-ca=ca.pem")).authentication
    assert tls == Tls("ca.pem", "")
    mutual = client_settings(
        read(
            "--mixer-tls-ca=ca.pem",
            "--mixer-tls-certificate=c.pem",
            "--mixer-tls-key=k.pem",
            "--mixer-server-name=spiffe://cluster.local/ns/istio-system/sa/mixer",
        )
    ).authentication
    assert mutual == MutualTls(
        "c.pem", "k.pem", "ca.pem", "spiffe://cluster.local/ns/istio-system/sa/mixer"
    )


def test_all_faults_are_told_at_once() -> None:
    found = faults("--mixer=nowhere", "--failure=perhaps", "--no-such-flag=1")
    assert len(found) == 3
    assert any("nowhere" in each for each in found)
    assert any("perhaps" in each for each in found)


def test_what_does_not_go_together_is_refused() -> None:
    (half,) = faults("--mixer-tls-certificate=c.pem")
    assert "go together" in half
    (unnamed,) = faults("--mixer=a:1,b:2", "--mixer-tls-ca=ca.pem")
    assert "several Mixers" in unnamed
    (taken,) = faults("--address=127.0.0.1:5000", "--monitoring-address=127.0.0.1:5000")
    assert "both want" in taken


def test_the_server_leaves_variables_of_the_sidecar_alone() -> None:
    assert read_settings((), {"REMIXER_SIDECAR_MIXER": "a:1"}) == read_settings((), {})


def test_an_unknown_variable_of_the_sidecar_is_a_fault() -> None:
    (fault,) = faults(REMIXER_SIDECAR_MIXR="a:1")
    assert "no setting has this name" in fault
