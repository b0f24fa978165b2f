"""A websocket to a peer that only listens, as a port, and the real one on aiohttp.

Binary messages go out; nothing is expected back but pongs and the end. What the peer sends
nevertheless is read and dropped, so that no buffer grows. No `Origin`, no subprotocol, no
compression is offered, no proxy of the environment is asked, no redirect followed.
"""

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import SplitResult, urlsplit

import aiohttp

from remixer.drivers.http_client import shown_url
from remixer.foundation.errors import RemixerError

GOING_AWAY_CODES: Final = frozenset({1001, 1012})
"""The peer restarts, and said so: whoever comes back at once is welcome."""
NO_CODE: Final = 1006
"""What an end without a close frame is called."""
_NORMAL: Final = 1000
_SCHEMES: Final = frozenset({"ws", "wss"})
_SWITCHING: Final = 101


class WebSocketError(RemixerError):
    """No connection, or not any more. `str()` says where and why, without secrets."""


class HandshakeRefusedError(WebSocketError):
    """An HTTP server answered, but not by switching to the websocket protocol."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class WebSocketTiming:
    """Bounds of one connection, in seconds. Source of the numbers: Knative's own sender."""

    handshake_s: float = 3.0
    """To connect and be answered."""
    ping_every_s: float = 10 / 3
    pong_within_s: float = 10.0
    """A peer that is silent for longer is taken for dead."""
    send_s: float = 3.0
    """To hand one message to the kernel."""
    close_s: float = 0.1
    """For the peer's answer to our close frame: there are servers that never close TCP."""
    largest_message: int = 4 * 1024
    """Bytes that the peer may send in one message."""


@dataclass(frozen=True, slots=True)
class WebSocketEnd:
    """How a connection ended."""

    code: int
    """Of the close frame, or `NO_CODE`."""
    reason: str

    @property
    def is_restart(self) -> bool:
        return self.code in GOING_AWAY_CODES

    def __str__(self) -> str:
        return f"{self.code} {self.reason}".rstrip()


class WebSocket(Protocol):
    """An open connection. Whoever opened it closes it."""

    async def send(self, payload: bytes) -> None:
        """One binary message. Returning means: handed to the kernel. Raises `WebSocketError`."""
        ...

    async def ended(self) -> WebSocketEnd:
        """Ping, listen and return when the connection has ended. Called once."""
        ...

    async def aclose(self) -> None:
        """Say goodbye, and close the socket whatever the peer does; once or twice."""
        ...


class WebSocketConnector(Protocol):
    """Opens connections."""

    async def connect(self, url: str) -> WebSocket:
        """Raises `HandshakeRefusedError` for another HTTP answer, else `WebSocketError`."""
        ...


def websocket_url(text: str) -> SplitResult | None:
    """The parts of a URL of ws or wss with a host; None if `text` is none."""
    try:
        parts = urlsplit(text)
        is_usable = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_usable and text.isprintable() and " " not in text else None


class AioWebSocketConnector:
    """The real one. Each connection has a session of its own, which goes with it."""

    def __init__(self, *, timing: WebSocketTiming | None = None) -> None:
        self._timing = timing or WebSocketTiming()

    async def connect(self, url: str) -> "AioWebSocket":
        title = shown_url(url)
        if websocket_url(url) is None:
            message = f"{title}: not a websocket address, wanted ws://host:port"
            raise WebSocketError(message)
        session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None),
            middlewares=(_refuse_redirects,),
        )
        try:
            async with asyncio.timeout(self._timing.handshake_s):
                socket = await self._handshake(session, url, title)
        except TimeoutError as error:
            await session.close()
            message = f"{title}: no websocket within {self._timing.handshake_s:g} s"
            raise WebSocketError(message) from error
        except BaseException:
            await session.close()
            raise
        return AioWebSocket(socket, session=session, title=title, timing=self._timing)

    async def _handshake(
        self, session: aiohttp.ClientSession, url: str, title: str
    ) -> aiohttp.ClientWebSocketResponse:
        try:
            return await session.ws_connect(
                url,
                timeout=aiohttp.ClientWSTimeout(ws_close=self._timing.close_s),
                max_msg_size=self._timing.largest_message,
                compress=0,
                autoping=False,  # pongs are to be seen
            )
        except aiohttp.WSServerHandshakeError as error:
            message = f"{title}: {_refusal(error)}"
            raise HandshakeRefusedError(message, status=error.status) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            message = f"{title}: {_reason(error)}"
            raise WebSocketError(message) from error


