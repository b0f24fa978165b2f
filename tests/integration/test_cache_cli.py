"""What operators do with the cache, end to end: a real `remixer serve`, real commands."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET  # our own file
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from remixer.cli.exits import ExitCode
from remixer.testing.server_process import ServerProcess, serving_process

pytestmark = pytest.mark.integration

REMIXER = [sys.executable, "-c", "from remixer.cli.main import run; run()"]
PATIENCE_S = 60.0
POLICY = """\
kind: handler
metadata: {name: members, namespace: shop}
spec:
  compiledAdapter: listchecker
  params: {overrides: [ann, bob, cid], caching_interval: 300s}
---
kind: instance
metadata: {name: user, namespace: shop}
spec:
  compiledTemplate: listentry
  params:
    value: source.user | "nobody"
---
kind: rule
metadata: {name: members-only, namespace: shop}
spec:
  match: request.path.startsWith("/team")
  actions: [{handler: members, instances: [user]}]
"""
USELESS = POLICY.replace('source.user | "nobody"', 'request.headers["x-request-id"] | "none"')


@dataclass(frozen=True, slots=True)
class Served:
    server: ServerProcess
    folder: Path

    def command(self, *arguments: str) -> tuple[int, str, str]:
        return remixer(*arguments, "--address", self.server.grpc)

    def check(self, user: str, path: str = "/team") -> None:
        attributes = f"destination.namespace=shop,source.user={user},request.path={path}"
        code, _, stderr = self.command("check", "-s", attributes)
        assert (code, stderr) == (ExitCode.DONE, "")

    def revoke(self, match: str) -> int:
        code, stdout, stderr = self.command("cache", "revoke", "--match", match, "-o", "json")
        assert (code, stderr) == (ExitCode.DONE, "")
        return int(json.loads(stdout)["dropped"])

    def stats(self) -> dict[str, Any]:
        code, stdout, stderr = self.command("cache", "stats", "--output", "json")
        assert (code, stderr) == (ExitCode.DONE, "")
        document: dict[str, Any] = json.loads(stdout)
        return document


def remixer(*arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(  # noqa: S603 - our own command
        [*REMIXER, *arguments], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    return done.returncode, done.stdout, done.stderr


def serving(folder: Path, *flags: str) -> Iterator[Served]:
    config = folder / "config"
    config.mkdir()
    (config / "policy.yaml").write_text(POLICY)
    with serving_process("--config-store", f"fs://{config}", *flags) as server:
        yield Served(server, folder)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serving(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def clean(served: Served) -> Served:
    """With nothing remembered."""
    assert served.command("cache", "flush")[0] == ExitCode.DONE
    return served


def test_flush_forgets_all_and_says_how_many(clean: Served) -> None:
    for user in ("ann", "bob"):
        clean.check(user)

    assert clean.command("cache", "flush") == (ExitCode.DONE, "2 verdicts forgotten\n", "")
    assert clean.command("cache", "flush") == (ExitCode.DONE, "0 verdicts forgotten\n", "")


def test_revoke_forgets_what_matches_and_nothing_else(clean: Served) -> None:
    for user in ("ann", "bob", "mallory"):
        clean.check(user)

    assert clean.revoke('source.user == "mallory"') == 1
    assert clean.revoke('source.user == "mallory"') == 0
    assert clean.stats()["entries"] == 2


def test_attributes_that_a_key_does_not_tell_count_as_absent(clean: Served) -> None:
    clean.check("ann")

    assert clean.revoke('request.host == "shop"') == 0, "no verdict depended on it"
    assert clean.revoke('(request.host | "none") == "none"') == 1


@pytest.mark.parametrize(
    ("match", "message"),
    [
        ('source.usr == "ann"', "EXPR004: line 1, column 1: unknown attribute source.usr"),
        ('source.user == "ann" &&', "line 1, column"),
        ("source.user", "expected type BOOL"),
        (" ", "the condition is empty"),
    ],
)
def test_a_bad_condition_is_told_with_its_place(served: Served, match: str, message: str) -> None:
    code, stdout, stderr = served.command("cache", "revoke", "--match", match)

    assert (code, stdout) == (ExitCode.USAGE, "")
    assert message in stderr
    assert "--match" in stderr


def test_stats_tell_hits_keys_and_what_verdicts_depend_on(clean: Served) -> None:
    before = clean.stats()["counts"]
    for user in ("ann", "ann", "ann", "bob"):
        clean.check(user)
    stats = clean.stats()
    (shop,) = stats["namespaces"]
    (shape,) = shop["shapes"]

    assert stats["counts"]["hit"] - before["hit"] == 2
    assert stats["entries"] == 2
    assert stats["bytes"] > 0
    assert (shop["namespace"], shop["hits"], shop["learned"]) == ("shop", 2, 2)
    assert (shape["hits"], shape["keys"]) == (2, 2)
    assert {"name": "source.user", "absent": False, "harm": ""} in shape["attributes"]
    assert 0 <= stats["age_seconds"]["most"] < PATIENCE_S
    assert 0 < stats["left_seconds"]["least"] <= 300


def test_stats_are_readable(clean: Served) -> None:
    clean.check("ann")
    code, stdout, _ = clean.command("cache", "stats")

    assert code == ExitCode.DONE
    assert "hit ratio" in stdout
    assert "source.user" in stdout


async def test_the_metrics_tell_keys_by_shape(clean: Served) -> None:
    clean.check("ann")
    page = await clean.server.metrics()
    (line,) = [each for each in page.splitlines() if each.startswith("remixer_cache_shape_keys{")]

    assert 'namespace="shop"' in line
    assert "source.user" in line
    assert line.endswith(" 1.0")


def test_who_is_not_listed_is_refused(tmp_path: Path) -> None:
    for served in serving(tmp_path, "--admin-from", "192.0.2.0/24"):
        for command in (["flush"], ["stats"], ["revoke", "--match", "true"]):
            code, stdout, stderr = served.command("cache", *command)
            assert (code, stdout) == (ExitCode.REFUSED, "")
            assert "is not for ipv4:127.0.0.1" in stderr
            assert "--admin-from" in stderr
        served.check("ann")


def test_without_a_server_the_address_is_told() -> None:
    code, _, stderr = remixer("cache", "stats", "--address", "127.0.0.1:1")
    assert code == ExitCode.UNREACHABLE
    assert "127.0.0.1:1" in stderr


def test_a_cache_that_is_off_has_nothing(tmp_path: Path) -> None:
    for served in serving(tmp_path, "--cache", "off"):
        assert served.command("cache", "flush")[1] == "0 verdicts forgotten\n"
        assert served.stats()["on"] is False
        assert "the cache is off" in served.command("cache", "stats")[1]


# ------------------------------------------------------------------ recording


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recording")
    file = folder / "trace"
    for served in serving(folder, "--cache-record", str(file)):
        for user in ("ann", "ann", "bob", "mallory-secret", "ann"):
            served.check(user)
        served.server.process.terminate()
        assert served.server.wait() == 0
    return file


def test_a_recording_has_digests_and_no_values(recording: Path) -> None:
    content = recording.read_bytes()

    assert b"source.user" in content
    assert b"mallory" not in content
    assert recording.stat().st_mode & 0o077 == 0, "for the operator's eyes"


def test_advice_tells_sizes_and_costs(recording: Path) -> None:
    code, stdout, stderr = remixer("cache", "advise", str(recording), "--output", "json")
    assert (code, stderr) == (ExitCode.DONE, "")
    advice = json.loads(stdout)

    assert (advice["checks"], advice["keys"]) == (5, 3)
    assert advice["recorded_hit_ratio"] == pytest.approx(0.4)
    assert advice["curves"][0]["points"] == [{"entries": 64, "hit_ratio": pytest.approx(0.4)}]
    assert advice["entries"] == 64
    (cost,) = advice["costs"]
    assert (cost["attribute"], cost["values"]) == ("source.user", 3)
    assert cost["hit_ratio"] == pytest.approx(0.4)


def test_advice_is_readable_and_drawn(recording: Path, tmp_path: Path) -> None:
    plot = tmp_path / "hits.svg"
    code, stdout, _ = remixer("cache", "advise", str(recording), "--plot", str(plot))

    assert code == ExitCode.DONE
    assert "Pick --cache-entries 64" in stdout
    assert "source.user" in stdout
    assert ET.fromstring(plot.read_text()).tag.endswith("svg")  # noqa: S314 - our own file


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent", None, "absent"),
        ("other", b"no trace at all", "no recording of checks: the first bytes are"),
    ],
)
def test_what_is_no_recording_is_refused(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    code, stdout, stderr = remixer("cache", "advise", str(file))

    assert (code, stdout) == (ExitCode.USAGE, "")
    assert message in stderr


def test_a_plot_of_another_kind_is_refused(recording: Path) -> None:
    code, _, stderr = remixer("cache", "advise", str(recording), "--plot", "hits.gif")
    assert code == ExitCode.USAGE
    assert "neither .svg nor .png" in stderr


def test_a_recording_that_cannot_be_made_keeps_the_server_from_starting(tmp_path: Path) -> None:
    code, _, stderr = remixer(
        *("serve", "--address", "127.0.0.1:0", "--monitoring-address", "127.0.0.1:0"),
        *("--prometheus-address", "127.0.0.1:0"),
        *("--cache-record", str(tmp_path / "no" / "such" / "folder")),
    )
    assert code == ExitCode.FAILED
    assert "--cache-record" in stderr


# ------------------------------------------------------------------ before there is a server


def test_useless_keys_are_found_before_there_is_a_server(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(USELESS)
    code, stdout, _ = remixer("validate", "-o", "json", str(tmp_path))
    (problem,) = json.loads(stdout)["problems"]

    assert code == ExitCode.DONE, "a warning"
    assert (problem["code"], problem["resource"]) == ("CONF050", "user.instance.shop")
    assert problem["line"] == USELESS[: USELESS.index("x-request-id")].count("\n") + 1
    assert 'request.headers["x-request-id"]' in problem["message"]
    assert "members-only.rule.shop" in problem["message"]
    assert remixer("validate", "--strict", str(tmp_path))[0] == ExitCode.FAILED


def test_explain_tells_who_reads_what(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(USELESS)
    code, stdout, stderr = remixer("explain", "--cache", str(tmp_path), "--output", "json")
    assert (code, stderr) == (ExitCode.DONE, "")
    explained = json.loads(stdout)
    (shop,) = explained["namespaces"]
    by_name = {each["name"]: each for each in shop["attributes"]}

    assert "destination.namespace" in explained["always"]
    assert set(by_name) == {'request.headers["x-request-id"]', "request.path"}
    assert by_name["request.path"]["harm"] == ""
    assert by_name["request.path"]["reads"][0]["rule"] == "members-only.rule.shop"
    assert by_name['request.headers["x-request-id"]']["harm"]
    text = remixer("explain", "--cache", str(tmp_path))[1]
    assert "request.path" in text
    assert "members-only.rule.shop" in text


def test_explain_wants_to_know_what() -> None:
    code, _, stderr = remixer("explain", "somewhere")
    assert code == ExitCode.USAGE
    assert "--cache" in stderr
