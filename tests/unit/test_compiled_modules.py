"""The optional compiled build cannot rot unseen: `make check-compiled` runs it, this only reads it."""

import re
import subprocess
import sys
import sysconfig
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from remixer.foundation.build import COMPILED_CODE

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "compile_modules.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = spec_from_file_location("compile_modules", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def hook() -> dict[str, list[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found: dict[str, list[str]] = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"][
        "custom"
    ]
    return found


def test_every_module_listed_can_be_translated(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--into", str(tmp_path), "--only-translate"]

    run = subprocess.run(  # noqa: S603 - our own script
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stdout + run.stderr
    names = {module.rpartition(".")[2] for module in hook()["modules"]}
    names.add(
        f"__native_{COMPILED_CODE.removesuffix('__mypyc')}"
    )  # by which a build tells of itself
    assert {path.stem for path in (tmp_path / "c").rglob("*.c")} >= names


def test_nothing_is_compiled_unless_it_is_asked_for() -> None:
    assert hook()["enable-by-default"] is False


def test_mypyc_is_the_version_that_also_checks_the_types() -> None:
    locked = (ROOT / "requirements" / "dev.lock").read_text()

    for pinned in hook()["dependencies"]:
        assert re.search(rf"^{re.escape(pinned)}[ \\]", locked, re.MULTILINE), pinned


def test_missing_tools_are_named_with_what_to_install(script: ModuleType, tmp_path: Path) -> None:
    missing = script.missing_tools(compiler="no-such-compiler", headers=tmp_path)

    assert [part.rpartition("apt install ")[2] for part in missing] == ["gcc)", "python3-dev)"]


def test_nothing_is_missing_where_both_are(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "Python.h").touch()

    assert script.missing_tools(compiler=sys.executable, headers=tmp_path) == []


@pytest.mark.parametrize(
    ("said", "program"),
    [
        ("clang-19", "clang-19"),
        ("/opt/my\\ cc/gcc -m64", "/opt/my cc/gcc"),
        ("ccache gcc", "ccache"),
    ],
)
def test_the_environment_says_which_compiler(script: ModuleType, said: str, program: str) -> None:
    assert script.compiler_of({"CC": said}) == program


@pytest.mark.parametrize("environment", [{}, {"CC": ""}])
def test_else_it_is_the_one_that_made_python(
    script: ModuleType, environment: dict[str, str]
) -> None:
    found = script.compiler_of(environment)
    assert str(sysconfig.get_config_var("CC") or "cc").split()[0] == found


def test_a_compiler_that_is_not_there_is_told_before_anything_is_done(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--into", str(tmp_path)]
    run = subprocess.run(  # noqa: S603 - our own script
        command, cwd=ROOT, capture_output=True, text=True, check=False, env={"CC": "no-such-cc"}
    )
    assert run.returncode == 1
    assert run.stderr.startswith("error: the compiled build needs the compiler `no-such-cc`")
    assert "next step" in run.stderr
    assert list(tmp_path.iterdir()) == []
