"""Configuration that changes, breaks and vanishes under a running server.

What is wrong is told in the log, in the metrics and by `remixer validate`; what is right applies;
no call fails, and none is answered by anything but the rules before or the rules after.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from remixer.cli.demo.polling import until
from remixer.foundation.status import Code
from remixer.testing.mixer_client import MixerCaller, mixer_caller, traffic
from remixer.testing.server_process import ServerProcess, serving_process

pytestmark = pytest.mark.integration

PATIENCE_S = 60.0
LIMIT = 50
QUOTA = f"""
kind: handler
metadata: {{name: limit, namespace: istio-system}}
spec:
  compiledAdapter: memquota
  params: {{quotas: [{{name: hits.instance.istio-system, maxAmount: {LIMIT}, validDuration: 600s}}]}}
---
kind: instance
metadata: {{name: hits, namespace: istio-system}}
spec: {{compiledTemplate: quota}}
---
kind: rule
metadata: {{name: limit, namespace: istio-system}}
spec: {{actions: [{{handler: limit, instances: [hits]}}]}}
"""


def denial(message: str, *, path: str = "/deny", name: str = "deny") -> str:
    """A rule that denies one path with this message."""
    return f"""
kind: handler
metadata: {{name: {name}, namespace: istio-system}}
spec: {{compiledAdapter: denier, params: {{status: {{code: 7, message: {message}}}}}}}
---
kind: instance
metadata: {{name: {name}-nothing, namespace: istio-system}}
spec: {{compiledTemplate: checknothing}}
---
kind: rule
metadata: {{name: {name}, namespace: istio-system}}
spec:
  match: request.path == "{path}"
  actions: [{{handler: {name}, instances: [{name}-nothing]}}]
"""


async def answer(caller: MixerCaller, path: str) -> str:
    """The message of a denial, or nothing."""
    outcome = await caller.check({"request.path": path})
    assert outcome.status.code in {Code.OK, Code.PERMISSION_DENIED}
    return outcome.status.message.rpartition(":")[2]


async def until_answered(caller: MixerCaller, path: str, message: str) -> None:
    async def look() -> bool | None:
        return await answer(caller, path) == message or None

    await until(look, within_s=PATIENCE_S)


@dataclass(frozen=True, slots=True)
class Served:
    """A server and the directory it reads."""

    server: ServerProcess
    directory: Path

    def write(self, name: str, text: str) -> None:
        """As editors and tools that know better do: beside, then rename."""
        beside = self.directory / f".{name}.new"
        beside.write_text(text)
        beside.replace(self.directory / name)

    async def problems(self) -> list[dict[str, str]]:
        """What `remixer validate` says of the directory, by now."""
        command = [sys.executable, "-c", "from remixer.cli.main import run; run()", "validate"]
        done = await asyncio.to_thread(
            subprocess.run,
            [*command, str(self.directory), "--output", "json"],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode in {0, 1}, done.stderr
        found: list[dict[str, str]] = json.loads(done.stdout)["problems"]
        return found


@contextmanager
def served_from(
    directory: Path, files: Mapping[str, str], environment: Mapping[str, str] | None = None
) -> Iterator[Served]:
    directory.mkdir(exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text)
    store = ("--config-store", f"fs://{directory}")
    with serving_process(*store, environment=environment) as server:
        yield Served(server, directory)
        assert server.other_output == []
        assert server.events("config_watch_failed") == []


# ------------------------------------------------------------------ configuration that is bad

LONG_EXPRESSION = "request.size > 0" + " || request.size > 0" * 470  # 10,000 characters
TOO_LONG_EXPRESSION = LONG_EXPRESSION + " || request.size > 0" * 400
DEEP_EXPRESSION = "(" * 500 + "true" + ")" * 500
BOMB = """
a: &a [x, x, x, x, x, x, x, x, x, x]
b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]
c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]
d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]
e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]
f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]
g: &g [*f, *f, *f, *f, *f, *f, *f, *f, *f, *f]
"""


def rule(name: str, match: str) -> str:
    return f"""
kind: rule
metadata: {{name: {name}, namespace: istio-system}}
spec:
  match: {match}
  actions: [{{handler: deny, instances: [deny-nothing]}}]
