"""An event loop in a thread of its own."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from remixer.foundation.errors import UnavailableError
from remixer.sidecar.loop_thread import LoopThread

PATIENCE_S = 60.0


@pytest.fixture
def thread() -> LoopThread:
    thread = LoopThread("under test")
    thread.start()
    return thread


async def name_of_thread() -> str:
    return threading.current_thread().name


async def hang(begun: threading.Event) -> None:
    begun.set()
    await asyncio.Event().wait()


def test_work_is_done_in_the_thread(thread: LoopThread) -> None:
    assert thread.run(name_of_thread()) == "under test"
    assert not thread.is_current
    thread.stop(bound_s=PATIENCE_S)


def test_what_work_raises_is_raised(thread: LoopThread) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        thread.run(fail())
    thread.stop(bound_s=PATIENCE_S)


def test_work_that_takes_too_long_is_cancelled(thread: LoopThread) -> None:
    ended: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("slow")

    thread.run(asyncio.sleep(0))  # it runs
    with pytest.raises(TimeoutError):
        thread.run(slow(), timeout_s=0.5)
    thread.run(asyncio.sleep(0))
    assert ended == ["slow"]
    thread.stop(bound_s=PATIENCE_S)


def test_whoever_waits_at_the_end_hears_of_it(thread: LoopThread) -> None:
    begun = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(thread.run, hang(begun))
        assert begun.wait(PATIENCE_S)
        thread.stop(bound_s=PATIENCE_S)
        assert isinstance(waiting.exception(PATIENCE_S), UnavailableError)


def test_after_the_end_nothing_is_taken_and_stopping_again_is_safe(thread: LoopThread) -> None:
    thread.stop(bound_s=PATIENCE_S)
    thread.stop(bound_s=PATIENCE_S)
    with pytest.raises(UnavailableError):
        thread.run(name_of_thread())
    assert thread.soon(print) is False


def test_nobody_waits_for_ever_however_the_end_and_the_work_meet() -> None:
    for _ in range(50):
        thread = LoopThread("under test")
        thread.start()
        start = threading.Barrier(4)

        def ask(thread: LoopThread = thread, start: threading.Barrier = start) -> None:
            start.wait(PATIENCE_S)
            while True:
                try:
                    thread.run(name_of_thread())
                except UnavailableError:
                    return

        with ThreadPoolExecutor(3) as pool:
            askers = [pool.submit(ask) for _ in range(3)]
            start.wait(PATIENCE_S)
            thread.stop(bound_s=PATIENCE_S)
            for each in askers:
                each.result(PATIENCE_S)
