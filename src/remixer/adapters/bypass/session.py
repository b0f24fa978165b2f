"""The session of a back end that wants its parameters once.

Validate and CreateSession run in the background until the back end has answered both; a back end
that is away is asked again, with growing pauses, for ever. Calls wait for the session within their
own time. A back end that refuses is not asked again: only a new configuration helps.

Source: bypass of Mixer 1.3; its pauses begin at 10 ms and end at 5 minutes.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from remixer.foundation.errors import RemixerError
from remixer.foundation.log import event_log
from remixer.foundation.status import Status, code_name
from remixer.transport.remote_port import RemoteChannel, RpcFailed
from remixer.wire.adapter_model import CLOSE_SESSION_PATH, CREATE_SESSION_PATH, VALIDATE_PATH
from remixer.wire.adapter_sessions import (
    decode_session,
    decode_validated,
    encode_close_session,
    encode_create_session,
    encode_validate,
)
from remixer.wire.field_bytes import MalformedMessageError

_log: Final = event_log(__name__)

_CALL_S: Final = 3.0
_CLOSE_S: Final = 0.5  # of the 2 s that a handler has to close
_FIRST_PAUSE_S: Final = 0.010
_LONGEST_PAUSE_S: Final = 300.0
_GROWTH: Final = 1.6


class SessionRefusedError(RemixerError):
    """The back end does not want these parameters."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What the back end is told. `types`: type URL and bytes by instance name."""

    type_url: str
    params: bytes
    types: Mapping[str, tuple[str, bytes]]


class Session:
    """One session, from opening to closing."""

    def __init__(self, channel: RemoteChannel, opening: Opening) -> None:
        self._channel = channel
        self._opening = opening
        self._done = asyncio.Event()
        self._id = ""
        self._refusal: SessionRefusedError | None = None

    async def open_at_last(self) -> None:
        """Try until the back end has decided."""
        pause_s = _FIRST_PAUSE_S
        while not self._done.is_set():
            try:
                await self._open()
            except RpcFailed as error:
                _log.warning("bypass_session_not_opened", reason=str(error), retry_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * _GROWTH, _LONGEST_PAUSE_S)
            except (SessionRefusedError, MalformedMessageError) as error:
                _log.error("bypass_session_refused", reason=str(error))
                self._refusal = SessionRefusedError(str(error))
                self._done.set()

    async def opened(self) -> None:
        """Wait until calls may be sent. Raises `SessionRefusedError`."""
        await self._done.wait()
        if self._refusal is not None:
            raise SessionRefusedError(str(self._refusal))

    async def aclose(self) -> None:
        """Tell the back end, if it listens; once or twice."""
        session_id, self._id = self._id, ""
        if session_id:
            with suppress(RpcFailed):
                request = encode_close_session(session_id)
                await self._ask(CLOSE_SESSION_PATH, request, timeout_s=_CLOSE_S)

    async def _open(self) -> None:
        opening = self._opening
        parts = (opening.type_url, opening.params, opening.types)
        answer = await self._ask(VALIDATE_PATH, encode_validate(*parts))
        _require_ok("Validate", decode_validated(answer))
        answer = await self._ask(CREATE_SESSION_PATH, encode_create_session(*parts))
        session_id, status = decode_session(answer)
        _require_ok("CreateSession", status)
        self._id = session_id
        self._done.set()

    async def _ask(self, path: str, request: bytes, *, timeout_s: float = _CALL_S) -> bytes:
        return await self._channel.unary(path, request, timeout_s=timeout_s, is_safe_to_retry=False)


def _require_ok(method: str, status: Status) -> None:
    if not status.is_ok:
        text = f"{method} was refused: {code_name(status.code)}: {status.message}"
        raise SessionRefusedError(text.rstrip(": "))
