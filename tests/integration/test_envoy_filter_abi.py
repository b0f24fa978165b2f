"""A module that was made for another Envoy: what the real one says of it, before any request.

`docs/knative.md` repeats these sentences for operators.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from remixer.cli.demo.envoy import find_envoy

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc"),
]

ROOT: Final = Path(__file__).parents[2]
CONFIG: Final = ROOT / "deploy" / "knative" / "envoy-filter-module.yaml"
FLAGS: Final = ("-std=c11", "-D_GNU_SOURCE", "-fPIC", "-fvisibility=hidden", "-pthread", "-shared")
PATIENCE_S: Final = 120.0


def build(folder: Path, *flags: str) -> None:
    sources = sorted(str(each) for each in (ROOT / "filters").glob("*.c"))
    target = str(folder / "libremixer_envoy.so")
    subprocess.run(  # noqa: S603 - our own sources
        [str(shutil.which("gcc")), *FLAGS, *flags, "-o", target, *sources, "-lm"], check=True
    )


def validated(folder: Path) -> tuple[int, str]:
    """Envoy's exit code for the module in `folder`, and its log."""
    done = subprocess.run(  # noqa: S603 - the Envoy of the tests
        [find_envoy(), "--mode", "validate", "-c", str(CONFIG)],
        env={**os.environ, "ENVOY_DYNAMIC_MODULES_SEARCH_PATH": str(folder)},  # noqa: TID251 - a child's
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_module_of_another_version_is_warned_of_and_says_what_it_was_made_for(
    tmp_path: Path,
) -> None:
    build(tmp_path, '-DABI_VERSION="v0.1.0"')
    code, log = validated(tmp_path)
    assert code == 0, log
    assert "remixer_envoy: made for Envoy 1.40, whose interface is v0.1.0" in log
    assert "Dynamic module ABI version v0.1.0 is deprecated. Please recompile the module" in log


def test_of_its_own_version_envoy_says_that_it_matches(tmp_path: Path) -> None:
    build(tmp_path)
    code, log = validated(tmp_path)
    assert code == 0, log
    assert "Dynamic module ABI version v0.2.0 matched" in log


def test_an_envoy_that_calls_what_the_module_lacks_does_not_start_and_names_it(
    tmp_path: Path,
) -> None:
    hook = "envoy_dynamic_module_on_http_filter_stream_complete"
    build(tmp_path, f"-D{hook}={hook}_of_another_envoy")
    code, log = validated(tmp_path)
    assert code != 0
    assert f"Failed to resolve symbol {hook}" in log


def test_an_envoy_that_lacks_what_the_module_calls_does_not_start_and_names_it(
    tmp_path: Path,
) -> None:
    callback = "envoy_dynamic_module_callback_is_validation_mode"
    build(tmp_path, f"-D{callback}={callback}_of_another_envoy")
    code, log = validated(tmp_path)
    assert code != 0
    assert f"undefined symbol: {callback}_of_another_envoy" in log
