"""The real HTTP client behind the port `remixer.drivers.http_client`, on aiohttp."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import urljoin, urlsplit

import aiohttp

from remixer.drivers.http_client import HttpError, HttpResponse, shown_url, unreadable_answer

_MOST_REDIRECTS: Final = 5  # a list that moved, behind a load balancer that adds a slash
_MOST_CONNECTIONS: Final = 16  # adapters fetch a handful of documents a minute
_CHUNK_BYTES: Final = 64 * 1024
_SCHEMES: Final = frozenset({"http", "https"})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class AioHttpClient:
    """Fetches over pooled connections. `start` before the first `get`, `aclose` after the last."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        """`tls` None: the machine's own authorities count."""
        self._tls: ssl.SSLContext | bool = True if tls is None else tls
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the pool; connections are made when needed."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_MOST_CONNECTIONS, ssl=self._tls),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                # The caller's timeout bounds the whole exchange.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None, sock_read=None),
            )

    async def aclose(self) -> None:
        """Close all connections; once or twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def get(self, url: str, *, timeout_s: float, limit_bytes: int) -> HttpResponse:
        return await self._bounded(
            f"GET {shown_url(url)}",
            lambda session: _fetch(session, url, limit_bytes),
            timeout_s=timeout_s,
        )

    async def post(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str],
        timeout_s: float,
        limit_bytes: int,
    ) -> HttpResponse:
        title = f"POST {shown_url(url)}"
        return await self._bounded(
            title,
            lambda session: _send(session, title, (url, body, headers), limit_bytes),
            timeout_s=timeout_s,
        )

    async def _bounded(
        self,
        title: str,
        exchange: Callable[[aiohttp.ClientSession], Awaitable[HttpResponse]],
        *,
        timeout_s: float,
    ) -> HttpResponse:
        if self._session is None:
            message = f"{title}: the HTTP client is not started"
            raise HttpError(message)
        try:
            async with asyncio.timeout(timeout_s):
                return await exchange(self._session)
        except TimeoutError as error:
            message = f"{title}: no answer within {timeout_s:g} s"
            raise HttpError(message) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            message = f"{title}: {_reason(error)}"
            raise HttpError(message) from error


def _reason(error: Exception) -> str:
    """Without the URL, which aiohttp repeats in some of its texts."""
    if isinstance(error, aiohttp.InvalidURL):
        return "not a URL"
    if isinstance(error, aiohttp.ClientResponseError):
        return unreadable_answer(error.message)
    return str(error) or type(error).__name__


async def _fetch(session: aiohttp.ClientSession, url: str, limit_bytes: int) -> HttpResponse:
    title = f"GET {shown_url(url)}"
    scheme = _known_scheme(url, title)
    target = url
    for _ in range(_MOST_REDIRECTS + 1):
        async with session.get(target, allow_redirects=False) as response:
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or location is None:
                body = await _body(response, title, limit_bytes)
                return HttpResponse(response.status, dict(response.headers), body)
        target = urljoin(target, location)
        if urlsplit(target).scheme != scheme:
            message = f"{title}: redirect to {shown_url(target)}, another scheme, not followed"
            raise HttpError(message)
    message = f"{title}: more than {_MOST_REDIRECTS} redirects"
    raise HttpError(message)


async def _send(
    session: aiohttp.ClientSession,
    title: str,
    request: tuple[str, bytes, Mapping[str, str]],
    limit_bytes: int,
) -> HttpResponse:
    url, body, headers = request
    _known_scheme(url, title)
    sent = session.post(url, data=body, headers=headers, allow_redirects=False)
    async with sent as response:
        answer = await _body(response, title, limit_bytes)
        return HttpResponse(response.status, dict(response.headers), answer)


def _known_scheme(url: str, title: str) -> str:
    scheme = urlsplit(url).scheme
    if scheme not in _SCHEMES:
        message = f"{title}: scheme {scheme!r}, wanted http or https"
        raise HttpError(message)
    return scheme


async def _body(response: aiohttp.ClientResponse, title: str, limit_bytes: int) -> bytes:
    """The decoded body. The limit counts decoded bytes: a compressed bomb meets it too."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > limit_bytes:
            message = f"{title}: body is longer than {limit_bytes} bytes"
            raise HttpError(message)
    return bytes(body)
