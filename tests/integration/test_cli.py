"""The commands end to end: real processes, a real `remixer serve` between them."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from remixer.cli.exits import ExitCode
from remixer.foundation.durations import parse_duration

pytestmark = pytest.mark.integration

REMIXER = [sys.executable, "-c", "from remixer.cli.main import run; run()"]
# A start or an answer that takes longer hangs.
PATIENCE_S = 60.0
POLICY = """\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: deny, namespace: istio-system}
spec:
  compiledAdapter: denier
  params: {status: {code: 7, message: too large}, valid_duration: 3s, valid_use_count: 2}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: nothing, namespace: istio-system}
spec: {compiledTemplate: checknothing}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: small-only, namespace: istio-system}
spec:
  match: request.size > 1000
  actions:
  - {handler: deny, instances: [nothing]}
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: limits, namespace: istio-system}
spec:
  compiledAdapter: memquota
  params:
    quotas:
    - {name: visits.instance.istio-system, max_amount: 3, valid_duration: 60s}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: visits, namespace: istio-system}
spec:
  compiledTemplate: quota
  params: {dimensions: {user: source.user | "nobody"}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: limited, namespace: istio-system}
spec:
  actions:
  - {handler: limits, instances: [visits]}
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A running `remixer serve`."""

    process: "subprocess.Popen[str]"
    address: str
    directory: Path

    def command(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command that takes `--address`."""
        return remixer(*arguments, "--address", self.address)

    def answer(self, *arguments: str) -> dict[str, object]:
        """The JSON answer of a check."""
        code, stdout, stderr = self.command("check", "--output", "json", *arguments)
        assert (code, stderr) == (ExitCode.DONE, "")
        document: dict[str, object] = json.loads(stdout)
        return document


def remixer(*arguments: str, **environment: str) -> tuple[int, str, str]:
    done = subprocess.run(  # noqa: S603 - our own text
        [*REMIXER, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env={**os.environ, **environment},  # noqa: TID251 - a child needs its parent's
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served")
    directory = folder / "config"
    directory.mkdir()
    (directory / "policy.yaml").write_text(POLICY)
    address = f"unix:{folder / 'mixer.sock'}"
    with subprocess.Popen(  # noqa: S603 - our own text
        [
            *REMIXER, "serve",
            "--config-store", f"fs://{directory}",
            "--address", address,
            "--monitoring-address", "127.0.0.1:0",
            "--prometheus-address", "127.0.0.1:0",
        ],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stderr is not None
            assert any("serving" in line for line in process.stderr), "it ended before it served"
            yield Server(process, address, directory)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_S)


def test_a_request_is_allowed_or_denied_by_the_served_rules(server: Server) -> None:
    allowed = server.answer("-i", "request.size=10")
    # Of a size that no other test asks of: nothing of the verdict's time has passed.
    denied = server.answer("-i", "request.size=5001")

    assert (allowed["verdict"], allowed["code"]) == ("allowed", 0)
    assert {key: denied[key] for key in ("verdict", "code_name", "message")} == {
        "verdict": "denied",
        "code_name": "PERMISSION_DENIED",
        "message": "deny.istio-system:too large",
    }
    assert parse_duration(denied["valid_duration"]) == parse_duration("3s")
    assert {"name": "request.size", "key": None, "condition": "exact"} in denied[
        "referenced_attributes"
    ]


def test_a_denial_is_shown_to_people_and_told_to_scripts_on_demand(server: Server) -> None:
    code, stdout, _ = server.command("check", "-a", "request.size=5000", "--exit-code")

    assert code == ExitCode.FAILED
    assert stdout.startswith("denied  PERMISSION_DENIED (7)  deny.istio-system:too large\n")


def test_quotas_run_out_between_separate_commands(server: Server) -> None:
    def granted() -> object:
        answer = server.answer("-s", "source.user=al", "-q", "visits=2")
        return answer["quotas"]["visits"]["granted"]

    assert [granted(), granted(), granted()] == [2, 1, 0]


def test_many_checks_share_a_connection_and_end_with_a_summary(server: Server) -> None:
    code, stdout, _ = server.command("check", "-r", "20", "-c", "4", "-i", "request.size=1")

    assert code == ExitCode.DONE
    assert stdout.splitlines()[-1].startswith("20 answers: 20 OK; ")


def test_a_report_is_accepted(server: Server) -> None:
    assert server.command("report", "-s", "source.user=al") == (ExitCode.DONE, "accepted\n", "")


def test_validate_and_serve_agree_on_the_same_directory(server: Server) -> None:
    code, stdout, _ = remixer("validate", str(server.directory), "--strict")

    assert code == ExitCode.DONE
    assert "2 rules, 2 handlers in use" in stdout


def test_no_colours_reach_a_pipe(server: Server) -> None:
    assert "\x1b" not in server.command("check", "-i", "request.size=5000")[1]


def test_serving_on_a_taken_address_is_told_and_fails(server: Server) -> None:
    code, _, stderr = remixer(
        "serve", "--address", server.address,
        "--monitoring-address", "127.0.0.1:0", "--prometheus-address", "127.0.0.1:0",
    )  # fmt: skip

    assert code == ExitCode.FAILED
    assert f"error: cannot listen on {server.address}: another process listens there." in stderr
    assert "Traceback" not in stderr


def test_bad_settings_end_serve_with_a_usage_error() -> None:
    code, _, stderr = remixer("serve", REMIXER_LOG_LEVEL="loud")

    assert code == ExitCode.USAGE
    assert stderr.startswith("error: SET002: ")
    assert "; REMIXER_LOG_LEVEL log_level" in stderr


def test_ctrl_c_ends_a_waiting_check_without_a_word() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with subprocess.Popen(  # noqa: S603 - our own text
            [*REMIXER, "check", "--address", address, "--timeout", "60"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            connection, _ = silent.accept()
            with connection:
                process.send_signal(signal.SIGINT)
                output = process.communicate(timeout=PATIENCE_S)

    assert (process.returncode, *output) == (ExitCode.INTERRUPTED, "", "")


def test_ctrl_c_stops_serve_in_order(tmp_path: Path) -> None:
    with subprocess.Popen(  # noqa: S603 - our own text
        [
            *REMIXER, "serve",
            "--address", f"unix:{tmp_path / 'mixer.sock'}",
            "--monitoring-address", "127.0.0.1:0",
            "--prometheus-address", "127.0.0.1:0",
        ],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert any("serving" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=PATIENCE_S)[1]

    assert process.returncode == ExitCode.DONE
    assert "Traceback" not in rest
