"""Compile the modules that `pyproject.toml` names: `python compile_modules.py --into FOLDER`.

The sources are those that run uncompiled, too; mypyc makes C of them, the system's compiler makes
shared objects of that, in `FOLDER/lib`. `--only-translate` stops at the C, which takes seconds and
shows whether mypyc understands the sources. docs/adr/0012-compiled-modules.md says why and what.
"""

import argparse
import os
import shlex
import shutil
import sys
import sysconfig
import tomllib
from collections.abc import Mapping
from pathlib import Path

_ROOT = Path(__file__).parent
_GROUP = "remixer"  # names the shared object that holds all the code: `remixer__mypyc`
_OPTIMISATION = (
    "2"  # 3 takes longer and gains nothing: most of the time is spent in CPython's own code
)

_NOT_TOLD = ("import-untyped", "import-not-found", "valid-type")
"""Of protobuf's modules, which have no types where nothing but mypyc is installed."""


def sources() -> list[str]:
    """Of the modules to compile, relative to the project's root."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())
    hook = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]
    return [f"src/{module.replace('.', '/')}.py" for module in hook["modules"]]


def compiler_of(environment: Mapping[str, str]) -> str:
    """The program that setuptools runs: what `CC` says, else what compiled Python itself."""
    command = environment.get("CC") or str(sysconfig.get_config_var("CC") or "cc")
    return next(iter(shlex.split(command)), "cc")


def missing_tools(*, compiler: str, headers: Path) -> list[str]:
    """What a C compiler would complain of at length, each with what to install."""
    missing = []
    if shutil.which(compiler) is None:
        missing.append(f"the compiler `{compiler}` (name another with CC; Debian: apt install gcc)")
    if not (headers / "Python.h").is_file():
        missing.append(f"{headers / 'Python.h'} (Debian: apt install python3-dev)")
    return missing


def build(folder: Path, *, only_translate: bool) -> None:
    """Runs in the project's root: the paths of the sources become the names of the modules."""
    # Not needed, and perhaps not installed, for anything but this.
    from mypyc.build import mypycify  # noqa: PLC0415
    from setuptools import Distribution  # noqa: PLC0415
    from setuptools.command.build_ext import build_ext  # noqa: PLC0415

    extensions = mypycify(
        # No configuration: whether types are right is `make types`' business.
        [
            "--config-file=",
            "--follow-imports=silent",
            *(f"--disable-error-code={each}" for each in _NOT_TOLD),
            f"--cache-dir={folder / 'cache'}",
            *sources(),
        ],
        opt_level=_OPTIMISATION,
        debug_level="0",
        group_name=_GROUP,
        target_dir=str(folder / "c"),
    )
    if only_translate:
        return
    command = build_ext(Distribution({"name": _GROUP, "ext_modules": extensions}))
    command.build_lib = str(folder / "lib")
    command.build_temp = str(folder / "objects")
    command.ensure_finalized()
    command.run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--only-translate", action="store_true")
    options = parser.parse_args()
    compiler = compiler_of(os.environ)  # noqa: TID251 - no part of the package
    missing = missing_tools(compiler=compiler, headers=Path(sysconfig.get_path("include")))
    if missing and not options.only_translate:
        text = (
            f"error: the compiled build needs {' and '.join(missing)}; next step: install that, or"
        )
        sys.exit(f"{text} do without it: pure Python does the same, somewhat more slowly")
    build(options.into, only_translate=options.only_translate)


if __name__ == "__main__":
    main()
