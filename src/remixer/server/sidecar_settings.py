"""Settings of the sidecar process: one table (`setting_table`).

Its defaults are those of `remixer.sidecar.settings`; a test insists.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from remixer.foundation.problems import Problem
from remixer.observability.logs import LogFormat, LogLevel
from remixer.server import setting_forms as forms
from remixer.server.setting_forms import Switch
from remixer.server.setting_sources import SIDECAR
from remixer.server.setting_table import (
    Places,
    SettingRow,
    conflict,
    place_conflicts,
    read_table,
    rows_of,
    setting,
)
from remixer.sidecar.cache_settings import client_cache_settings
from remixer.tiers.settings import FailPolicy, RemoteSettings
from remixer.transport.port import Listener, TransportLimits

_LONGEST_WAIT_S: Final = 3_600.0
_DAY_S: Final = 86_400.0
_CACHE: Final = client_cache_settings()
_REMOTE: Final = RemoteSettings()


@dataclass(frozen=True, slots=True)
class SidecarSettings:
    """What an operator can choose when starting a sidecar."""

    mixer: str = setting(
        forms.TARGETS, "127.0.0.1:9091", about="Mixers to ask; all of them do the same."
    )
    address: tuple[str, ...] = setting(
        forms.ADDRESSES,
        ("127.0.0.1:9092",),
        about="Where the Envoy beside it, and other local clients, are served, over gRPC.",
    )
    failure: FailPolicy = setting(  # noqa: RUF009 - makes a field
        forms.choice(FailPolicy),
        FailPolicy.CLOSED,
        about="What becomes of requests that no Mixer and no memory decides on: they pass, or not.",
    )
    client_config: str | None = setting(
        forms.optional_path("a YAML file"),
        None,
        about="Attributes, quotas and API patterns of the services here (client-configuration.md).",
    )
    source_uid: str = setting(
        forms.optional_text("UID", "a name such as kubernetes://POD.NAMESPACE"),
        "",
        about="Who asks; told to the Mixers with every call.",
    )
    mixer_tls_ca: str | None = setting(
        forms.optional_path("a PEM file with certificate authorities"),
        None,
        about="With it, Mixers are talked to over TLS, and must show a certificate of these.",
    )
    mixer_tls_certificate: str | None = setting(
        forms.optional_path("a PEM file with a certificate chain"),
        None,
        about="Shown to Mixers, for mutual TLS.",
    )
    mixer_tls_key: str | None = setting(
        forms.optional_path("a PEM file with the key of the certificate"),
        None,
        about="Private key of the certificate.",
    )
    mixer_server_name: str = setting(
        forms.optional_text("NAME", "a host name, or spiffe://…"),
        "",
        about="The name that certificates of Mixers carry, if it is not the host of the address.",
    )
    timeout_s: float = setting(
        forms.seconds(least=0.001, most=_LONGEST_WAIT_S),
        _REMOTE.timeout_s,
        about="Longest wait for one attempt of a call.",
    )
    max_retry: int = setting(
        forms.whole_number(least=0, most=100),
        _REMOTE.max_retry,
        about="Further attempts of a check that failed.",
    )
    base_retry_wait_s: float = setting(
        forms.seconds(least=0.001, most=_DAY_S),
        _REMOTE.base_retry_wait_s,
        about="Pause before the first of them.",
    )
    max_retry_wait_s: float = setting(
        forms.seconds(least=0.001, most=_DAY_S),
        _REMOTE.max_retry_wait_s,
        about="Longest pause between them.",
    )
    cache: Switch = setting(  # noqa: RUF009 - makes a field
        forms.choice(Switch), Switch.ON, about="Whether verdicts are remembered."
    )
    cache_entries: int = setting(
        forms.whole_number(least=1, most=100_000_000),
        _CACHE.max_entries,
        about="Most verdicts remembered.",
    )
    cache_bytes: int = setting(
        forms.whole_number(least=10_000, most=1 << 40),
        _CACHE.max_bytes,
        about="Most memory for remembered verdicts.",
    )
    cache_max_age_s: float = setting(
        forms.seconds(least=0.0, most=_DAY_S),
        _CACHE.max_age_s,
        about="No verdict is remembered longer, whatever the Mixer allows.",
    )
    cache_stale_for_s: float = setting(
        forms.seconds(least=0.0, most=_DAY_S),
        _CACHE.stale_for_s,
        about="How long past its end a verdict may stand in for a failure; 0s for never.",
    )
    quota_cache: Switch = setting(  # noqa: RUF009 - makes a field
        forms.choice(Switch), Switch.ON, about="Whether quotas are fetched ahead."
    )
    report_entries: int = setting(
        forms.whole_number(least=1, most=20_000),
        1_000,
        about="Requests reported with one call.",
    )
    report_interval_s: float = setting(
        forms.seconds(least=0.01, most=60.0),
        1.0,
        about="Longest time that a finished request waits to be reported.",
    )
    report_bytes: int = setting(
        forms.whole_number(least=1 << 20, most=1 << 40),
        64 << 20,
        about="Most memory for reports that no Mixer takes; the oldest go first.",
    )
    report_spill: str | None = setting(
        forms.optional_path("a directory"),
        None,
        about="Where reports go that have no room in memory, and those left at the end.",
    )
    report_spill_bytes: int = setting(
        forms.whole_number(least=1 << 20, most=1 << 40),
        256 << 20,
        about="Most bytes there.",
    )
    trust_forwarded_attributes_from: tuple[str, ...] = setting(
        forms.TRUSTED_PEERS,
        (),
        about="Proxies whose clients' `x-istio-attributes` count; without it, nobody's.",
    )
    monitoring_address: str | None = setting(
        forms.OPTIONAL_ADDRESS,
        "127.0.0.1:15020",
        about="Health, readiness, version and metrics, over HTTP; empty for none.",
    )
    forward_auth_address: str | None = setting(
        forms.OPTIONAL_ADDRESS,
        None,
        about="Where proxies ask by HTTP (nginx, Traefik, Caddy); empty for nowhere.",
    )
    forward_auth_from: tuple[str, ...] = setting(
        forms.TRUSTED_PEERS,
        ("127.0.0.0/8", "::1", "unix"),
        about="Proxies that may ask there, and are believed.",
    )
    forward_auth_timeout_s: float = setting(
        forms.seconds(least=0.001, most=_LONGEST_WAIT_S),
        5.0,
        about="Longest wait of such a proxy for a verdict.",
    )
    forward_auth_destinations: str | None = setting(
        forms.optional_path("a YAML file"),
        None,
        about="Attributes of services, by the hosts of such requests (forward-auth.md).",
    )
    max_message_bytes: int = setting(
        forms.whole_number(least=1, most=64 << 20),
        1_048_576,
        about="Largest message of a call from the Envoy.",
    )
    max_concurrent_streams: int = setting(
        forms.whole_number(least=1, most=1_000_000),
        1_024,
        about="Most calls under way on one connection.",
    )
    drain_grace_s: float = setting(
        forms.seconds(least=0.0, most=_LONGEST_WAIT_S),
        15.0,
        about="Longest time for accepted calls to finish, and for reports to go, after SIGTERM.",
    )
    drain_notice_s: float = setting(
        forms.seconds(least=0.0, most=_LONGEST_WAIT_S),
        0.0,
        about="Time between not being ready and accepting nothing.",
    )
    log_level: LogLevel = setting(  # noqa: RUF009 - makes a field
        forms.choice(LogLevel), LogLevel.INFO, about="Least level that is logged."
    )
    log_format: LogFormat = setting(  # noqa: RUF009 - makes a field
        forms.choice(LogFormat), LogFormat.CONSOLE, about="How a log line looks."
    )

    def listeners(self) -> tuple[Listener, ...]:
        return tuple(Listener(each) for each in self.address)

    def limits(self) -> TransportLimits:
        return TransportLimits(
            max_message_bytes=self.max_message_bytes,
            max_concurrent_streams=self.max_concurrent_streams,
        )


def sidecar_settings_table() -> tuple[SettingRow, ...]:
    """All settings, in the order in which a reader wants them."""
    return rows_of(SidecarSettings, SIDECAR)


def sidecar_settings_of_process(arguments: Sequence[str]) -> SidecarSettings:
    """Settings from the flags, this process's environment and the settings file."""
    return read_sidecar_settings(arguments, os.environ)  # noqa: TID251 - with `settings`, the place


