"""The life of an application under ASGI, and with it that of its Mixer.

The Mixer starts before the application and closes after it, so that requests find it and what
the application reports at its end is sent. An application that knows no lifespan (it raises at
once) gets one all the same: its server would otherwise never say that the end has come.
"""

from collections.abc import Callable
from typing import Final

from remixer.foundation.errors import RemixerError
from remixer.foundation.log import event_log
from remixer.sidecar.app_mixer import AppMixer
from remixer.sidecar.asgi_http import App, Event, Receive, Send
from remixer.sidecar.asgi_scope import Scope

_STARTUP_ENDS: Final = frozenset({"lifespan.startup.complete", "lifespan.startup.failed"})
_ENDS: Final = frozenset(
    {"lifespan.startup.failed", "lifespan.shutdown.complete", "lifespan.shutdown.failed"}
)

_log: Final = event_log(__name__)


class Lifespan:
    """One life: from the server's `lifespan.startup` to the answer to `lifespan.shutdown`."""

    __slots__ = ("_is_begun", "_mixer", "_on_start", "_receive", "_send", "_startup")

    def __init__(
        self,
        mixer: AppMixer,
        *,
        receive: Receive,
        send: Send,
        on_start: Callable[[], None],
    ) -> None:
        """`on_start` is called in the loop in which the Mixer then is of use."""
        self._mixer = mixer
        self._receive = receive
        self._send = send
        self._on_start = on_start
        self._startup: Event | None = None
        self._is_begun = False

    async def run(self, app: App, scope: Scope) -> None:
        self._startup = await self._receive()
        try:
            await self._mixer.start()
        except (RemixerError, OSError, ValueError) as error:
            await self._send({"type": "lifespan.startup.failed", "message": f"Mixer: {error}"})
            return
        self._on_start()
        try:
            await self._run(app, scope)
        finally:
            await self._mixer.aclose()

    async def _run(self, app: App, scope: Scope) -> None:
        try:
            await app(scope, self._next_event, self._pass_on)
        except Exception as error:  # how an application says that it knows no lifespan
            if self._is_begun:
                raise
            _log.info("application_without_lifespan", reason=f"{type(error).__name__}: {error}")
        if not self._is_begun:
            await self._live_alone()

    async def _live_alone(self) -> None:
        await self._send({"type": "lifespan.startup.complete"})
        await self._receive()
        await self._mixer.aclose()
        await self._send({"type": "lifespan.shutdown.complete"})

    async def _next_event(self) -> Event:
        event, self._startup = self._startup, None
        return await self._receive() if event is None else event

    async def _pass_on(self, event: Event) -> None:
        if event["type"] in _STARTUP_ENDS:
            self._is_begun = True
        if event["type"] in _ENDS:
            # The server may end the process as soon as it hears this.
            await self._mixer.aclose()
        await self._send(event)
