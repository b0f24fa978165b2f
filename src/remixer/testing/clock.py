"""Virtual time: a clock that moves only when told, and an event loop that lives by it.

Theory of operation. `VirtualTimeLoop` is a selector loop with two changes: `time()` asks a
`VirtualClock`, and where the loop would wait for the next timer with nothing else to do, the
clock jumps there instead. So `await asyncio.sleep(300)` ends at once, five minutes later, and
everything due in between has run, in order, at exactly its instant. Sockets work, without real
waiting for timers: the loop looks a moment longer at them, for what a busy kernel still carries.
While an executor thread works, time stands still: no timeout can overtake it.

`VirtualClock.advance` is the other way to move time: one step, as when a machine was suspended.
"""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from typing import Any, Final, ParamSpec, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
P = ParamSpec("P")

_NS_PER_S: Final = 1_000_000_000
_LOOPBACK_S: Final = 0.01
"""Real time in which what was sent over loopback arrives."""
_FILES_OF_A_LOOP: Final = 1
"""What every loop looks at: the pipe that wakes it."""
START_UNIX_NS: Final = 1_622_505_600 * _NS_PER_S
"""2021-06-01T00:00:00Z: where a virtual clock starts unless told otherwise."""


class VirtualClock:
    """A `remixer.foundation.clock.Clock` that moves only when told."""

    def __init__(self, *, unix_ns: int = START_UNIX_NS) -> None:
        self._start_unix_ns = unix_ns
        self._elapsed_ns = 0

    def unix_ns(self) -> int:
        return self._start_unix_ns + self._elapsed_ns

    def monotonic_s(self) -> float:
        return self._elapsed_ns / _NS_PER_S

    def advance(self, seconds: float) -> None:
        """Move both clocks in one step; timers that became due fire afterwards, all together."""
        if seconds < 0:
            message = f"time cannot go back by {-seconds} s"
            raise ValueError(message)
        self._elapsed_ns += max(1, round(seconds * _NS_PER_S)) if seconds else 0

    def jump_wall(self, seconds: float) -> None:
        """Move the wall clock alone, back or forth, as NTP may."""
        self._start_unix_ns += round(seconds * _NS_PER_S)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time."""

    def __init__(self, clock: VirtualClock | None = None) -> None:
        self.clock: Final = clock if clock is not None else VirtualClock()
        self._busy_threads = 0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self.clock.monotonic_s()

    @property
    def stands_still(self) -> bool:
        """Whether a thread works, for which time must wait."""
        return self._busy_threads > 0

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[*Ts], T],
        *args: *Ts,
    ) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self._busy_threads += 1
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _future: asyncio.Future[Any]) -> None:
        self._busy_threads -= 1


class _JumpingSelector(selectors.BaseSelector):
    """Looks for I/O without waiting; lets the clock jump where the loop would have waited."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or self._loop.stands_still:
            return self._real.select(None if timeout is None or timeout > 0 else 0)
        is_jump = timeout > 0
        has_sockets = len(self._real.get_map()) > _FILES_OF_A_LOOP
        ready = self._real.select(_LOOPBACK_S if is_jump and has_sockets else 0)
        if not ready and is_jump:
            self._loop.clock.advance(timeout)
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:  # noqa: ANN401 - the base class's signature
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:  # noqa: ANN401 - the base class's signature
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:  # noqa: ANN401 - the base class's signature
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:  # noqa: ANN401 - the base class's signature
        return self._real.get_key(fileobj)

    def close(self) -> None:
        self._real.close()


def run_in_virtual_time(main: Coroutine[Any, Any, T], *, clock: VirtualClock | None = None) -> T:
    """Run `main` to its end in a new `VirtualTimeLoop`; like `asyncio.run`."""
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(clock)) as runner:
        return runner.run(main)


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Decorate an `async def` test: it runs in a `VirtualTimeLoop` of its own.

    Ordinary fixtures work as ever; async ones belong to another loop and do not.
    """

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        run_in_virtual_time(test(*args, **kwargs))

    return run


def clock_of_running_loop() -> VirtualClock:
    """The clock of the running `VirtualTimeLoop`; a new one, moved by hand, in any other loop."""
    loop = asyncio.get_running_loop()
    return loop.clock if isinstance(loop, VirtualTimeLoop) else VirtualClock()
