"""Settings of the server process: one table (`setting_table`), and the reader of the environment."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from remixer import __version__
from remixer.config.namespaces import DEFAULT_NAMESPACE
from remixer.expr.semantics import Semantics
from remixer.foundation.problems import Problem
from remixer.observability.logs import LogFormat, LogLevel
from remixer.server import setting_forms as forms
from remixer.server.mixer_flags import translated
from remixer.server.setting_forms import Switch
from remixer.server.setting_sources import SERVE
from remixer.server.setting_table import (
    Places,
    SettingRow,
    conflict,
    place_conflicts,
    read_table,
    rows_of,
    setting,
)
from remixer.tiers.settings import CacheSettings
from remixer.tiers.shared.settings import MOST_AGE_S, SharedSettings
from remixer.transport.port import Listener, TlsFiles, TransportLimits

_MOST_MESSAGE_BYTES: Final = 64 << 20
"""A report of several thousand requests stays far below."""
_LONGEST_WAIT_S: Final = 3_600.0
_LONGEST_CACHED_S: Final = 86_400.0
_CACHE_DEFAULTS: Final = CacheSettings()
_SHARED_DEFAULTS: Final = SharedSettings()


class Transport(Enum):
    """Values of `--transport`."""

    OWN = "own"
    GRPCIO = "grpcio"


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator can choose when starting a server."""

    config_store: str = setting(
        forms.STORE_URL,
        "embedded://",
        about="Where rules, handlers and instances are read from.",
        mixer=("configStoreURL",),
    )
    config_wait_s: float = setting(
        forms.seconds(least=0.0, most=_LONGEST_WAIT_S),
        120.0,
        about="Longest wait for the first configuration; then the start fails.",
        mixer=("configWaitTimeout",),
    )
    default_namespace: str = setting(
        forms.text("NAME", "the name of a namespace"),
        DEFAULT_NAMESPACE,
        about="Rules of this namespace apply to all requests.",
        mixer=("configDefaultNamespace",),
    )
    expression_semantics: Semantics = setting(  # noqa: RUF009 - makes a field
        forms.choice(Semantics),
        Semantics.FIXED,
        about="How expressions are read where Mixer 1.3 had quirks.",
    )
    address: tuple[str, ...] = setting(
        forms.ADDRESSES,
        ("127.0.0.1:9091",),
        about="Where proxies are served, over gRPC.",
        mixer=("port",),
    )
    monitoring_address: str = setting(
        forms.ADDRESS,
        "127.0.0.1:15014",
        about="Health, readiness, version and Remixer's own metrics, over HTTP.",
        mixer=("monitoringPort",),
    )
    prometheus_address: str = setting(
        forms.ADDRESS,
        "127.0.0.1:42422",
        about="What handlers of the prometheus adapter publish, over HTTP.",
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
    activate_address: str | None = setting(
        forms.OPTIONAL_ADDRESS,
        None,
        about="Where filters ask to wake Knative revisions (POST /activate); empty for nowhere.",
    )
    activate_from: tuple[str, ...] = setting(
        forms.TRUSTED_PEERS,
        ("127.0.0.0/8", "::1", "unix"),
        about="Who may ask there.",
    )
    transport: Transport = setting(  # noqa: RUF009 - makes a field
        forms.choice(Transport), Transport.OWN, about="The HTTP/2 stack under gRPC."
    )
    tls_certificate: str | None = setting(
        forms.optional_path("a PEM file with the server's certificate chain"),
        None,
        about="Certificate chain for TLS on TCP addresses; read again when it changes.",
    )
    tls_key: str | None = setting(
        forms.optional_path("a PEM file with the key of the certificate"),
        None,
        about="Private key of the certificate.",
    )
    tls_client_ca: str | None = setting(
        forms.optional_path("a PEM file with certificate authorities"),
        None,
        about="With it, clients must show a certificate of these authorities.",
    )
    trust_forwarded_attributes_from: tuple[str, ...] = setting(
        forms.TRUSTED_PEERS,
        (),
        about="Proxies whose clients' `x-istio-attributes` count; without it, nobody's.",
    )
    admin_from: tuple[str, ...] = setting(
        forms.TRUSTED_PEERS,
        ("127.0.0.0/8", "::1", "unix"),
        about="Who may flush and look into the cache, over the gRPC port.",
    )
    max_message_bytes: int = setting(
        forms.whole_number(least=1, most=_MOST_MESSAGE_BYTES),
        1_048_576,
        about="Largest message of a call, in both directions.",
        mixer=("maxMessageSize",),
    )
    max_concurrent_streams: int = setting(
        forms.whole_number(least=1, most=1_000_000),
        1_024,
        about="Most calls under way on one connection.",
        mixer=("maxConcurrentStreams",),
    )
    adapter_timeout_s: float = setting(
        forms.seconds(least=0.001, most=_LONGEST_WAIT_S),
        5.0,
        about="Longest wait for one call of an adapter, if the request allows so much.",
    )
    cache: Switch = setting(  # noqa: RUF009 - makes a field
        forms.choice(Switch),
        Switch.ON,
        about="Whether verdicts are remembered for as long as adapters allow.",
    )
    cache_entries: int = setting(
        forms.whole_number(least=1, most=100_000_000),
        _CACHE_DEFAULTS.max_entries,
        about="Most verdicts remembered.",
        mixer=("numCheckCacheEntries",),
    )
    cache_bytes: int = setting(
        forms.whole_number(least=10_000, most=1 << 40),
        _CACHE_DEFAULTS.max_bytes,
        about="Most memory for remembered verdicts.",
    )
    cache_max_age_s: float = setting(
        forms.seconds(least=0.0, most=_LONGEST_CACHED_S),
        _CACHE_DEFAULTS.max_age_s,
        about="No verdict is remembered longer, whatever its adapters allow.",
    )
    cache_stale_for_s: float = setting(
        forms.seconds(least=0.0, most=_LONGEST_CACHED_S),
        _CACHE_DEFAULTS.stale_for_s,
        about="How long past its end a verdict may stand in for a failure; 0s for never.",
    )
    shared_cache: str | None = setting(
        forms.optional_url("valkey://, redis://, rediss://, unix:// or memcached://HOST[,HOST]"),
        None,
        about="A cache that several instances share, asked where a handler would have to wait.",
    )
    shared_cache_key: str | None = setting(
        forms.optional_path("a file with one secret a line"),
        None,
        about="What shared verdicts are signed with, so that nobody else can write any.",
    )
    shared_cache_budget_s: float = setting(
        forms.seconds(least=0.0001, most=10.0),
        _SHARED_DEFAULTS.budget_s,
        about="What the shared cache may cost one check.",
    )
    cache_record: str | None = setting(
        forms.optional_path("a file that is written"),
        None,
        about="Record digests of checks there, for `remixer cache advise`.",
    )
    cache_record_bytes: int = setting(
        forms.whole_number(least=100_000, most=1 << 40),
        64 << 20,
        about="Most bytes of the recording; old checks give way to new ones.",
    )
    drain_grace_s: float = setting(
        forms.seconds(least=0.0, most=_LONGEST_WAIT_S),
        15.0,
        about="Longest time for accepted calls to finish after SIGTERM.",
    )
    drain_notice_s: float = setting(
        forms.seconds(least=0.0, most=_LONGEST_WAIT_S),
        0.0,
        about="Time between not being ready and accepting nothing, for load balancers.",
    )
    log_level: LogLevel = setting(  # noqa: RUF009 - makes a field
        forms.choice(LogLevel),
        LogLevel.INFO,
        about="Least level that is logged.",
        mixer=("log_output_level",),
    )
    log_format: LogFormat = setting(  # noqa: RUF009 - makes a field
        forms.choice(LogFormat),
        LogFormat.CONSOLE,
        about="How a log line looks.",
        mixer=("log_as_json",),
    )

    def listeners(self) -> tuple[Listener, ...]:
        """For the gRPC server; Unix sockets are private to the user and go without TLS."""
        return tuple(
            Listener(each, None if each.startswith("unix:") else self.tls())
            for each in self.address
        )

    def tls(self) -> TlsFiles | None:
        if self.tls_certificate is None or self.tls_key is None:
            return None
        return TlsFiles(self.tls_certificate, self.tls_key, self.tls_client_ca)

    def cache_settings(self) -> CacheSettings:
        return CacheSettings(
            max_entries=self.cache_entries,
            max_bytes=self.cache_bytes,
            max_age_s=self.cache_max_age_s,
            stale_for_s=self.cache_stale_for_s,
        )

    def shared_settings(self) -> SharedSettings:
        return SharedSettings(
            budget_s=self.shared_cache_budget_s,
            max_age_s=min(self.cache_max_age_s, MOST_AGE_S),
            # Adapters of another version may answer otherwise, and no signature knows.
            scope=__version__,
        )

    def limits(self) -> TransportLimits:
        return TransportLimits(
            max_message_bytes=self.max_message_bytes,
            max_concurrent_streams=self.max_concurrent_streams,
        )


# ------------------------------------------------------------------ reading


def settings_table() -> tuple[SettingRow, ...]:
    """All settings, in the order in which a reader wants them."""
    return rows_of(Settings, SERVE)


def settings_of_process(arguments: Sequence[str]) -> Settings:
    """Settings from the flags, this process's environment and the settings file."""
    return read_settings(arguments, os.environ)  # noqa: TID251 - the one place


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Raises `SettingsError` with every fault of every source."""
    given = translated(arguments)
    return read_table(
        Settings(),
        given.arguments,
        environment,
        program=SERVE,
        problems=given.problems,
        conflicts=_conflicts,
    )


def _conflicts(settings: Settings, places: Places) -> Iterator[Problem]:
    yield from _tls_conflicts(settings, places)
    yield from place_conflicts(_all_addresses(settings), places)


def _all_addresses(settings: Settings) -> Iterable[tuple[str, str]]:
    yield from (("address", each) for each in settings.address)
    yield "monitoring_address", settings.monitoring_address
    yield "prometheus_address", settings.prometheus_address
    for name in ("forward_auth_address", "activate_address"):
        address = getattr(settings, name)
        if address is not None:
            yield name, address


def _tls_conflicts(settings: Settings, places: Places) -> Iterator[Problem]:
    has_certificate = settings.tls_certificate is not None
    has_key = settings.tls_key is not None
    if has_certificate and not has_key:
        hint = "Add --tls-key."
        yield conflict("tls_certificate", places, "a certificate without its key", hint)
    if has_key and not has_certificate:
        hint = "Add --tls-certificate."
        yield conflict("tls_key", places, "a key without its certificate", hint)
    if settings.tls_client_ca is not None and not (has_certificate or has_key):
        hint = "Add --tls-certificate and --tls-key."
        yield conflict("tls_client_ca", places, "clients' authorities without TLS", hint)
