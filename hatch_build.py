"""Puts the optional compiled modules into the wheel; `compile_modules.py` makes them.

Off unless `HATCH_BUILD_HOOK_ENABLE_CUSTOM=true` is set for `pip install .` or `pip wheel .`. A
compiled module lies beside its source in the wheel, and Python imports it first. That is why an
editable installation is never compiled: its source changes, and the old code would go on being used.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompiledModules(BuildHookInterface):  # type: ignore[type-arg]  # generic only in newer releases
    """What Hatchling calls around the making of a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            text = "error: an editable installation runs its sources and is never compiled; next "
            text += "step: build a wheel, or leave HATCH_BUILD_HOOK_ENABLE_CUSTOM out"
            raise SystemExit(text)
        self._folder = Path(mkdtemp(prefix="remixer-compiled-"))
        command = [sys.executable, "compile_modules.py", "--into", str(self._folder)]
        made = subprocess.run(command, cwd=self.root, check=False)  # noqa: S603 - our own script
        if made.returncode:
            raise SystemExit(made.returncode)
        library = self._folder / "lib"
        for built in sorted(library.rglob("*.so")):
            build_data["force_include"][str(built)] = str(built.relative_to(library))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        del version, build_data, artifact_path
        shutil.rmtree(self._folder, ignore_errors=True)
