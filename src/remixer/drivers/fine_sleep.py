"""Sleeps shorter than a millisecond, to which asyncio's own loop rounds its timers up.

A timer of Linux as a file (timerfd) that the loop listens to, one for all who sleep. Elsewhere, and
from 10 ms on, asyncio's own sleep is taken. Python 3.13 has these timers itself: then `ctypes` may
go.
"""

import asyncio
import ctypes
import heapq
import os
from contextlib import suppress
from math import inf
from typing import Final

_MONOTONIC: Final = 1
_NONBLOCK: Final = os.O_NONBLOCK
_CLOEXEC: Final = os.O_CLOEXEC
_NS_PER_S: Final = 1_000_000_000
_COARSE_S: Final = 0.01
_READ_BYTES: Final = 8


class _Interval(ctypes.Structure):
    """`struct itimerspec`: the period, and the time until the next end."""

    _fields_ = (
        ("every_s", ctypes.c_long),
        ("every_ns", ctypes.c_long),
        ("first_s", ctypes.c_long),
        ("first_ns", ctypes.c_long),
    )


class FineSleep:
    """Call it as `asyncio.sleep`. Close it when nobody sleeps any more."""

    def __init__(self) -> None:
        self._library: ctypes.CDLL | None = None
        self._timer = -1
        self._is_closed = False
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = 0

    async def __call__(self, seconds: float) -> None:
        if seconds >= _COARSE_S or seconds <= 0 or not self._is_open():
            await asyncio.sleep(seconds)
            return
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()
        due_s = loop.time() + seconds
        self._number += 1  # no two futures are ever compared
        heapq.heappush(self._sleepers, (due_s, self._number, over))
        if self._sleepers[0][2] is over:
            self._arm(seconds)
        await over

    def close(self) -> None:
        """Whoever sleeps wakes up; whoever still comes sleeps as asyncio does. Once or twice."""
        self._is_closed = True
        timer, self._timer = self._timer, -1
        if timer >= 0:
            asyncio.get_running_loop().remove_reader(timer)
            os.close(timer)
        self._wake_until(inf)

    def _is_open(self) -> bool:
        """Opened when it is needed first; False where there is no such timer, or not any more."""
        if self._timer >= 0 or self._is_closed:
            return not self._is_closed
        if self._library is None:
            self._library = ctypes.CDLL(None)
        try:
            self._timer = self._library.timerfd_create(_MONOTONIC, _NONBLOCK | _CLOEXEC)
        except AttributeError:
            return False
        if self._timer < 0:
            return False
        asyncio.get_running_loop().add_reader(self._timer, self._rung)
        return True

    def _arm(self, seconds: float) -> None:
        # 0 would stop the timer.
        whole_s, ns = divmod(max(1, round(seconds * _NS_PER_S)), _NS_PER_S)
        interval = _Interval(0, 0, whole_s, ns)
        assert self._library is not None  # noqa: S101 - it is open
        self._library.timerfd_settime(self._timer, 0, ctypes.byref(interval), None)

    def _rung(self) -> None:
        with suppress(BlockingIOError):  # armed again meanwhile
            os.read(self._timer, _READ_BYTES)
        now_s = asyncio.get_running_loop().time()
        self._wake_until(now_s)
        if self._sleepers:
            self._arm(self._sleepers[0][0] - now_s)

    def _wake_until(self, now_s: float) -> None:
        while self._sleepers and self._sleepers[0][0] <= now_s:
            _, _, over = heapq.heappop(self._sleepers)
            if not over.done():
                over.set_result(None)
