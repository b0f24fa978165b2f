"""A peer for senders of datagrams, on a real socket of this machine."""

import socket
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_PATIENCE_S: Final = 60.0  # what was sent over loopback is there already
_LARGEST_BYTES: Final = 65_536


class DatagramPeer:
    """Listens on a free port of an address, or at a path; a context manager."""

    def __init__(self, host: str = "127.0.0.1", *, port: int = 0, path: Path | None = None) -> None:
        if path is not None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.bind(str(path))
            self.address = f"unix:{path}"
        else:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            self._socket.bind((host, port))
            shown = f"[{host}]" if ":" in host else host
            self.address = f"{shown}:{self.port}"
        self._socket.settimeout(_PATIENCE_S)

    @property
    def port(self) -> int:
        """The one that was bound."""
        port = self._socket.getsockname()[1]
        assert isinstance(port, int)  # noqa: S101 - a UDP socket's name is (host, port, …)
        return port

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Listen no more; once or twice."""
        self._socket.close()

    def received(self) -> bytes:
        """The next datagram. Raises `TimeoutError` if none comes."""
        return self._socket.recv(_LARGEST_BYTES)

    def lines(self) -> list[str]:
        """All lines of the datagrams that are there now."""
        found: list[str] = []
        self._socket.settimeout(0)
        try:
            while True:
                found += self._socket.recv(_LARGEST_BYTES).decode().split("\n")
        except BlockingIOError:
            return found
        finally:
            self._socket.settimeout(_PATIENCE_S)
