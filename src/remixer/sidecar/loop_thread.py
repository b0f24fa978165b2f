"""An event loop in a thread of its own, for programs that have none.

Theory of operation. Whatever is handed to the loop is handed over under a lock, and the loop closes
under the same lock, after all that it was given has ended: nobody waits for work that never runs.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Final, ParamSpec, TypeVar

from remixer.foundation.errors import UnavailableError

T = TypeVar("T")
P = ParamSpec("P")
_OVER: Final = "the Mixer was closed while it was asked"


class LoopThread:
    """Runs from `start` to `stop`. Methods are for any other thread."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._is_over = False
        # A daemon, so that a program that forgets to close still ends.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_current(self) -> bool:
        """Whether the caller is in this thread."""
        return threading.current_thread() is self._thread

    def run(self, work: Coroutine[object, None, T], *, timeout_s: float | None = None) -> T:
        """What `work` gives, done in the loop. Raises `UnavailableError` if the loop ends before.

        Work that takes too long is cancelled; raises TimeoutError.
        """
        with self._lock:
            if self._is_over:
                work.close()
                raise UnavailableError(_OVER)
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout_s)
        except CancelledError as error:
            raise UnavailableError(_OVER) from error
        finally:
            future.cancel()  # unless it is done

    def soon(self, callback: Callable[P, object], *args: P.args, **_: P.kwargs) -> bool:
        """Have it called in the loop; whether there is one still."""
        with self._lock:
            if not self._is_over:
                self._loop.call_soon_threadsafe(callback, *args)
            return not self._is_over

    def stop(self, *, bound_s: float) -> None:
        """Cancel all work and end the thread; twice is safe."""
        self.soon(self._loop.stop)
        self._thread.join(bound_s)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            with self._lock:
                self._is_over = True
            # The callbacks that make tasks of what was handed over are still to run.
            self._loop.run_until_complete(_all_cancelled())
        finally:
            self._loop.close()


async def _all_cancelled() -> None:
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
