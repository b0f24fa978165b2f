"""Waiting for a verdict, but no longer than the client does.

Events of the request are looked at ahead only where that takes nothing of its body from the
connection; those seen are kept for the application, two at most.
"""

import asyncio
from typing import Final

from remixer.attributes.byte_headers import ByteHeaders
from remixer.foundation.errors import PolicyError
from remixer.mixer.outcome import CheckOutcome
from remixer.mixer.port import Mixer
from remixer.mixer.request import CheckRequest
from remixer.sidecar.asgi_http import Event, Receive

_BODY_HEADERS: Final = (b"transfer-encoding", b"expect")


class _ClientGoneError(Exception):
    """Ends the wait."""


class LookedAhead:
    """A `receive` of which the first events may have been looked at."""

    __slots__ = ("_held", "_receive")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._held: list[Event] = []

    async def receive(self) -> Event:
        return self._held.pop(0) if self._held else await self._receive()

    async def check(self, port: Mixer, request: CheckRequest) -> CheckOutcome | None:
        """None if the client went away before there was an answer; the check is cancelled then."""
        outcome: CheckOutcome | PolicyError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                watcher = group.create_task(self._watch())
                outcome = await _checked(port, request)
                watcher.cancel()
        except* _ClientGoneError:
            pass
        if isinstance(outcome, PolicyError):
            raise outcome
        return outcome

    async def _watch(self) -> None:
        """Raises when the client is gone; ends if that can no longer be told."""
        while not self._held or _is_end_of_request(self._held[-1]):
            self._held.append(await self._receive())
        if self._held[-1]["type"] == "http.disconnect":
            raise _ClientGoneError


async def _checked(port: Mixer, request: CheckRequest) -> CheckOutcome | PolicyError:
    """Nothing raised: a group would wrap it."""
    try:
        return await port.check(request)
    except PolicyError as error:
        return error


def may_look_ahead(headers: ByteHeaders) -> bool:
    """Whether a request says that it has no body."""
    if any(headers.by_name().get(name) is not None for name in _BODY_HEADERS):
        return False
    return headers.by_name().get(b"content-length") in {None, b"0"}


def _is_end_of_request(event: Event) -> bool:
    return event["type"] == "http.request" and not event.get("more_body", False)
