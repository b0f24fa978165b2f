"""`remixer adapter`: the packages it writes work, what it describes can be called."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from typer.testing import CliRunner

from remixer.adapters.registry import BUILTIN_ADAPTERS
from remixer.cli.app import app
from remixer.cli.exits import ExitCode, OperatorError
from remixer.cli.scaffold.package import Scaffold, write_package
from remixer.templates.instances import BUILTIN_TEMPLATES
from remixer.templates.schema import Field, Message, Template, Variety

PATIENCE_S = 120.0
_ASYNCIO = ("-o", "asyncio_default_fixture_loop_scope=function")  # or the plugin warns
NAMES = sorted(each.name for each in BUILTIN_TEMPLATES)


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["adapter", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def documents(text: str) -> list[Any]:
    return list(yaml.safe_load_all(text))


# ------------------------------------------------------------------ new


def run_tests_of(folders: list[Path]) -> "subprocess.CompletedProcess[str]":
    """The packages' own tests, in one process."""
    path = os.pathsep.join(map(str, folders))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
    return subprocess.run(  # noqa: S603 - our own packages
        [*command, "--import-mode=prepend", "-W", "error", "-c", os.devnull, *_ASYNCIO, *folders],
        env={**os.environ, "PYTHONPATH": path},  # noqa: TID251 - a child's environment
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


@pytest.mark.parametrize("flavour", [(), ("--in-process",)], ids=["served", "in-process"])
def test_the_package_of_every_template_passes_its_own_tests(
    tmp_path: Path, flavour: tuple[str, ...]
) -> None:
    for name in NAMES:
        code, _, errors = run(
            "new", f"my_{name}", "--template", name, "--output", tmp_path, *flavour
        )
        assert (code, errors) == (ExitCode.DONE, "")
    done = run_tests_of([tmp_path / f"my_{name}" for name in NAMES])
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) == len(NAMES) * (2 if flavour else 3)


@pytest.mark.parametrize("flavour", [(), ("--in-process",)], ids=["served", "in-process"])
def test_what_it_writes_is_told_and_there(tmp_path: Path, flavour: tuple[str, ...]) -> None:
    _, shown, _ = run("new", "geo", "--template", "metric", "--output", tmp_path, *flavour)
    told = {line.strip() for line in shown.splitlines() if line.startswith("  ")}
    assert told == {
        str(each.relative_to(tmp_path / "geo"))
        for each in (tmp_path / "geo").rglob("*")
        if each.is_file()
    }
    common = {
        "README.md",
        "pyproject.toml",
        "geo/__init__.py",
        "geo/adapter.py",
        "tests/test_geo.py",
        "resources/handler.yaml",
        "resources/instance.yaml",
        "resources/rule.yaml",
    }
    model = {"resources/adapter.yaml", "resources/template.yaml", "config/geo.proto"}
    assert told == (common if flavour else common | model)


