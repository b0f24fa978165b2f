"""A session with a back end that wants its parameters once.

Theory of operation. At most one session is open and at most one opening is under way; whoever needs
the session while it opens waits for that opening. A back end that says NOT_FOUND or
FAILED_PRECONDITION to a call has forgotten the session: `lose` gives it up, and the next call opens
a new one. An opening that fails fails those who wait; the next call tries again.

The id travels in `adapter_config` as the back end's own CreateSessionResponse, because Mixer 1.3
never said where it should.
"""

import asyncio
from contextlib import suppress
from typing import Final

from remixer.foundation.errors import RemixerError
from remixer.foundation.log import event_log
from remixer.foundation.status import Code, Status, code_name
from remixer.sdk.adapter import TaskSpawner
from remixer.transport.remote_port import RemoteChannel, RpcFailed
from remixer.wire.adapter_calls import config_field
from remixer.wire.adapter_model import (
    CLOSE_SESSION_PATH,
    CREATE_SESSION_PATH,
    MODEL_PACKAGE,
    TYPE_URL_PREFIX,
    VALIDATE_PATH,
)
from remixer.wire.adapter_sessions import (
    decode_session,
    decode_validated,
    encode_close_session,
    encode_session_answer,
)

_log: Final = event_log(__name__)

_OPEN_TIMEOUT_S: Final = 3.0  # for each of the two calls; building a handler may take 10
_CLOSE_TIMEOUT_S: Final = 0.5  # of the 2 s that a handler has to close
_ANSWER_TYPE: Final = f"{TYPE_URL_PREFIX}{MODEL_PACKAGE}.CreateSessionResponse"
_AWAY: Final = frozenset({Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED})
FORGOTTEN: Final = frozenset({Code.NOT_FOUND, Code.FAILED_PRECONDITION})


class SessionRefusedError(RemixerError):
    """The back end does not want these parameters."""

    def __init__(self, status: Status, *, path: str) -> None:
        text = f"{path} was refused: {code_name(status.code)}: {status.message}"
        super().__init__(text.rstrip(": "))
        self.status = status


class Session:
    """What calls of one handler carry instead of parameters."""

    def __init__(
        self, *, channel: RemoteChannel, tasks: TaskSpawner, validate: bytes, create: bytes
    ) -> None:
        """`validate` and `create`: serialized requests of the two calls."""
        self._channel = channel
        self._tasks = tasks
        self._validate = validate
        self._create = create
        self._id = ""
        self._field = b""
        self._opening: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Open it now, so that refused parameters are told at once.

        A back end that is away is no error: the first call opens the session. Raises
        `SessionRefusedError`, `RpcFailed`, `MalformedMessageError`.
        """
        try:
            await self.config()
        except RpcFailed as error:
            if error.code not in _AWAY:
                raise
            _log.warning("adapter_session_not_opened", reason=str(error))

    async def config(self) -> bytes:
        """Field `adapter_config` for a call. Opens the session if there is none, as `start`."""
        if not self._field:
            if self._opening is None:
                self._opening = asyncio.get_running_loop().create_future()
                self._opening.add_done_callback(_look_at)
                self._tasks.spawn(self._open(self._opening), name="open session")
            await asyncio.shield(self._opening)
        return self._field

    def lose(self, config: bytes) -> None:
        """The back end does not know the session that `config` names."""
        if config == self._field:
            self._id, self._field = "", b""
            _log.warning("adapter_session_forgotten")

    async def aclose(self) -> None:
        """Tell the back end, if it listens."""
        session_id, self._id, self._field = self._id, "", b""
        if session_id:
            with suppress(RpcFailed):
                await self._channel.unary(
                    CLOSE_SESSION_PATH,
                    encode_close_session(session_id),
                    timeout_s=_CLOSE_TIMEOUT_S,
                    is_safe_to_retry=False,
                )

    async def _open(self, opening: asyncio.Future[None]) -> None:
        try:
            await self._validate_and_create()
        except Exception as error:  # noqa: BLE001 - handed to those who wait
            if not opening.done():
                opening.set_exception(error)
        else:
            if not opening.done():
                opening.set_result(None)
        finally:
            self._opening = None
            opening.cancel()  # if this task is cancelled, nobody must wait for ever

    async def _validate_and_create(self) -> None:
        answer = await self._ask(VALIDATE_PATH, self._validate)
        status = decode_validated(answer)
        if not status.is_ok:
            raise SessionRefusedError(status, path=VALIDATE_PATH)
        session_id, status = decode_session(await self._ask(CREATE_SESSION_PATH, self._create))
        if not status.is_ok:
            raise SessionRefusedError(status, path=CREATE_SESSION_PATH)
        self._id = session_id
        self._field = config_field(_ANSWER_TYPE, encode_session_answer(session_id))

    async def _ask(self, path: str, request: bytes) -> bytes:
        return await self._channel.unary(
            path, request, timeout_s=_OPEN_TIMEOUT_S, is_safe_to_retry=True
        )


def _look_at(opening: asyncio.Future[None]) -> None:
    """An opening that nobody waits for any more may fail in silence."""
    if not opening.cancelled():
        opening.exception()
