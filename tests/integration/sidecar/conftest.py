"""Two Mixers with rules and a log, and sidecars beside nobody yet."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from remixer.testing.server_process import ServerProcess, server_process, serving_process

RULES = """
kind: handler
metadata: {name: deny, namespace: istio-system}
spec:
  compiledAdapter: denier
  params: {status: {code: 7, message: not today}, valid_duration: 60s, valid_use_count: 100000}
---
kind: instance
metadata: {name: nothing, namespace: istio-system}
spec: {compiledTemplate: checknothing}
---
kind: rule
metadata: {name: deny, namespace: istio-system}
spec:
  match: request.path.startsWith("/deny")
  actions: [{handler: deny, instances: [nothing]}]
---
kind: handler
metadata: {name: file, namespace: istio-system}
spec: {compiledAdapter: stdio, params: {log_stream: FILE, output_path: LOG_FILE}}
---
kind: instance
metadata: {name: line, namespace: istio-system}
spec: {compiledTemplate: logentry, params: {severity: '"info"', variables: {path: request.path}}}
---
kind: rule
metadata: {name: log, namespace: istio-system}
spec: {actions: [{handler: file, instances: [line]}]}
"""


@dataclass(slots=True)
class Place:
    """A folder with rules, and processes over it."""

    folder: Path
    stack: ExitStack
    short: Path
    """For sockets, whose paths must be short."""
    more_rules: str = ""

    def log_file(self, mixer: str) -> Path:
        return self.folder / f"{mixer}.log"

    def flags_of(self, mixer: str) -> tuple[str, ...]:
        config = self.folder / f"config-{mixer}"
        if not config.exists():
            config.mkdir()
            rules = (RULES + self.more_rules).replace("LOG_FILE", str(self.log_file(mixer)))
            (config / "rules.yaml").write_text(rules)
        address = f"unix:{self.short}/{mixer}"
        return ("--config-store", f"fs://{config}", "--address", address)

    def mixer(self, name: str = "a", *flags: str) -> ServerProcess:
        """A Mixer that serves; once more after the former of that name has ended."""
        return self.stack.enter_context(serving_process(*self.flags_of(name), *flags))

    def address_of(self, mixer: str = "a") -> str:
        return f"unix:{self.short}/{mixer}"

    @property
    def socket(self) -> Path:
        """Of the sidecar."""
        return self.short / "sidecar"

    def sidecar(self, *flags: str, mixer: str = "") -> ServerProcess:
        return self.stack.enter_context(self.sidecar_until(*flags, mixer=mixer))

    @contextmanager
    def sidecar_until(
        self, *flags: str, mixer: str = "", waits: bool = True
    ) -> Iterator[ServerProcess]:
        """A sidecar that serves, unless `waits` is False; killed at the end of the block."""
        make = serving_process if waits else server_process
        address = ("--address", f"unix:{self.socket}", "--mixer", mixer or self.address_of())
        with make(*address, *flags, command="sidecar") as sidecar:
            yield sidecar

    def logged(self, *mixers: str) -> list[str]:
        """Paths that the Mixers wrote down, in order."""
        files = [self.log_file(each) for each in mixers or ("a",)]
        lines = [line for file in files if file.exists() for line in file.read_text().splitlines()]
        return [line.split('"path":"')[1].split('"')[0] for line in lines]


@pytest.fixture
def place(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(tmp_path, stack, tmp_path_factory.mktemp("s"))
