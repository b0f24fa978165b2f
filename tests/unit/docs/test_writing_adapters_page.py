"""docs/writing-adapters.md, command by command, as a reader would type it.

`shell` blocks are run by a shell in a folder of their own; a line that ends with `&` is a server,
which is waited for and stopped at the end. Addresses of the page become free ones. A `yaml` or
`python` block changes the package as the text around it says.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "writing-adapters.md"
BLOCK = r"^```(\w+)(?: (\S+))?\n(.*?)^```$"  # language, file name, text
PATIENCE_S = 60.0
LONGEST_SOCKET_PATH = 107  # bytes; the kernel's
READY = {"adapter serve": "adapter listening", "serve": "serving"}


@dataclass
class Shell:
    """A terminal: where it is, what runs in its background, which addresses stand for which."""

    folder: Path
    sockets: Path
    servers: list["subprocess.Popen[str]"] = field(default_factory=list)

    def run(self, line: str) -> str:
        """What a command prints, without trailing blanks."""
        if line.startswith("cd "):
            self.folder /= line.removeprefix("cd ")
            return ""
        if line.endswith("&"):
            self._start(line.removesuffix("&"))
            return ""
        done = subprocess.run(  # noqa: S603 - our own page
            ["/bin/bash", "-c", self._here(line)],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        return "\n".join(each.rstrip() for each in done.stdout.rstrip("\n").split("\n"))

    def _start(self, line: str) -> None:
        process = subprocess.Popen(  # noqa: S603 - our own page
            ["/bin/bash", "-c", f"exec {self._here(line)}"],
            cwd=self.folder,
            env=self._environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        self.servers.append(process)
        assert process.stderr is not None
        wanted = READY["adapter serve" if "adapter" in line else "serve"]
        seen = ""
        for each in process.stderr:
            seen += each
            if wanted in each:
                return
        pytest.fail(f"{line}: {seen}")

    def _here(self, line: str) -> str:
        """The line with sockets of this test in place of the page's addresses."""
        line = line.replace("127.0.0.1:9070", f"unix:{self.sockets}/adapter")
        if line.startswith("remixer check"):
            line = line.replace("remixer check", f"remixer check --address unix:{self.sockets}/a")
        return line

    def _environment(self) -> dict[str, str]:
        programs = Path(sys.executable).parent
        return {
            **os.environ,  # noqa: TID251 - a child's environment
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",  # noqa: TID251 - see above
            "PYTEST_ADDOPTS": "-p no:cacheprovider",
            "PYTHONDONTWRITEBYTECODE": "1",
            "REMIXER_ADDRESS": f"unix:{self.sockets}/a",
            "REMIXER_MONITORING_ADDRESS": "127.0.0.1:0",
            "REMIXER_PROMETHEUS_ADDRESS": "127.0.0.1:0",
        }


@contextmanager
def shell_in(folder: Path, sockets: Path) -> Iterator[Shell]:
    shell = Shell(folder, sockets)
    try:
        yield shell
    finally:
        for server in reversed(shell.servers):
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=PATIENCE_S)


def edit(module: Path, block: str) -> None:
    """Put the block where its first or last line stands already, as its reader would."""
    text, lines = module.read_text(), block.rstrip("\n").split("\n")
    if lines[0] in text:
        text = text.replace(lines[0], "\n".join(lines))
    else:
        # The last line is new; the line before it is there, and the old `status=` follows it.
        before, old = re.search(r"( +return CheckResult\(\n)( +status=.*\n)", text).groups()  # type: ignore[union-attr]  # the page's own code
        assert before.rstrip() in lines
        text = text.replace(before + old, "\n".join(lines) + "\n")
    module.write_text(text)


def commands_of(block: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        line, _, output = part.partition("\n")
        yield line, "\n".join(each.rstrip() for each in output.rstrip("\n").split("\n"))


@pytest.fixture
def sockets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose path leaves room for a socket's name."""
    folder = tmp_path_factory.mktemp("s")
    assert len(f"{folder}/adapter") <= LONGEST_SOCKET_PATH
    return folder


def test_every_command_prints_what_the_page_says(tmp_path: Path, sockets: Path) -> None:
    ran = 0
    tutorial = PAGE.read_text().partition("\n## Serving\n")[0]
    with shell_in(tmp_path, sockets) as shell:
        for language, name, block in re.findall(BLOCK, tutorial, re.MULTILINE | re.DOTALL):
            if language == "python":
                edit(tmp_path / "geofence" / "geofence" / "adapter.py", block)
            elif language == "yaml":
                text = block.replace("127.0.0.1:9070", f"unix:{sockets}/adapter")
                (tmp_path / name).write_text(text)
            else:
                assert language == "shell"
                for line, output in commands_of(block):
                    assert shell.run(line) == output, line
                    ran += 1
    assert ran == 10


def test_what_the_page_says_of_limits_is_so() -> None:
    from remixer.frontends.adapter_model.handlers import MAX_KEPT  # noqa: PLC0415 - beside the text
    from remixer.frontends.adapter_model.sessions import MAX_SESSIONS  # noqa: PLC0415 - see above

    page = PAGE.read_text()
    assert f"The {MAX_KEPT} most recently used ones" in page
    assert f"at most {MAX_SESSIONS:,} different" in page
