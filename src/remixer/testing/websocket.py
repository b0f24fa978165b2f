"""Websockets in memory, whose peer a test plays."""

import asyncio
from collections import deque

from remixer.drivers.websocket import WebSocketEnd, WebSocketError


class FakeWebSocket:
    """Keeps what is sent; ends when the test says so."""

    def __init__(self) -> None:
        self._end: asyncio.Future[WebSocketEnd] = asyncio.get_running_loop().create_future()
        self.sent: list[bytes] = []
        self.is_closed = False
        self.failure: WebSocketError | None = None
        """What the next messages meet."""
        self.may_send = asyncio.Event()
        """Cleared: the peer reads nothing."""
        self.may_send.set()

    def send_now(self, payload: bytes) -> bool:
        if not self.may_send.is_set():
            return False
        self._take(payload)
        return True

    async def send(self, payload: bytes) -> None:
        await self.may_send.wait()
        self._take(payload)

    def _take(self, payload: bytes) -> None:
        if self.failure is not None:
            raise self.failure
        if self._end.done():
            message = "fake: it has ended"
            raise WebSocketError(message)
        self.sent.append(payload)

    async def ended(self) -> WebSocketEnd:
        return await asyncio.shield(self._end)

    async def aclose(self) -> None:
        self.is_closed = True
        self.end(1000, "closed here")

    def end(self, code: int = 1006, reason: str = "") -> None:
        """The peer goes."""
        if not self._end.done():
            self._end.set_result(WebSocketEnd(code, reason))


class FakeWebSocketConnector:
    """Connects at once, unless failures are scripted."""

    def __init__(self) -> None:
        self.failures: deque[WebSocketError] = deque()
        """What the next attempts meet, in order."""
        self.is_away = False
        """Every attempt fails."""
        self.attempts: list[float] = []
        """When, on the loop's clock."""
        self.sockets: list[FakeWebSocket] = []

    @property
    def socket(self) -> FakeWebSocket:
        """The latest."""
        return self.sockets[-1]

    async def connect(self, _url: str) -> FakeWebSocket:
        self.attempts.append(asyncio.get_running_loop().time())
        if self.failures:
            raise self.failures.popleft()
        if self.is_away:
            message = "fake: nobody there"
            raise WebSocketError(message)
        self.sockets.append(FakeWebSocket())
        return self.sockets[-1]
