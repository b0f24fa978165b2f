"""Keeps a fetched list fresh.

Theory of operation. The list is fetched once at build and then every `refresh_interval`. A good
fetch installs its list, or finds the same body and keeps the list, and either way moves the
expiry to `ttl` from now. A failed fetch or an unreadable body changes nothing but `last_error`.
Past the expiry the list is gone until the next good fetch.

A long list is loaded, and let go of, in a thread and entry by entry, for either stops a process for
up to a second if done at once.
"""

import asyncio
import hashlib
from typing import Final

from remixer.adapters.listchecker.matching import EntryList
from remixer.adapters.listchecker.params import Params
from remixer.adapters.listchecker.parsing import ListFormatError, parse_list
from remixer.drivers.http_client import HttpClient, HttpError, shown_url
from remixer.foundation.clock import Clock
from remixer.foundation.log import event_log

FETCH_TIMEOUT_S: Final = 5.0
"""The original had none. Below the time that a handler's build may take."""
BODY_LIMIT_BYTES: Final = 8 * 1024 * 1024
"""About 400,000 networks; a longer body is most likely not a list."""
_INLINE_BYTES: Final = 32 * 1024  # parsed within 10 ms; longer bodies go to a thread
_FREED_AT_ONCE: Final = 10_000  # entries; within 3 ms
_HTTP_OK: Final = 200
_SECOND_NS: Final = 1_000_000_000

_log: Final = event_log(__name__)


class ListProvider:
    """The current list of one provider URL."""

    def __init__(self, params: Params, *, http: HttpClient, clock: Clock, handler: str) -> None:
        self._params = params
        self._http = http
        self._clock = clock
        self._handler = handler
        self._list: EntryList | None = None
        self._digest = b""
        self._expires_at_s = 0.0
        self.last_error = ""
        """Why the latest fetch failed; `""` after a good one."""

    @property
    def current(self) -> EntryList | None:
        """None if nothing was loaded yet, or not for `ttl`."""
        # Only hidden: a request that let go of it would wait until a million entries are freed.
        is_gone = self._list is None or self._clock.monotonic_s() >= self._expires_at_s
        return None if is_gone else self._list

    async def refresh_forever(self) -> None:
        """Fetch at every `refresh_interval`; fetches that take longer skip a turn."""
        interval_s = self._params.refresh_interval / _SECOND_NS
        next_at_s = self._clock.monotonic_s()
        while True:
            now_s = self._clock.monotonic_s()
            next_at_s = max(next_at_s + interval_s, now_s)
            await asyncio.sleep(next_at_s - now_s)
            await self.refresh()

    async def refresh(self) -> None:
        """Fetch once; a failure is remembered and logged, not raised."""
        try:
            body = await self._fetch()
            before = await self._install(body)
        except (HttpError, ListFormatError) as error:
            self.last_error = str(error)
            _log.warning("list_fetch_failed", handler=self._handler, reason=self.last_error)
            return
        self.last_error = ""
        self._expires_at_s = self._clock.monotonic_s() + self._params.ttl / _SECOND_NS
        if before is not None:
            await let_go(before)

    async def _fetch(self) -> bytes:
        url = self._params.provider_url
        response = await self._http.get(
            url, timeout_s=FETCH_TIMEOUT_S, limit_bytes=BODY_LIMIT_BYTES
        )
        if response.status != _HTTP_OK:
            message = f"GET {shown_url(url)}: HTTP status {response.status}, wanted {_HTTP_OK}"
            raise HttpError(message)
        return response.body

    async def _install(self, body: bytes) -> EntryList | None:
        """The list that had to go for the one in `body`, if there was one."""
        digest = hashlib.sha256(body).digest()
        if digest == self._digest and self.current is not None:
            return None
        arguments = (self._params.entry_type, body, self._params.overrides)
        try:
            if len(body) <= _INLINE_BYTES:
                fresh = parse_list(*arguments)
            else:
                fresh = await asyncio.to_thread(parse_list, *arguments)
        except ListFormatError as error:
            message = f"{shown_url(self._params.provider_url)}: {error}"
            raise ListFormatError(message) from error
        before, self._list = self._list, fresh
        self._digest = digest
        _log.info("list_loaded", handler=self._handler, entries=fresh.count)
        return before

    async def aclose(self) -> None:
        """Let go of the list; nothing may be asked any more."""
        before, self._list = self._list, None
        if before is not None:
            await let_go(before)


async def let_go(entries: EntryList) -> None:
    """Free what nobody asks any more, without stopping those who do other things."""
    if entries.count > _FREED_AT_ONCE:
        await asyncio.to_thread(entries.dismantle)
