"""An HTTP client that answers from a table and in virtual time."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from remixer.drivers.http_client import HttpError, HttpResponse, shown_url

_INSTANTLY: Final = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a URL gives. `error` set means: no usable answer, for this reason."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    after_s: float = _INSTANTLY
    error: str = ""


@dataclass(frozen=True, slots=True)
class Posted:
    """One POST as it came."""

    url: str
    body: bytes
    headers: Mapping[str, str]


class FakeHttpClient:
    """A `HttpClient` for tests; an unknown URL refuses the connection."""

    def __init__(self) -> None:
        self._answers: dict[str, Answer] = {}
        self.requested: list[str] = []
        """Every URL asked for, in order."""
        self.posted: list[Posted] = []

    def serve(self, url: str, answer: Answer | bytes) -> None:
        """From now on `url` gives this; bytes mean status 200 at once."""
        self._answers[url] = Answer(answer) if isinstance(answer, bytes) else answer

    async def get(self, url: str, *, timeout_s: float, limit_bytes: int) -> HttpResponse:
        return await self._answer("GET", url, timeout_s=timeout_s, limit_bytes=limit_bytes)

    async def post(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str],
        timeout_s: float,
        limit_bytes: int,
    ) -> HttpResponse:
        self.posted.append(Posted(url, body, dict(headers)))
        return await self._answer("POST", url, timeout_s=timeout_s, limit_bytes=limit_bytes)

    async def _answer(
        self, method: str, url: str, *, timeout_s: float, limit_bytes: int
    ) -> HttpResponse:
        self.requested.append(url)
        answer = self._answers.get(url, Answer(error="connection refused"))
        if answer.after_s >= timeout_s:
            await asyncio.sleep(timeout_s)
            message = f"{method} {shown_url(url)}: no answer within {timeout_s:g} s"
            raise HttpError(message)
        await asyncio.sleep(answer.after_s)
        if answer.error:
            message = f"{method} {shown_url(url)}: {answer.error}"
            raise HttpError(message)
        if len(answer.body) > limit_bytes:
            message = f"{method} {shown_url(url)}: body is longer than {limit_bytes} bytes"
            raise HttpError(message)
        return HttpResponse(answer.status, answer.headers, answer.body)