@pytest.mark.parametrize("flavour", [(), ("--in-process",)], ids=["served", "in-process"])
def test_the_code_is_formatted_and_clean(tmp_path: Path, flavour: tuple[str, ...]) -> None:
    for name in NAMES:
        run("new", f"my_{name}", "--template", name, "--output", tmp_path, *flavour)
    ruff = [sys.executable, "-m", "ruff"]
    for folder, command in product(
        tmp_path.iterdir(), (["format", "--check"], ["check", "--select", "D2,D3,E,F,I,B"])
    ):
        done = subprocess.run(  # noqa: S603 - our own packages
            [*ruff, *command, "--line-length", "100", "--isolated", "--no-cache", "."],
            cwd=folder,  # where its author works: what is a package of one's own follows from it
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_the_operator_s_files_of_in_process_adapters_are_valid(tmp_path: Path) -> None:
    names = [f"my_{name}" for name in NAMES]
    for name in NAMES:
        run("new", f"my_{name}", "--template", name, "--output", tmp_path, "--in-process")
    code = (
        "import sys; from importlib import import_module; from remixer.adapters import registry; "
        f"infos = [import_module(f'{{name}}.adapter').INFO for name in {names!r}]; "
        "registry.BUILTIN_ADAPTERS = (*registry.BUILTIN_ADAPTERS, *infos); "
        "from remixer.cli.main import run; run()"
    )
    path = os.pathsep.join(str(tmp_path / name) for name in names)
    done = subprocess.run(  # noqa: S603 - our own packages
        [
            sys.executable,
            "-c",
            code,
            "validate",
            *(tmp_path / name / "resources" for name in names),
        ],
        env={**os.environ, "PYTHONPATH": path},  # noqa: TID251 - a child's environment
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(NAMES)} rules, {len(NAMES)} handlers in use" in done.stdout


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("Geo", "begin with a small letter"),
        ("9x", "begin with a small letter"),
        ("a-b", "small letters, digits"),
        ("../x", "small letters, digits"),
        ("a" * 41, "41 characters; at most 40"),
        ("class", "Python's own"),
        ("match", "Python's own"),
        ("json", "is there already"),
        ("tests", "is there already"),
        ("denier", "an adapter of this name is there already"),
    ],
)
def test_a_name_that_cannot_be_a_package_is_refused(tmp_path: Path, name: str, fault: str) -> None:
    code, _, errors = run("new", name, "--template", "metric", "--output", tmp_path)
    assert code == ExitCode.USAGE
    assert fault in errors
    assert list(tmp_path.iterdir()) == []


def test_a_name_may_have_forty_letters(tmp_path: Path) -> None:
    code, _, _ = run("new", "a" * 40, "--template", "metric", "--output", tmp_path)
    assert code == ExitCode.DONE


def test_an_unknown_template_is_refused_with_the_nearest(tmp_path: Path) -> None:
    code, _, errors = run("new", "geo", "--template", "metrik", "--output", tmp_path)
    assert (code, "Did you mean `metric`?" in errors) == (ExitCode.USAGE, True)


def test_what_exists_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "geo").mkdir()
    (tmp_path / "geo" / "mine.txt").write_text("mine")
    code, _, errors = run("new", "geo", "--template", "metric", "--output", tmp_path)
    assert (code, "exists already" in errors) == (ExitCode.USAGE, True)
    assert [each.name for each in (tmp_path / "geo").iterdir()] == ["mine.txt"]


def test_a_place_that_is_no_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, errors = run("new", "geo", "--template", "metric", "--output", tmp_path / "file" / "x")
    assert (code, "cannot be written" in errors) == (ExitCode.FAILED, True)


class Foreign:
    """A carrier in a module of somebody else; it cannot be imported as the package does."""

    def __init__(self, **_values: object) -> None:
        raise NotImplementedError


Foreign.__module__ = "no_such_module"
FOREIGN = Template("foreign", Variety.CHECK, "foreign", Message("Template", Foreign))


