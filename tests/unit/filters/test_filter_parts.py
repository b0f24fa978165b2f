"""The C parts of the filters inside Envoy, each test on its own, with an Envoy that is played.

The tests themselves are `filters/tests/*.c`. They run under gcc's address and undefined-behaviour
sanitizers, under its thread sanitizer, and, where there is valgrind, under that.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from remixer.testing.made_files import made

ROOT = Path(__file__).parents[3]
WITHIN_S = 600.0
_CASE = "    TEST("

NAMES = [
    line.removeprefix(_CASE).removesuffix("),")
    for source in sorted((ROOT / "filters" / "tests").glob("test_*.c"))
    for line in source.read_text().splitlines()
    if line.startswith(_CASE)
]
HAS_VALGRIND = shutil.which("valgrind") is not None


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - programs built here
        words, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )


@pytest.fixture(scope="module")
def program() -> Path:
    return made("build/filter-tests-asan")


def test_every_test_of_the_program_is_run_here(program: Path) -> None:
    assert run(program).stdout.split() != []
    assert sorted(run(program).stdout.split()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_filters(program: Path, name: str) -> None:
    done = run(program, name)
    assert done.returncode == 0, done.stderr


def test_no_two_threads_touch_the_same_thing_unguarded() -> None:
    done = run(made("build/filter-tests-tsan"), "all")
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("this kernel spreads memory wider than gcc's thread sanitizer knows")
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not HAS_VALGRIND, reason="valgrind is not installed")
def test_valgrind_finds_no_leak_and_no_stray_access() -> None:
    words = ("--quiet", "--error-exitcode=9", "--leak-check=full", "--track-fds=yes")
    done = run("valgrind", *words, made("build/filter-tests"), "all")
    assert done.returncode == 0, done.stderr