"""


BAD_FILES = {
    "bomb.yaml": BOMB,
    "deep-yaml.yaml": "[" * 500 + "]" * 500,
    "deep-block.yaml": "".join(" " * depth + "a:\n" for depth in range(500)),
    "deep-expression.yaml": rule("deep-expression", DEEP_EXPRESSION),
    "long-expression.yaml": rule("long-expression", TOO_LONG_EXPRESSION),
    "no-spec.yaml": "kind: rule\nmetadata: {name: no-spec, namespace: istio-system}\n",
    "blank-spec.yaml": "kind: rule\nmetadata: {name: blank-spec, namespace: istio-system}\nspec:\n",
    "blank-rule.yaml": (
        "kind: rule\nmetadata: {name: blank-rule, namespace: istio-system}\n"
        "spec: {match: '', actions: [{handler: '', instances: ['']}, {}]}\n"
    ),
    "blank-handler.yaml": (
        "kind: handler\nmetadata: {name: blank-handler, namespace: istio-system}\nspec: {}\n"
    ),
    "no-metadata.yaml": "kind: rule\nmetadata:\nspec:\n",
    "half.yaml": denial("half", name="half")[:200],
    "binary.yaml": "\x00\x01\x02",
    "a-list.yaml": "- kind: rule\n- 17\n",
}
EMPTY_FILES = {
    "blank.yaml": "",
    "spaces.yaml": " \n\n  \n",
    "empty-documents.yaml": "---\n---\n...\n---\n",
    "comments.yaml": "# nothing\n--- # here\n# at all\n",
    "nulls.yaml": "null\n---\n~\n",
}


@dataclass(slots=True)
class Aftermath:
    """A server into whose directory all that bad and empty configuration was put at once."""

    served: Served
    told: list[str] = field(default_factory=list)
    """Problems in its log."""
    validated: list[str] = field(default_factory=list)
    """Problems that `remixer validate` finds, as one text each."""


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    directory = tmp_path_factory.mktemp("bad") / "config"
    with served_from(directory, {"good.yaml": denial("before")}) as served:
        for name, text in (BAD_FILES | EMPTY_FILES).items():
            (directory / name).write_text(text)
        long = rule("long", LONG_EXPRESSION)
        served.write("good.yaml", denial("after") + "---" + long)
        served.server.wait_for("config_in_force", generation=2)
        told = [str(line["problem"]) for line in served.server.events("config_problem")]
        problems = asyncio.run(served.problems())
        validated = [f"{each['code']} {each.get('location') or each}" for each in problems]
        yield Aftermath(served, told, validated)


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("bomb.yaml:7:", "CONF007"),
        ("deep-yaml.yaml:1:65", "CONF006"),
        ("deep-block.yaml:64:64", "CONF006"),
        ("deep-expression.yaml", "EXPR"),
        ("long-expression.yaml", "EXPR"),
        ("no-spec.yaml", "REF009"),
        ("blank-spec.yaml", "REF009"),
        ("blank-rule.yaml", "REF"),
        ("blank-handler.yaml", "REF003"),
        ("no-metadata.yaml", "CONF012"),
        ("half.yaml", "CONF004"),
        ("binary.yaml", "CONF004"),
        ("a-list.yaml", "CONF011"),
    ],
)
def test_bad_file_is_told_with_its_place_in_log_and_by_validate(
    aftermath: Aftermath, file: str, code: str
) -> None:
    assert [each for each in aftermath.told if file in each and code in each]
    assert [
        each
        for each in aftermath.validated
        if file.split(":", maxsplit=1)[0] in each and code in each
    ]


@pytest.mark.parametrize("name", EMPTY_FILES)
def test_file_with_nothing_in_it_is_no_fault(aftermath: Aftermath, name: str) -> None:
    assert [each for each in (*aftermath.told, *aftermath.validated) if name in each] == []


async def test_good_resources_beside_bad_ones_apply(aftermath: Aftermath) -> None:
    async with mixer_caller(aftermath.served.server.grpc) as caller:
        assert await answer(caller, "/deny") == "after"
        assert await answer(caller, "/other") == ""
        denied = await caller.check({"request.path": "/other", "request.size": 1})
        assert denied.status.message == "deny.istio-system:after"  # by ten thousand characters


async def test_bad_configuration_shows_in_the_metrics(aftermath: Aftermath) -> None:
    shown = metrics_of(await aftermath.served.server.metrics())
    rules = [each for each in aftermath.told if ".rule.istio-system" in each]
    in_rules = shown["mixer_config_rule_config_errors_total"]
    in_conditions = shown["mixer_config_rule_config_match_error_total"]
    assert in_rules > 0
    assert in_conditions > 0
    assert in_rules + in_conditions == len(rules) > 5
    assert shown['remixer_config_problems{kind="rule"}'] == len(rules)
    total = sum(n for name, n in shown.items() if name.startswith("remixer_config_problems"))
    assert total == len(aftermath.told)


def metrics_of(page: str) -> dict[str, float]:
    lines = (line for line in page.splitlines() if line and not line.startswith("#"))
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


async def test_bad_configuration_leaves_the_server_ready(aftermath: Aftermath) -> None:
    assert (await aftermath.served.server.page("/readyz")).status == 200


# ------------------------------------------------------------------ files that come and go


@pytest.fixture
def start(tmp_path: Path) -> Callable[[Mapping[str, str]], AbstractContextManager[Served]]:
    def served(files: Mapping[str, str]) -> AbstractContextManager[Served]:
        return served_from(tmp_path / "config", files)

    return served


Start = Callable[[Mapping[str, str]], AbstractContextManager[Served]]


async def test_directory_that_vanishes_and_returns(start: Start, tmp_path: Path) -> None:
    with start({"policy.yaml": denial("old")}) as served:
        async with mixer_caller(served.server.grpc) as caller:
            served.directory.rename(tmp_path / "away")
            told = await served.server.logged("config_problem", code="CONF001")
            assert str(served.directory) in str(told["problem"])
            assert await answer(caller, "/deny") == "old"
            assert (await served.server.page("/readyz")).status == 200
            assert 'remixer_config_problems{kind=""} 1.0' in await served.server.metrics()

            (tmp_path / "away" / "policy.yaml").write_text(denial("new"))
            (tmp_path / "away").rename(served.directory)
            await until_answered(caller, "/deny", "new")
            assert "remixer_config_problems{" not in await served.server.metrics()


async def test_half_written_and_unreadable_files_lift_no_rule(start: Start) -> None:
    files = {"policy.yaml": denial("kept"), "other.yaml": denial("old", name="other", path="/o")}
    with start(files) as served:
        async with mixer_caller(served.server.grpc) as caller:
            written = denial("never-seen")
            (served.directory / "policy.yaml").write_text(written[: written.index("metadata") + 20])
            served.write("other.yaml", denial("new", name="other", path="/o"))
            await until_answered(caller, "/o", "new")
            assert await answer(caller, "/deny") == "kept"
            assert served.server.events("config_problem", code="CONF004")
            assert served.server.events("config_problem", code="CONF015")
            assert "CONF004" in {each["code"] for each in await served.problems()}

            # A file that even root cannot read: a link to itself.
            (served.directory / "policy.yaml").unlink()
            (served.directory / "policy.yaml").symlink_to("policy.yaml")
            await served.server.logged("config_problem", code="CONF001")
            assert await answer(caller, "/deny") == "kept"

            served.write("policy.yaml", denial("whole"))
            await until_answered(caller, "/deny", "whole")


async def test_mounted_config_map_is_swapped_at_once(start: Start, tmp_path: Path) -> None:
    mount = tmp_path / "config"
    mount.mkdir()

    def publish(version: str, files: Mapping[str, str]) -> None:
        """As the kubelet does."""
        folder = mount / f"..{version}"
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
        (mount / "..data_tmp").symlink_to(folder.name)
        (mount / "..data_tmp").rename(mount / "..data")

    publish("1", {"a.yaml": denial("a1", path="/a", name="a"), "b.yaml": denial("b1", name="b")})
    for name in ("a.yaml", "b.yaml"):
        (mount / name).symlink_to(f"..data/{name}")
    with start({}) as served:
        async with mixer_caller(served.server.grpc) as caller:
            assert await answer(caller, "/a") == "a1"
            publish("2", {"a.yaml": denial("a2", path="/a", name="a"), "b.yaml": "[broken"})
            await until_answered(caller, "/a", "a2")
            assert await answer(caller, "/deny") == "b1"  # its new file cannot be read
            (mount / "b.yaml").unlink()
            publish("3", {"a.yaml": denial("a3", path="/a", name="a")})
            await until_answered(caller, "/a", "a3")
            assert await answer(caller, "/deny") == ""


# ------------------------------------------------------------------ changes under load


def pair(message: str) -> str:
    """Two rules of one path, whose denials are told together: a mixture would show."""
    return denial(message, name="first") + "---" + denial(message, name="second")


VERSIONS: tuple[tuple[Mapping[str, str | None], str], ...] = (
    ({"policy.yaml": pair("changed")}, "changed changed"),
    ({"more.yaml": denial("added", name="more")}, "changed added changed"),
    ({"more.yaml": None}, "changed changed"),
    ({"policy.yaml": denial("one", name="first")}, "one"),
    ({"policy.yaml": denial("one", name="first", path="/elsewhere")}, ""),
    ({"policy.yaml": pair("again"), "broken.yaml": "[broken"}, "again again"),
    ({"policy.yaml": pair("mended"), "broken.yaml": None}, "mended mended"),
    ({"policy.yaml": None}, ""),
    ({"a.yaml": denial("a", name="first"), "b.yaml": denial("b", name="second")}, "a b"),
    ({"a.yaml": None, "b.yaml": None, "policy.yaml": pair("last")}, "last last"),
)


async def test_ten_changes_under_load_fail_no_call_and_mix_no_rules(start: Start) -> None:
    acceptable = {"first first"}

    async def words(caller: MixerCaller) -> str:
        outcome = await caller.check({"request.path": "/deny"})
        return " ".join(part.rpartition(":")[2] for part in outcome.status.message.split(", "))

    async def ask(caller: MixerCaller) -> str:
        before = set(acceptable)
        found = await words(caller)
        return "" if found in before | acceptable else f"{found!r} is neither of {acceptable}"

    taken = 0
    with start({"policy.yaml": pair("first"), "quota.yaml": QUOTA}) as served:
        async with (
            mixer_caller(served.server.grpc) as caller,
            traffic(served.server.grpc, ask, clients=4) as load,
        ):
            for files, expected in VERSIONS:
                taken += await grant(caller)
                acceptable.add(expected)
                for name, text in files.items():
                    if text is None:
                        (served.directory / name).unlink()
                    else:
                        served.write(name, text)

                async def look(expected: str = expected) -> bool | None:
                    return await words(caller) == expected or None

                await until(look, within_s=PATIENCE_S)
                acceptable.intersection_update({expected})
                await load.more(20)
            while granted := await grant(caller):
                taken += granted
        assert load.wrong == []
        assert taken == LIMIT, "the quota's counters did not survive the changes"
        shown = metrics_of(await served.server.metrics())
        assert shown["mixer_handler_reused_handlers_total"] >= 1
        assert shown["mixer_handler_handler_close_failures_total"] == 0


async def grant(caller: MixerCaller) -> int:
    outcome = await caller.check({"request.path": "/quota"}, quotas={"hits": 1})
    return outcome.quotas["hits"].granted


async def test_call_that_waits_is_answered_by_the_rules_it_began_with(
    gate: Any, tmp_path: Path
) -> None:
    directory = tmp_path / "config"
    files = {"gate.yaml": gate.policy(), "policy.yaml": denial("old")}
    with served_from(directory, files, environment=gate.environment) as served:
        async with mixer_caller(served.server.grpc) as caller, asyncio.TaskGroup() as group:
            waiting = group.create_task(caller.check({"request.path": "/wait"}))
            await until(lambda: seen(gate, "asked"), within_s=PATIENCE_S)
            (directory / "gate.yaml").unlink()
            served.write("policy.yaml", denial("new"))
            # The slow call holds up neither this change nor the next.
            await until_answered(caller, "/deny", "new")
            served.write("policy.yaml", denial("newer"))
            await until_answered(caller, "/deny", "newer")
            assert await answer(caller, "/wait") == ""
            gate.open()
            assert (await waiting).status.message == "gate.istio-system:the gate"
            await until(lambda: seen(gate, "closed"), within_s=PATIENCE_S)
    assert gate.story() == ["asked", "answered", "closed"]


async def seen(gate: Any, line: str) -> bool | None:
    return line in gate.story() or None