def test_half_a_package_is_not_left_behind(tmp_path: Path) -> None:
    with pytest.raises(ModuleNotFoundError):
        write_package(Scaffold("geo", FOREIGN, in_process=False), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_template_with_output_gets_a_check_that_fills_it(tmp_path: Path) -> None:
    keyval = tmp_path / "keyval_template.py"
    keyval.write_text(
        "from dataclasses import dataclass\n\n\n"
        "@dataclass(frozen=True, slots=True)\nclass KeyVal:\n    name: str\n    key: str = ''\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        from keyval_template import KeyVal  # type: ignore[import-not-found]  # noqa: PLC0415 - just written

        text = Field("key", 1)
        template = Template(
            "keyval",
            Variety.CHECK_WITH_OUTPUT,
            "keyval",
            Message("Template", KeyVal, (Field("key", 1, type=text_type()),)),
            output=Message("OutputTemplate", dict, (Field("value", 1, type=text_type()),)),
        )
        assert text.name == "key"
        write_package(Scaffold("geo", template, in_process=True), tmp_path)
    finally:
        sys.path.remove(str(tmp_path))
    os.symlink(keyval, tmp_path / "geo" / "keyval_template.py")
    done = run_tests_of([tmp_path / "geo"])
    assert done.returncode == 0, done.stdout + done.stderr


def text_type() -> Any:
    return BUILTIN_TEMPLATES[4].message.fields[0].type


def test_errors_of_the_disk_are_the_operator_s(tmp_path: Path) -> None:
    (tmp_path / "geo").write_text("a file")
    template = next(each for each in BUILTIN_TEMPLATES if each.name == "metric")
    with pytest.raises(OperatorError, match="exists already"):
        write_package(Scaffold("geo", template, in_process=False), tmp_path)


# ------------------------------------------------------------------ describe


def pool_of(*descriptors: str) -> descriptor_pool.DescriptorPool:
    """What base64 descriptor sets describe, together."""
    pool = descriptor_pool.DescriptorPool()
    added: set[str] = set()
    for text in descriptors:
        for file in FileDescriptorSet.FromString(base64.b64decode(text, validate=True)).file:
            if file.name not in added:
                added.add(file.name)
                pool.Add(file)
    return pool


def message(pool: descriptor_pool.DescriptorPool, name: str) -> type[Any]:
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


@pytest.mark.parametrize("info", BUILTIN_ADAPTERS, ids=lambda each: each.name)
def test_every_adapter_that_is_here_can_be_described(info: Any) -> None:
    code, text, errors = run("describe", info.name)
    assert (code, errors) == (ExitCode.DONE, "")
    *templates, adapter = documents(text)
    assert adapter["kind"] == "adapter"
    assert adapter["metadata"] == {"name": info.name, "namespace": "istio-system"}
    assert adapter["spec"]["templates"] == [each["metadata"]["name"] for each in templates]
    assert adapter["spec"]["session_based"] is False
    pool = pool_of(*(each["spec"]["descriptor"] for each in templates))
    for each in templates:
        package = next(t.package for t in BUILTIN_TEMPLATES if t.name == each["metadata"]["name"])
        assert message(pool, f"{package}.InstanceMsg")


def test_a_list_of_the_same_is_given_to_machines() -> None:
    _, as_yaml, _ = run("describe", "denier", "--namespace", "shop", "--session-based")
    code, as_json, _ = run(
        "describe", "denier", "--namespace", "shop", "--session-based", "--output", "json"
    )
    found = json.loads(as_json)
    assert (code, found["kind"]) == (ExitCode.DONE, "List")
    assert found["items"] == documents(as_yaml)
    assert found["items"][-1]["spec"]["session_based"] is True
    assert {each["metadata"]["namespace"] for each in found["items"]} == {"shop"}


def test_templates_can_be_left_out() -> None:
    _, text, _ = run("describe", "denier", "--no-templates")
    assert [each["kind"] for each in documents(text)] == ["adapter"]


def test_an_adapter_without_parameters_has_no_config() -> None:
    _, text, _ = run("describe", "noop", "--no-templates")
    assert "config" not in documents(text)[0]["spec"]


@pytest.mark.parametrize(
    ("target", "code", "fault"),
    [
        ("denyer", ExitCode.USAGE, "Did you mean `denier`?"),
        ("no_such_module:INFO", ExitCode.FAILED, "No module named 'no_such_module'"),
        ("remixer.adapters.denier:INF", ExitCode.FAILED, "has no attribute 'INF'"),
        ("remixer.adapters.denier:Params", ExitCode.USAGE, "is a `type`, no AdapterInfo"),
        ("broken:INFO", ExitCode.FAILED, "ZeroDivisionError"),
        ("unsendable:INFO", ExitCode.FAILED, "list or map of lists"),
    ],
)
def test_what_is_no_adapter_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, code: ExitCode, fault: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "unsendable.py").write_text(
        "from dataclasses import dataclass, replace\n"
        "from remixer.adapters import noop\n\n\n"
        "@dataclass(frozen=True)\nclass Params:\n    lists: tuple[tuple[str, ...], ...] = ()\n\n\n"
        "INFO = replace(noop.INFO, name='unsendable', defaults=Params())\n"
    )
    found, shown, errors = run("describe", target)
    assert (found, shown) == (code, "")
    assert fault in errors


# ------------------------------------------------------------------ list


def test_all_adapters_are_listed_for_people_and_machines() -> None:
    code, shown, _ = run("list")
    assert code == ExitCode.DONE
    code, as_json, _ = run("list", "--output", "json")
    found = json.loads(as_json)
    assert (code, found["faults"]) == (ExitCode.DONE, [])
    by_name = {each["name"]: each for each in found["adapters"]}
    for info in BUILTIN_ADAPTERS:
        assert re.search(rf"^ {info.name} ", shown, re.MULTILINE)
        assert by_name[info.name]["templates"] == sorted(info.templates)
        assert by_name[info.name]["source"] == "built-in"


# ------------------------------------------------------------------ serve


@contextmanager
def serving(*arguments: str, path: Path) -> Iterator[str]:
    """`remixer adapter serve` on any port; its address. It must end well."""
    command = [sys.executable, "-c", "from remixer.cli.main import run; run()", "adapter", "serve"]
    process = subprocess.Popen(  # noqa: S603 - our own command
        [*command, *arguments, "--address", "127.0.0.1:0", "--log-format", "json"],
        cwd=path,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        seen = ""
        for line in process.stderr:
            seen += line
            found = re.search(r'"grpc": ?"([^"]+)"', line)
            if found:
                yield found[1]
                break
        else:
            pytest.fail(seen)
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors


def ask(address: str, path: str, request: bytes) -> bytes:
    """A call of plain grpcio."""
    with grpc.insecure_channel(address) as channel:
        answer: bytes = channel.unary_unary(path)(request, timeout=PATIENCE_S, wait_for_ready=True)
        return answer


@pytest.mark.parametrize("transport", ["own", "grpcio"])
def test_a_served_package_answers_who_has_only_its_resources(
    tmp_path: Path, transport: str
) -> None:
    run("new", "geo", "--template", "listentry", "--output", tmp_path)
    resources = tmp_path / "geo" / "resources"
    (template,) = documents((resources / "template.yaml").read_text())
    (adapter,) = documents((resources / "adapter.yaml").read_text())
    (handler,) = documents((resources / "handler.yaml").read_text())
    pool = pool_of(template["spec"]["descriptor"], adapter["spec"]["config"])
    request = message(pool, "listentry.HandleListEntryRequest")()
    request.instance.name = "geo.instance.shop"  # as a field it hides nothing
    request.instance.value.string_value = "bob"
    params: Mapping[str, Any] = handler["spec"]["params"]
    request.adapter_config.Pack(message(pool, "adapter.geo.config.Params")(**params))

    service = pool.FindServiceByName("listentry.HandleListEntryService")
    path = f"/{service.full_name}/{service.methods[0].name}"
    with serving("geo.adapter:INFO", "--transport", transport, path=tmp_path / "geo") as address:
        answer = ask(address, path, request.SerializeToString())

    name = "istio.mixer.adapter.model.v1beta1.CheckResult"
    status = message(pool, name).FromString(answer).status
    assert (status.code, status.message) == (7, "closed (geo.instance.shop)")


def test_a_key_without_its_certificate_is_refused() -> None:
    code, _, errors = run("serve", "denier", "--tls-key", "key.pem")
    assert (code, "TLS needs --tls-certificate" in errors) == (ExitCode.USAGE, True)


def test_an_adapter_that_is_not_there_is_not_served() -> None:
    code, _, errors = run("serve", "denyer")
    assert (code, "Did you mean `denier`?" in errors) == (ExitCode.USAGE, True)
