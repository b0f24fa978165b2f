"""Fetches OAuth access tokens: the doing around `remote_tokens`.

One fetch at a time for all calls of a channel, in a background task, so that a call which gives
up takes no other call's token with it.
"""

import asyncio
from typing import Final, NoReturn

from remixer.foundation.clock import Clock
from remixer.foundation.errors import RemixerError
from remixer.foundation.event_limit import EventLimit
from remixer.foundation.log import event_log
from remixer.foundation.status import Code
from remixer.transport.remote_files import FileFault, WatchedFiles, secret_in
from remixer.transport.remote_oauth_messages import (
    Granted,
    SecretStyle,
    TokenRefused,
    read_token,
    token_request,
)
from remixer.transport.remote_port import BackgroundTasks, NoTokenError, TokenEndpoint
from remixer.transport.remote_spec import OAuthClient
from remixer.transport.remote_tokens import Fail, TokenLife, Use

_FETCH_TIMEOUT_S: Final = 10.0
_LARGEST_ANSWER_BYTES: Final = 64 << 10
_LOG_EVERY_S: Final = 60.0

_log = event_log(__name__)


class OAuthTokens:
    """The access token of one channel."""

    def __init__(
        self,
        oauth: OAuthClient,
        *,
        back_end: str,
        http: TokenEndpoint,
        clock: Clock,
        tasks: BackgroundTasks,
    ) -> None:
        self._oauth = oauth
        self._back_end = back_end
        self._http = http
        self._clock = clock
        self._tasks = tasks
        path = oauth.client_secret
        self._secret = WatchedFiles(
            (path,), lambda found: secret_in(path, found[0]), now_s=clock.monotonic_s()
        )
        self._life = TokenLife()
        self._style: SecretStyle | None = None
        self._fetched = asyncio.Event()
        self._limit = EventLimit(interval_s=_LOG_EVERY_S)

    def ready(self, *, now_s: float) -> str | None:
        """The header's value, if no waiting is needed."""
        advice = self._life.ask(now_s=now_s)
        if isinstance(advice, Fail):
            self._raise(advice)
        if advice.must_fetch:
            self._start()
        return advice.header if isinstance(advice, Use) else None

    async def header(self, *, timeout_s: float) -> str:
        """The header's value; raises `NoTokenError`."""
        try:
            async with asyncio.timeout(timeout_s):
                while (value := self.ready(now_s=self._clock.monotonic_s())) is None:
                    await self._fetched.wait()
        except TimeoutError as error:
            message = f"no access token within {timeout_s:g} s"
            raise NoTokenError(Code.DEADLINE_EXCEEDED, message) from error
        return value

    def rejected(self, value: str) -> None:
        """The back end refused a call with this token."""
        self._life.rejected(value)

    def _raise(self, advice: Fail) -> NoReturn:
        message = (
            f"no access token: {advice.reason}; "
            f"tried again in {max(0.0, advice.retry_after_s):.1f} s"
        )
        raise NoTokenError(Code.UNAVAILABLE, message)

    def _start(self) -> None:
        self._fetched = asyncio.Event()
        self._tasks.spawn(self._fetch(), name="access token")

    async def _fetch(self) -> None:
        reason = "the fetch was given up"
        granted: Granted | None = None
        try:
            granted = await self._ask()
        except (TokenRefused, RemixerError, FileFault) as error:
            reason = str(error)
        finally:
            now_s = self._clock.monotonic_s()
            if granted is None:
                self._life.failed(reason, now_s=now_s)
                self._note(reason, now_s)
            else:
                self._life.fetched(granted.header, lifetime_s=granted.lifetime_s, now_s=now_s)
            self._fetched.set()

    async def _ask(self) -> Granted:
        self._secret.look(now_s=self._clock.monotonic_s())
        if self._style is not None:
            return await self._ask_once(self._style)
        try:
            granted = await self._ask_once(SecretStyle.HEADER)
            self._style = SecretStyle.HEADER
        except TokenRefused as refusal:
            if not refusal.may_be_style:
                raise
            granted = await self._ask_once(SecretStyle.BODY)
            self._style = SecretStyle.BODY
        return granted

    async def _ask_once(self, style: SecretStyle) -> Granted:
        body, headers = token_request(self._oauth, self._secret.value, style)
        answer = await self._http.post(
            self._oauth.token_url,
            body,
            headers=headers,
            timeout_s=_FETCH_TIMEOUT_S,
            limit_bytes=_LARGEST_ANSWER_BYTES,
        )
        return read_token(answer.status, answer.headers, answer.body)

    def _note(self, reason: str, now_s: float) -> None:
        held_back = self._limit.pass_now("", now_s=now_s)
        if held_back is not None:
            _log.warning(
                "access_token_not_fetched",
                back_end=self._back_end,
                reason=reason,
                held_back=held_back,
            )
