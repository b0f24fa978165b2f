"""Settings: one table, four sources, every fault at once with its place."""

from pathlib import Path

import pytest

from remixer.expr.semantics import Semantics
from remixer.observability.logs import LogFormat, LogLevel
from remixer.server.setting_table import SettingsError
from remixer.server.settings import Settings, read_settings, settings_table
from remixer.transport.port import TlsFiles


def read(*flags: str, **environment: str) -> Settings:
    return read_settings(flags, environment)


def faults(*flags: str, **environment: str) -> list[str]:
    """One line per problem."""
    with pytest.raises(SettingsError) as caught:
        read(*flags, **environment)
    found = caught.value.problems
    assert str(caught.value).splitlines() == [str(each) for each in found]
    return [f"{each.location} {each.code} {each.message}|{each.hint}" for each in found]


def write(path: Path, text: str) -> str:
    file = path / "settings.yaml"
    file.write_text(text)
    return str(file)


# ------------------------------------------------------------------ defaults and sources


def test_defaults_listen_on_loopback_alone() -> None:
    settings = read()
    assert settings == Settings()
    assert settings.address == ("127.0.0.1:9091",)
    assert settings.monitoring_address == "127.0.0.1:15014"
    assert settings.prometheus_address == "127.0.0.1:42422"


def test_flag_counts_before_variable_before_file_before_default(tmp_path: Path) -> None:
    file = write(tmp_path, "log_level: debug\ndefault_namespace: from-file\ndrain_grace: 1s\n")
    settings = read(
        "--log-level=error",
        REMIXER_LOG_LEVEL="warning",
        REMIXER_DEFAULT_NAMESPACE="from-variable",
        REMIXER_SETTINGS=file,
    )
    assert settings.log_level is LogLevel.ERROR
    assert settings.default_namespace == "from-variable"
    assert settings.drain_grace_s == 1.0
    assert settings.max_concurrent_streams == 1024


def test_flag_names_the_file_before_the_variable_does(tmp_path: Path) -> None:
    file = write(tmp_path, "log_format: json\n")
    settings = read("--settings", file, REMIXER_SETTINGS="/none.yaml")
    assert settings.log_format is LogFormat.JSON


@pytest.mark.parametrize("row", settings_table(), ids=lambda row: row.key)
def test_every_default_can_be_given_as_flag_variable_and_key(tmp_path: Path, row: object) -> None:
    assert isinstance(row, type(settings_table()[0]))
    file = write(tmp_path, f'{row.key}: "{row.default}"\n')
    assert read(row.flag, row.default) == Settings()
    assert read(f"{row.flag}={row.default}") == Settings()
    assert read(**{row.variable: row.default}) == Settings()
    assert read("--settings", file) == Settings()


def test_later_flag_overrules_an_earlier_one() -> None:
    assert read("--log-level", "debug", "--log-level", "error").log_level is LogLevel.ERROR


def test_other_variables_are_nobodys_business() -> None:
    assert read(PATH="/bin", REMIX="1", HOME="x") == Settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("REMIXER_SERVICE_HOST", "10.0.0.1"),
        ("REMIXER_SERVICE_PORT", "9091"),
        ("REMIXER_SERVICE_PORT_GRPC", "9091"),
        ("REMIXER_PORT", "tcp://10.0.0.1:9091"),
        ("REMIXER_PORT_9091_TCP", "tcp://10.0.0.1:9091"),
        ("REMIXER_PORT_9091_TCP_ADDR", "10.0.0.1"),
        ("REMIXER_MONITORING_PORT_15014_TCP_PORT", "15014"),
    ],
)
def test_variables_that_kubernetes_adds_for_a_service_are_ignored(
    variable: str, value: str
) -> None:
    assert read(**{variable: value}) == Settings()


# ------------------------------------------------------------------ forms


@pytest.mark.parametrize(
    "flags",
    [
        ("--address", "127.0.0.1:1,unix:/run/s"),
        ("--address", "127.0.0.1:1", "--address", "unix:/run/s"),
        ("--address=tcp://127.0.0.1:1", "--address=unix:///run/s"),
    ],
)
def test_several_addresses_are_a_list(flags: tuple[str, ...]) -> None:
    assert read(*flags).address == ("127.0.0.1:1", "unix:/run/s")