class AioWebSocket:
    """One connection on aiohttp."""

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        *,
        session: aiohttp.ClientSession,
        title: str,
        timing: WebSocketTiming,
    ) -> None:
        self._socket = socket
        self._session = session
        self._title = title
        self._timing = timing
        self._is_dead = False
        self._heard_at_s = asyncio.get_running_loop().time()

    async def send(self, payload: bytes) -> None:
        try:
            async with asyncio.timeout(self._timing.send_s):
                await self._socket.send_bytes(payload)
        except TimeoutError as error:
            message = f"{self._title}: the peer reads nothing, {self._timing.send_s:g} s waited"
            raise WebSocketError(message) from error
        except (aiohttp.ClientError, OSError) as error:
            message = f"{self._title}: {_reason(error)}"
            raise WebSocketError(message) from error

    async def ended(self) -> WebSocketEnd:
        async with asyncio.TaskGroup() as group:
            pinging = group.create_task(self._ping(), name="websocket pings")
            end = await self._listen()
            pinging.cancel()
        return end

    async def aclose(self) -> None:
        try:
            async with asyncio.timeout(self._timing.close_s):
                await self._socket.close(code=_NORMAL)
        except TimeoutError:
            pass  # the session takes the socket with it
        finally:
            await self._session.close()

    async def _listen(self) -> WebSocketEnd:
        loop = asyncio.get_running_loop()
        while True:
            message = await self._socket.receive()
            self._heard_at_s = loop.time()
            if self._is_dead:
                return WebSocketEnd(NO_CODE, f"no pong within {self._timing.pong_within_s:g} s")
            match message.type:
                case aiohttp.WSMsgType.CLOSE:
                    return WebSocketEnd(int(message.data or NO_CODE), str(message.extra or ""))
                case aiohttp.WSMsgType.CLOSED | aiohttp.WSMsgType.CLOSING:
                    return WebSocketEnd(NO_CODE, "the connection ended")
                case aiohttp.WSMsgType.ERROR:
                    return WebSocketEnd(NO_CODE, f"the peer broke the protocol: {message.data}")
                case aiohttp.WSMsgType.PING:
                    await self._control(aiohttp.WSMsgType.PONG, message.data)
                case _:
                    pass  # a pong; or data, of which there should be none

    async def _ping(self) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() - self._heard_at_s < self._timing.pong_within_s:
            await self._control(aiohttp.WSMsgType.PING, b"")
            await asyncio.sleep(self._timing.ping_every_s)
        self._is_dead = True
        await self.aclose()

    async def _control(self, kind: aiohttp.WSMsgType, payload: bytes) -> None:
        try:
            async with asyncio.timeout(self._timing.send_s):
                await self._socket.send_frame(payload, kind)
        except (TimeoutError, aiohttp.ClientError, OSError):
            return  # whoever listens learns that it has ended, or silence tells


async def _refuse_redirects(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """A websocket elsewhere than the operator said is none."""
    response = await handler(request)
    if response.status == _SWITCHING or "Location" not in response.headers:
        return response
    response.close()
    raise aiohttp.WSServerHandshakeError(
        response.request_info, response.history, status=response.status, message="a redirect"
    )


def _refusal(error: aiohttp.WSServerHandshakeError) -> str:
    if error.status == _SWITCHING:
        return f"the answer to the upgrade is broken: {error.message}"
    what = " (a redirect, not followed)" if error.message == "a redirect" else ""
    return f"HTTP status {error.status}{what} instead of an upgrade to a websocket"


def _reason(error: Exception) -> str:
    """Without the URL, which aiohttp repeats in some of its texts."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or str(error.os_error)
    text = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    return text or type(error).__name__
