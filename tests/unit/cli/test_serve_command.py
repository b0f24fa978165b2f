"""`remixer serve`: settings from flags, and what is told of bad ones."""

from pathlib import Path

from typer.testing import CliRunner

from remixer.cli.app import app
from remixer.cli.exits import ExitCode
from remixer.server.settings import settings_table


def serve(*arguments: str, **environment: str) -> tuple[int, list[str]]:
    result = CliRunner().invoke(app, ["serve", *arguments], env=environment)
    return result.exit_code, result.stderr.splitlines()


def test_help_has_every_setting() -> None:
    text = CliRunner().invoke(app, ["serve", "--help"], env={"COLUMNS": "200"}).output

    for row in settings_table():
        assert row.flag in text
    assert "--settings" in text


def test_all_faults_of_all_sources_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("log_level: loud\n")

    code, lines = serve(
        "--settings", str(file), "--address", "nowhere", REMIXER_LOG_FORMAT="purple"
    )

    assert code == ExitCode.USAGE
    assert [line.partition(":")[0] for line in lines] == ["error"] * 3
    assert any(f"; {file}:1:" in line for line in lines)
    assert any("; --address address" in line for line in lines)
    assert any("; REMIXER_LOG_FORMAT log_format" in line for line in lines)


def test_a_flag_of_mixer_without_a_meaning_is_refused_with_its_replacement() -> None:
    assert serve("--configStoreURL", "embedded://", "-p", "0", "--ctrlz_port=9876") == (
        ExitCode.USAGE,
        [
            "error: SET005: this flag of Mixer has no meaning here, found `9876`; --ctrlz_port; "
            + "The pages of `--monitoring-address`."
        ],
    )


def test_flags_of_mixer_start_a_server_and_are_noted_in_its_log(tmp_path: Path) -> None:
    code, lines = serve(
        "--configStoreURL", f"fs://{tmp_path}/missing", "--configWaitTimeout", "0s",
        "--address", f"unix://{tmp_path}/mixer.sock", "--monitoringPort=0",
        "--log_output_level=default:info", "--prometheus-address", "127.0.0.1:0",
    )  # fmt: skip

    assert code == ExitCode.FAILED  # there is no configuration
    noted = [each.partition(" flag=")[2].split(" ")[0] for each in lines if "flag_of_mixer" in each]
    assert noted == [
        "--configStoreURL",
        "--configWaitTimeout",
        "--monitoringPort",
        "--log_output_level",
    ]
    assert any("no configuration within 0 s" in each for each in lines)


def test_a_repeated_flag_keeps_its_order() -> None:
    code, [line] = serve("--log-level", "loud", "--log-level", "louder")

    assert code == ExitCode.USAGE
    assert "`louder`" in line


def test_a_store_that_cannot_be_opened_is_one_line_and_not_a_traceback() -> None:
    code, lines = serve("--config-store", "k8s://")

    assert code == ExitCode.FAILED
    assert len(lines) == 1
    assert lines[0].startswith("error: configuration store `k8s://`: the scheme `k8s` is not")