def test_several_addresses_are_a_list_in_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "address:\n  - '127.0.0.1:1'\n  - unix:/run/s\n")
    assert read("--settings", file).address == ("127.0.0.1:1", "unix:/run/s")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("15s", 15.0), ("0.5", 0.5), ("250ms", 0.25), ("1m30s", 90.0), ("0", 0.0)],
)
def test_duration_has_a_unit_or_is_in_seconds(text: str, expected: float) -> None:
    assert read("--drain-grace", text).drain_grace_s == expected


@pytest.mark.parametrize("text", ["-1s", "1d", "", "nan", "inf", "3601s", "1e3"])
def test_no_duration_is_a_fault(text: str) -> None:
    (fault,) = faults(f"--drain-grace={text}")
    assert fault.startswith("--drain-grace SET002 ")
    assert "wanted a duration such as 500ms or 15s" in fault


@pytest.mark.parametrize(("text", "expected"), [("1", 1), ("67108864", 64 << 20), ("1_000", 1_000)])
def test_number_at_the_limit_is_taken(text: str, expected: int) -> None:
    assert read("--max-message-bytes", text).max_message_bytes == expected


@pytest.mark.parametrize("text", ["0", "67108865", "-1", "1.5", "x", "", "9" * 5_000, "²"])
def test_number_past_the_limit_is_a_fault(text: str) -> None:
    (fault,) = faults(f"--max-message-bytes={text}")
    assert "wanted a whole number from 1 to 67108864" in fault


def test_choice_is_one_of_its_words() -> None:
    settings = read("--expression-semantics", "mixer-1.3")
    assert settings.expression_semantics is Semantics.MIXER_1_3
    (fault,) = faults("--expression-semantics", "MIXER")
    assert "found `MIXER`; wanted one of fixed, mixer-1.3" in fault


@pytest.mark.parametrize(
    ("text", "expected"), [("embedded", "embedded://"), ("fs:///etc/remixer", "fs:///etc/remixer")]
)
def test_store_is_a_url_or_embedded(text: str, expected: str) -> None:
    assert read("--config-store", text).config_store == expected


def test_store_without_scheme_is_a_fault_that_shows_the_url() -> None:
    (fault,) = faults("--config-store", "/etc/remixer")
    assert "write fs:///etc/remixer" in fault


@pytest.mark.parametrize("text", ["9091", ":port", "h:x", "h:99999", "unix:", "a:1,,b:2"])
def test_no_address_is_a_fault(text: str) -> None:
    (fault,) = faults("--address", text)
    assert "SET002" in fault


# ------------------------------------------------------------------ faults


def test_all_faults_of_all_sources_are_told_at_once_with_their_places(tmp_path: Path) -> None:
    file = write(tmp_path, "log_level: loud\nlog_fromat: json\n\nmax_message_bytes: {a: 1}\n")
    found = faults(
        "--adress",
        "x:1",
        "--drain-grace=soon",
        REMIXER_SETTINGS=file,
        REMIXER_LOG_FORMAT="xml",
        REMIXER_LOG_LEVLE="debug",
    )
    duration = "a duration such as 500ms or 15s, from 0 to 3600 seconds"
    levels = "debug, info, warning, error"
    assert found == [
        f"{file}:2:1 SET001 no setting is named `log_fromat`|Did you mean log_format?",
        f"{file}:4:1 SET002 `max_message_bytes`: wanted a value or a list of them|",
        "REMIXER_LOG_LEVLE SET001 no setting has this name|Did you mean REMIXER_LOG_LEVEL?",
        "--adress SET001 there is no such flag|Did you mean --address?",
        f"{file}:1:1 SET002 found `loud`; wanted one of {levels}|",
        "REMIXER_LOG_FORMAT SET002 found `xml`; wanted one of console, json|",
        f"--drain-grace SET002 found `soon`; wanted {duration}|",
    ]


