"""Flags of `mixs server`: translated, without effect, or refused."""

import pytest

from remixer.observability.logs import LogFormat, LogLevel
from remixer.server.mixer_flag_table import MIXER_FLAGS
from remixer.server.mixer_flags import FlagNote, translated
from remixer.server.setting_forms import Switch
from remixer.server.setting_table import SettingsError
from remixer.server.settings import Settings, read_settings

# As the reference lists them: the server's own, credentials, logging, tracing, introspection,
# load shedding.
FLAGS_OF_MIXS = frozenset(
    """
    port address monitoringPort maxMessageSize maxConcurrentStreams apiWorkerPoolSize
    adapterWorkerPoolSize singleThreaded numCheckCacheEntries configStoreURL configDefaultNamespace
    configWaitTimeout useAdapterCRDs useTemplateCRDs profile livenessProbePath livenessProbeInterval
    readinessProbePath readinessProbeInterval certFile keyFile caCertFile trace_zipkin_url
    trace_jaeger_url trace_log_spans trace_sampling_rate ctrlz_port ctrlz_address loadsheddingMode
    averageLatencyThreshold latencySamplesPerSecond latencySampleHalflife
    latencyEnforcementThreshold maxRequestsPerSecond burstSize log_as_json log_caller
    log_output_level log_rotate log_rotate_max_age log_rotate_max_backups log_rotate_max_size
    log_stacktrace_level log_target
    """.split()  # noqa: SIM905 - a list of fifty literals would take fifty lines
)


def read(*flags: str) -> Settings:
    return read_settings(flags, {})


def refusals(*flags: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(*flags)
    return [f"{each.location} {each.code} {each.hint}" for each in caught.value.problems]


def test_every_flag_of_mixs_has_a_fate() -> None:
    names = [flag.name for flag in MIXER_FLAGS]
    assert len(names) == len(set(names))
    assert set(names) >= FLAGS_OF_MIXS


@pytest.mark.parametrize(
    ("flags", "field", "value"),
    [
        (("--port", "9092"), "address", ("0.0.0.0:9092",)),
        (("-p", "9092"), "address", ("0.0.0.0:9092",)),
        (("-p9092",), "address", ("0.0.0.0:9092",)),
        (("-p=9092",), "address", ("0.0.0.0:9092",)),
        (("--address", "tcp://127.0.0.1:9092"), "address", ("127.0.0.1:9092",)),
        (("--address=unix:///sock/mixer.socket",), "address", ("unix:/sock/mixer.socket",)),
        (("--address=:9092",), "address", ("0.0.0.0:9092",)),
        (("--address", "tcp://:9092"), "address", ("0.0.0.0:9092",)),
        (("--port", "1", "--address", "127.0.0.1:9092"), "address", ("127.0.0.1:9092",)),
        (("--monitoringPort=15015",), "monitoring_address", "0.0.0.0:15015"),
        (("--maxMessageSize", "2048"), "max_message_bytes", 2048),
        (("--maxConcurrentStreams=7",), "max_concurrent_streams", 7),
        (("--configStoreURL", "fs:///etc/mixer"), "config_store", "fs:///etc/mixer"),
        (("--configStoreURL=",), "config_store", "k8s://"),
        (("--configDefaultNamespace=mesh",), "default_namespace", "mesh"),
        (("--configWaitTimeout", "2m"), "config_wait_s", 120.0),
        (("--numCheckCacheEntries=1500",), "cache_entries", 1500),
        (("--numCheckCacheEntries=0",), "cache", Switch.OFF),
        (("--log_output_level", "debug"), "log_level", LogLevel.DEBUG),
        (("--log_output_level=attributes:debug,default:warn",), "log_level", LogLevel.WARNING),
        (("--log_output_level=all:error",), "log_level", LogLevel.ERROR),
        (("--log_output_level=adapters:debug",), "log_level", LogLevel.INFO),
        (("--log_as_json",), "log_format", LogFormat.JSON),
        (("--log_as_json=false",), "log_format", LogFormat.CONSOLE),
    ],
)
def test_a_flag_with_a_meaning_sets_ours(flags: tuple[str, ...], field: str, value: object) -> None:
    assert getattr(read(*flags), field) == value


@pytest.mark.parametrize("flag", MIXER_FLAGS, ids=lambda flag: flag.name)
def test_a_flag_is_noted_refused_or_both_names_are_the_same(flag: object) -> None:
    assert isinstance(flag, type(MIXER_FLAGS[0]))
    found = translated([f"--{flag.name}=9"])
    fates = [bool(found.notes), bool(found.problems), found.arguments == [f"--{flag.name}=9"]]
    assert fates.count(True) == 1


@pytest.mark.parametrize(
    ("flag", "hint"),
    [
        ("--ctrlz_port=9876", "--monitoring-address"),
        ("--livenessProbePath=/tmp/live", "/healthz"),
        ("--trace_zipkin_url=http://zipkin:9411/api/v1/spans", "zipkin"),
        ("--loadsheddingMode=enforce", "--max-concurrent-streams"),
        ("--certFile=/etc/certs/cert-chain.pem", "--tls-certificate"),
        ("--useAdapterCRDs=false", "older kinds"),
        ("--profile", "py-spy"),
        ("--log_target=stdout", "stderr"),
    ],
)
def test_a_flag_without_a_meaning_is_refused_with_what_to_do(flag: str, hint: str) -> None:
    (refusal,) = refusals(flag)
    assert refusal.startswith(f"{flag.partition('=')[0]} SET005 ")
    assert hint in refusal


@pytest.mark.parametrize(
    "flag",
    [
        "--loadsheddingMode=disabled",
        "--averageLatencyThreshold=0",
        "--useTemplateCRDs",
        "--profile=false",
        "--singleThreaded",
        "--trace_log_spans=false",
        "--apiWorkerPoolSize=1024",
    ],
)
def test_a_flag_that_asks_for_what_happens_anyway_changes_nothing(flag: str) -> None:
    assert read(flag) == Settings()
    (note,) = translated([flag]).notes
    assert note.means.startswith("no effect: ")


def test_a_note_names_the_flag_as_it_is_documented_and_what_it_means() -> None:
    assert translated(["-p", "9092", "--maxMessageSize=5"]).notes == [
        FlagNote("--port", "--address 0.0.0.0:9092"),
        FlagNote("--maxMessageSize", "--max-message-bytes 5"),
    ]


def test_all_faults_are_told_at_once() -> None:
    found = refusals(
        "--ctrlz_port=1", "--log_output_level=loud", "--maxMessageSize=-1", "--nonsense", "--port"
    )
    assert [each.split(" ")[:2] for each in found] == [
        ["--nonsense", "SET001"],
        ["--ctrlz_port", "SET005"],
        ["--log_output_level", "SET002"],
        ["--port", "SET003"],
        ["--max-message-bytes", "SET002"],
    ]


def test_our_own_flags_pass_untouched() -> None:
    own = ["--address", "127.0.0.1:1", "--log-level=debug", "--settings", "x.yaml"]
    assert translated(own).arguments == ["--address=127.0.0.1:1", *own[2:]]
    assert translated(own).notes == []
