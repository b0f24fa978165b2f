"""Websockets on aiohttp, behind the port `remixer.drivers.websocket`."""

import asyncio
from typing import Final

import aiohttp

from remixer.drivers.http_client import shown_url, unreadable_answer
from remixer.drivers.websocket import (
    NO_CODE,
    HandshakeRefusedError,
    WebSocketEnd,
    WebSocketError,
    WebSocketTiming,
    websocket_url,
)

_NORMAL: Final = 1000
_SWITCHING: Final = 101


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
        self._is_waiting = False
        """Whether the peer has still to read what was sent, as far as a send has found out."""
        self._heard_at_s = asyncio.get_running_loop().time()

    def send_now(self, payload: bytes) -> bool:
        if self._is_waiting:
            return False
        sending = self._socket.send_bytes(payload)
        try:
            awaited = sending.send(None)
        except StopIteration:
            return True
        except (aiohttp.ClientError, OSError) as error:
            message = f"{self._title}: {_reason(error)}"
            raise WebSocketError(message) from error
        # It is in the buffer, and the coroutine would wait for room: the next one has to.
        self._is_waiting = True
        if awaited is not None:
            # Others may await the same future.
            awaited._asyncio_future_blocking = False  # noqa: SLF001 - protocol of asyncio's futures
        sending.close()
        return True

    async def send(self, payload: bytes) -> None:
        self._is_waiting = True
        try:
            async with asyncio.timeout(self._timing.send_s):
                await self._socket.send_bytes(payload)
        except TimeoutError as error:
            message = f"{self._title}: the peer reads nothing, {self._timing.send_s:g} s waited"
            raise WebSocketError(message) from error
        except (aiohttp.ClientError, OSError) as error:
            message = f"{self._title}: {_reason(error)}"
            raise WebSocketError(message) from error
        self._is_waiting = False

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
    if isinstance(error, aiohttp.ClientResponseError):
        return unreadable_answer(error.message)
    return str(error) or type(error).__name__
