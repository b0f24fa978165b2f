"""The real HTTP client, loaded at its first exchange: a server that fetches nothing saves 9 MB."""

import asyncio
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final

from remixer.drivers.http_client import HttpError, HttpResponse, shown_url

if TYPE_CHECKING:
    from remixer.drivers.http import AioHttpClient

_MODULE: Final = "remixer.drivers.http"


class HttpClientOnDemand:
    """An `AioHttpClient` from the first exchange on. `start` and `aclose` as there."""

    def __init__(self) -> None:
        self._client: AioHttpClient | None = None
        self._is_started = False
        self._opening = asyncio.Lock()

    async def start(self) -> None:
        """Exchanges may come from now on."""
        self._is_started = True

    async def aclose(self) -> None:
        """Close all connections; once or twice."""
        self._is_started = False
        async with self._opening:
            client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def get(self, url: str, *, timeout_s: float, limit_bytes: int) -> HttpResponse:
        client = self._client or await self._open(f"GET {shown_url(url)}")
        return await client.get(url, timeout_s=timeout_s, limit_bytes=limit_bytes)

    async def post(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str],
        timeout_s: float,
        limit_bytes: int,
    ) -> HttpResponse:
        client = self._client or await self._open(f"POST {shown_url(url)}")
        return await client.post(
            url, body, headers=headers, timeout_s=timeout_s, limit_bytes=limit_bytes
        )

    async def _open(self, title: str) -> "AioHttpClient":
        async with self._opening:
            if not self._is_started:
                message = f"{title}: the HTTP client is not started"
                raise HttpError(message)
            if self._client is None:
                # In a thread: it takes a tenth of a second, and calls are answered meanwhile.
                await asyncio.to_thread(import_module, _MODULE)
                from remixer.drivers.http import AioHttpClient  # noqa: PLC0415 - see above

                client = AioHttpClient()
                await client.start()
                self._client = client
            return self._client