def read_sidecar_settings(
    arguments: Sequence[str], environment: Mapping[str, str]
) -> SidecarSettings:
    """Raises `SettingsError` with every fault of every source."""
    return read_table(
        SidecarSettings(), arguments, environment, program=SIDECAR, conflicts=_conflicts
    )


def _conflicts(settings: SidecarSettings, places: Places) -> Iterator[Problem]:
    if (settings.mixer_tls_certificate is None) != (settings.mixer_tls_key is None):
        name = (
            "mixer_tls_key" if settings.mixer_tls_certificate is None else "mixer_tls_certificate"
        )
        message = "a certificate and its key go together"
        hint = "Give both --mixer-tls-certificate and --mixer-tls-key."
        yield conflict(name, places, message, hint)
    several = "," in settings.mixer
    is_named = settings.mixer_server_name or settings.mixer_tls_certificate
    if several and settings.mixer_tls_ca and not is_named:
        message = "several Mixers, and nothing says which name their certificates carry"
        yield conflict("mixer_tls_ca", places, message, "Give --mixer-server-name.")
    yield from place_conflicts(_all_addresses(settings), places)


def _all_addresses(settings: SidecarSettings) -> Iterator[tuple[str, str]]:
    yield from (("address", each) for each in settings.address)
    for name in ("monitoring_address", "forward_auth_address"):
        address = getattr(settings, name)
        if address:
            yield name, address
