"""Sends all metrics, at every interval and at the end.

A failed export is not repeated: the next one says the same and more, for series are cumulative.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from remixer.adapters.otlp.instruments import Instrument
from remixer.drivers.otlp import OtlpError, Rejected
from remixer.drivers.otlp_records import MetricRecord
from remixer.foundation.event_limit import EventLimit
from remixer.sdk import Clock, event_log

_FLUSH_TIMEOUT_S: Final = 1.0  # below what a handler's close may take
_LOG_INTERVAL_S: Final = 60.0

_log: Final = event_log(__name__)


class MetricExports:
    """The metrics of one handler on their way out."""

    def __init__(
        self,
        send: Callable[[Sequence[MetricRecord]], Awaitable[Rejected]],
        *,
        instruments: Sequence[Instrument],
        interval_s: float,
        expiration_ns: int,
        name: str,
        clock: Clock,
    ) -> None:
        self._send = send
        self._instruments = instruments
        self._interval_s = interval_s
        self._expiration_ns = expiration_ns
        self._name = name
        self._clock = clock
        self._closing = asyncio.Event()
        self._finished = asyncio.Event()
        self._log_limit = EventLimit(interval_s=_LOG_INTERVAL_S)
        self.failed = 0
        """Requests that were not taken."""
        self.rejected = 0
        """Points that the collector refused."""

    async def work(self) -> None:
        """Export until closed, and once more then."""
        try:
            while not self._closing.is_set():
                try:
                    async with asyncio.timeout(self._interval_s):
                        await self._closing.wait()
                except TimeoutError:
                    pass
                await self._export()
        finally:
            self._finished.set()

    async def aclose(self) -> None:
        """Export the last state, for a second at most; once or twice."""
        if self._closing.is_set():
            return
        self._closing.set()
        try:
            async with asyncio.timeout(_FLUSH_TIMEOUT_S):
                await self._finished.wait()
        except TimeoutError:
            self._note_failure("the end came first")

    async def _export(self) -> None:
        now_ns = self._clock.unix_ns()
        for instrument in self._instruments:
            for part in instrument.collect(now_ns=now_ns, expiration_ns=self._expiration_ns):
                if not await self._sent(part):
                    return  # the collector is away: the others would fail too

    async def _sent(self, part: MetricRecord) -> bool:
        try:
            rejected = await self._send([part])
        except OtlpError as error:
            self._note_failure(str(error))
            return not error.can_retry
        if rejected.count:
            self.rejected += rejected.count
            self._note("otlp_points_rejected", rejected.reason)
        return True

    def _note_failure(self, reason: str) -> None:
        self.failed += 1
        self._note("otlp_export_failed", reason)

    def _note(self, event: str, reason: str) -> None:
        held_back = self._log_limit.pass_now(event, now_s=self._clock.monotonic_s())
        if held_back is not None:
            _log.warning(
                event,
                handler=self._name,
                reason=reason,
                failed=self.failed,
                rejected=self.rejected,
                held_back=held_back,
            )
