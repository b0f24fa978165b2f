"""Every flag of `mixs server`, Mixer 1.3, and what `remixer serve` makes of it.

Four fates: *translated* (`becomes`), *without effect* for the values that ask for what happens
here anyway (`harmless`), *refused* with the replacement or the reason (`instead`), and
`--address`, which kept its name and its forms. Source: Mixer 1.3's flags and defaults.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from remixer.observability.logs import LogFormat, LogLevel

ANY: Final = None
"""As `harmless`: every value."""
_EVERY_INTERFACE: Final = "0.0.0.0"  # noqa: S104 - Mixer's own, and only on these flags
_LEVELS: Final[Mapping[str, LogLevel]] = MappingProxyType(
    {
        "debug": LogLevel.DEBUG,
        "info": LogLevel.INFO,
        "warn": LogLevel.WARNING,
        "error": LogLevel.ERROR,
        "fatal": LogLevel.ERROR,
        "none": LogLevel.ERROR,
    }
)


@dataclass(frozen=True, slots=True)
class MixerFlag:
    """One flag as Mixer wrote it, and its fate here."""

    name: str
    instead: str
    """For people: the replacement, or why there is none."""
    becomes: Callable[[str], tuple[str, ...]] | None = None
    """Our flags for its value; raises ValueError with what is wrong. None: not translated."""
    harmless: frozenset[str] | None = frozenset()
    """Values that change nothing here; the other ones are refused."""
    short: str = ""
    is_switch: bool = False
    """Written without a value it means `true`."""

    def is_harmless(self, value: str) -> bool:
        return self.harmless is ANY or value in self.harmless


def _same(flag: str) -> Callable[[str], tuple[str, ...]]:
    return lambda value: (f"{flag}={value}",)


def _port(flag: str) -> Callable[[str], tuple[str, ...]]:
    """Mixer listened on all interfaces."""
    return lambda value: (f"{flag}={_EVERY_INTERFACE}:{value}",)


def _store(value: str) -> tuple[str, ...]:
    return (f"--config-store={value or 'k8s://'}",)


def _log_level(value: str) -> tuple[str, ...]:
    """Of the scopes `default` and `all`; a level without a scope is that of `default`."""
    found: tuple[str, ...] = ()
    for entry in value.split(","):
        scope, colon, level = entry.strip().rpartition(":")
        if level not in _LEVELS:
            message = f"found `{entry}`; wanted SCOPE:LEVEL, LEVEL one of {', '.join(_LEVELS)}"
            raise ValueError(message)
        if not colon or scope in {"default", "all"}:
            found = (f"--log-level={_LEVELS[level].value}",)
    return found


def _log_format(value: str) -> tuple[str, ...]:
    is_json = value.lower() in {"true", "t", "1"}
    return (f"--log-format={(LogFormat.JSON if is_json else LogFormat.CONSOLE).value}",)


def _cache_entries(value: str) -> tuple[str, ...]:
    return ("--cache=off",) if value == "0" else (f"--cache-entries={value}",)


_TRUE: Final = frozenset({"true"})
_FALSE: Final = frozenset({"false"})
_UNSET: Final = frozenset({"", "0", "0s", "0.0"})
_PAGES: Final = "the pages of `--monitoring-address`"
_PROBES: Final = "`/healthz` and `/readyz` of `--monitoring-address`, or gRPC health checking"
_NO_POOL: Final = "no worker pools: one event loop; `--max-concurrent-streams` bounds calls"
_NO_TRACES: Final = (
    "Remixer sends no spans of its own calls; handlers `zipkin` and `otlp` send those of requests"
)
_SHEDDING: Final = "no load shedding; `--max-concurrent-streams` bounds the calls of a connection"
_ONLY_SHEDDING: Final = "matters only with load shedding, which `--loadsheddingMode` would start"
_MCP: Final = (
    "secured the connection to a configuration server (MCP), of which there is none here; "
    "for TLS towards proxies `--tls-certificate`, `--tls-key`, `--tls-client-ca`"
)
_STDERR: Final = "logs go to stderr: redirect them"
_ROTATION: Final = "logs go to stderr: leave rotation to who collects them"
_OLDER_KINDS: Final = "resources of the older kinds are always read: take them out of the store"
_NAMESPACES: Final = (
    "`destination.namespace` (or `source.namespace`, outbound) chooses the rules, as in Mixer 1.3"
)

MIXER_FLAGS: Final = (
    MixerFlag("port", "`--address 0.0.0.0:PORT`", _port("--address"), short="p"),
    MixerFlag("address", "the same flag; `tcp://` and `unix://` too", becomes=_same("--address")),
    MixerFlag(
        "monitoringPort", "`--monitoring-address 0.0.0.0:PORT`", _port("--monitoring-address")
    ),
    MixerFlag("maxMessageSize", "`--max-message-bytes`", _same("--max-message-bytes")),
    MixerFlag(
        "maxConcurrentStreams", "`--max-concurrent-streams`", _same("--max-concurrent-streams")
    ),
    MixerFlag("configStoreURL", "`--config-store`", _store),
    MixerFlag("configDefaultNamespace", "`--default-namespace`", _same("--default-namespace")),
    MixerFlag("configWaitTimeout", "`--config-wait`", _same("--config-wait")),
    MixerFlag("log_output_level", "`--log-level`, of the scope `default`", _log_level),
    MixerFlag("log_as_json", "`--log-format json`", _log_format, is_switch=True),
    MixerFlag("numCheckCacheEntries", "`--cache-entries`; 0: `--cache off`", _cache_entries),
    MixerFlag("singleThreaded", "one thread always", harmless=ANY, is_switch=True),
    MixerFlag("apiWorkerPoolSize", _NO_POOL, harmless=frozenset({"1024"})),
    MixerFlag("adapterWorkerPoolSize", _NO_POOL, harmless=frozenset({"1024"})),
    MixerFlag("useAdapterCRDs", _OLDER_KINDS, harmless=_TRUE, is_switch=True),
    MixerFlag("useTemplateCRDs", _OLDER_KINDS, harmless=_TRUE, is_switch=True),
    MixerFlag(
        "profile", "no pprof; profile the process with py-spy", harmless=_FALSE, is_switch=True
    ),
    MixerFlag("livenessProbePath", _PROBES, harmless=_UNSET),
    MixerFlag("livenessProbeInterval", _PROBES, harmless=_UNSET),
    MixerFlag("readinessProbePath", _PROBES, harmless=_UNSET),
    MixerFlag("readinessProbeInterval", _PROBES, harmless=_UNSET),
    MixerFlag("certFile", _MCP, harmless=_UNSET),
    MixerFlag("keyFile", _MCP, harmless=_UNSET),
    MixerFlag("caCertFile", _MCP, harmless=_UNSET),
    MixerFlag("trace_zipkin_url", _NO_TRACES, harmless=_UNSET),
    MixerFlag("trace_jaeger_url", _NO_TRACES, harmless=_UNSET),
    MixerFlag("trace_log_spans", _NO_TRACES, harmless=_FALSE, is_switch=True),
    MixerFlag("trace_sampling_rate", _NO_TRACES, harmless=_UNSET),
    MixerFlag("ctrlz_port", _PAGES),
    MixerFlag("ctrlz_address", _PAGES),
    MixerFlag("loadsheddingMode", _SHEDDING, harmless=frozenset({"disabled", ""})),
    MixerFlag("averageLatencyThreshold", _SHEDDING, harmless=_UNSET),
    MixerFlag("maxRequestsPerSecond", _SHEDDING, harmless=_UNSET),
    MixerFlag("burstSize", _ONLY_SHEDDING, harmless=ANY),
    MixerFlag("latencySamplesPerSecond", _ONLY_SHEDDING, harmless=ANY),
    MixerFlag("latencySampleHalflife", _ONLY_SHEDDING, harmless=ANY),
    MixerFlag("latencyEnforcementThreshold", _ONLY_SHEDDING, harmless=ANY),
    MixerFlag("log_target", _STDERR, harmless=frozenset({"stderr"})),
    MixerFlag("log_rotate", _ROTATION, harmless=_UNSET),
    MixerFlag("log_rotate_max_age", "matters only with `--log_rotate`", harmless=ANY),
    MixerFlag("log_rotate_max_backups", "matters only with `--log_rotate`", harmless=ANY),
    MixerFlag("log_rotate_max_size", "matters only with `--log_rotate`", harmless=ANY),
    MixerFlag("log_caller", "log lines name their module always", harmless=_UNSET),
    MixerFlag(
        "log_stacktrace_level",
        "faults of handlers are logged with their traceback always",
        harmless=frozenset({"default:none", "none", ""}),
    ),
    MixerFlag("configIdentityAttribute", _NAMESPACES),
    MixerFlag("configIdentityAttributeDomain", _NAMESPACES),
)
"""In the order of the manual's table."""
