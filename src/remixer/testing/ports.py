"""A port of loopback that stays a test's own while nobody listens at it.

The port is bound and not listened at: who connects is refused, nobody else is given it, and a
server that reuses addresses, as servers do, may listen there at any time.

    with KeptPort() as port:
        server = await asyncio.start_server(serve, "127.0.0.1", port.number)
"""

import socket
from types import TracebackType
from typing import Self


class KeptPort:
    """A context manager; the port is anybody's again at its end."""

    def __init__(self, number: int = 0) -> None:
        """Of this number, or of one that is free."""
        self._keeper = socket.socket()
        self._keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._keeper.bind(("127.0.0.1", number))
        except OSError:
            self._keeper.close()
            raise

    @property
    def number(self) -> int:
        number: int = self._keeper.getsockname()[1]
        return number

    @property
    def address(self) -> str:
        """As HOST:PORT."""
        return f"127.0.0.1:{self.number}"

    def close(self) -> None:
        self._keeper.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