@pytest.mark.parametrize(
    ("flag", "ours"),
    [
        ("configStoreURL", "config_store"),
        ("monitoringPort", "monitoring_address"),
        ("maxMessageSize", "max_message_bytes"),
    ],
)
def test_flag_of_mixer_as_a_key_of_the_file_is_answered_with_ours(
    tmp_path: Path, flag: str, ours: str
) -> None:
    (fault,) = faults("--settings", write(tmp_path, f"{flag}: 5\n"))
    assert f"is {ours} here." in fault


@pytest.mark.parametrize("flags", [("--log-level",), ("--log-level", "--log-format=json")])
def test_flag_without_value_is_a_fault(flags: tuple[str, ...]) -> None:
    (fault,) = faults(*flags)
    assert fault == "--log-level SET003 the value is missing|"


def test_word_that_is_no_flag_is_a_fault() -> None:
    (fault,) = faults("serve")
    assert fault.startswith("serve SET001")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "the file is not YAML"),
        ("- a", "wanted a mapping"),
        ("log_level: debug\nlog_level: info", "`log_level` is given twice"),
        ("log_level:", "wanted a value"),
        ("log_level: [debug, info]", "2 values were given"),
        ("address: [[a]]", "wanted a value"),
        ("address: []", "0 addresses"),
        ("? [a]\n: b", "no setting is named"),
        ("[" * 5_000, "the file is not YAML"),
        ("\x00", "the file is not YAML"),
        ("a: b\n---\nc: d\n", "the file is not YAML"),
    ],
)
def test_bad_file_is_a_fault_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    file = write(tmp_path, text)
    found = faults("--settings", file)
    assert len(found) == 1
    assert found[0].startswith(file)
    assert message in found[0]


def test_empty_file_sets_nothing(tmp_path: Path) -> None:
    assert read("--settings", write(tmp_path, "# nothing\n")) == Settings()


def test_missing_file_is_a_fault(tmp_path: Path) -> None:
    (fault,) = faults("--settings", str(tmp_path / "none.yaml"))
    assert "cannot be read (No such file or directory)" in fault


def test_file_past_the_size_limit_is_a_fault(tmp_path: Path) -> None:
    at_limit = "#" * (1 << 20)
    assert read("--settings", write(tmp_path, at_limit)) == Settings()
    (fault,) = faults("--settings", write(tmp_path, at_limit + "#"))
    assert "more than 1048576 bytes" in fault


# ------------------------------------------------------------------ what does not go together


@pytest.mark.parametrize(
    ("flag", "hint"),
    [
        ("--tls-certificate", "Add --tls-key."),
        ("--tls-key", "Add --tls-certificate."),
        ("--tls-client-ca", "Add --tls-certificate and --tls-key."),
    ],
)
def test_half_of_tls_is_a_fault(flag: str, hint: str) -> None:
    (fault,) = faults(flag, "file.pem")
    assert fault.startswith(f"{flag} SET004")
    assert hint in fault


def test_two_listeners_cannot_share_a_place() -> None:
    (fault,) = faults("--address=127.0.0.1:7000", "--prometheus-address=127.0.0.1:7000")
    assert "--prometheus-address and --address both want 127.0.0.1:7000" in fault


def test_any_number_of_listeners_may_have_a_port_chosen() -> None:
    every = "127.0.0.1:0"
    settings = read(
        *("--address", f"{every},{every}"),
        *("--monitoring-address", every),
        *("--prometheus-address", every),
    )
    assert settings.address == (every, every)


# ------------------------------------------------------------------ what follows from settings


def test_tls_is_for_tcp_alone() -> None:
    settings = read(
        *("--address", "h:1,unix:/run/s"),
        *("--tls-certificate", "c", "--tls-key", "k", "--tls-client-ca", "a"),
    )
    tcp, unix = settings.listeners()
    assert (tcp.tls, unix.tls) == (TlsFiles("c", "k", "a"), None)


def test_limits_are_those_of_the_transport() -> None:
    limits = read("--max-message-bytes=5", "--max-concurrent-streams=7").limits()
    assert (limits.max_message_bytes, limits.max_concurrent_streams) == (5, 7)
