"""A Mixer for threads: answers in their own time, one thread behind them, and forks."""

import subprocess
import sys
import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from remixer.attributes.bag import Bag, Condition, PlainBag, Reference
from remixer.attributes.values import Duration
from remixer.foundation.errors import StartupError, UnavailableError
from remixer.foundation.status import Code
from remixer.mixer.outcome import CheckOutcome, Provenance
from remixer.mixer.request import CheckRequest
from remixer.sidecar.blocking import BlockingMixer, BlockingMixerClient
from remixer.testing.app_mixers import FakeAppMixer, allowed, denied
from remixer.testing.clock import VirtualClock

PATIENCE_S = 60.0
USER = frozenset({Reference("user", None, Condition.EXACT)})


def by_user(bag: Bag) -> CheckOutcome:
    """Everybody but eve; for a minute, ten times."""
    outcome = denied(message="no") if bag["user"] == "eve" else allowed()
    return replace(
        outcome, references=USER, valid_duration=Duration(60 * 10**9), valid_use_count=10_000
    )


class Placed(FakeAppMixer):
    """A `PlacedMixer`."""

    def __init__(self, policy: Callable[[Bag], CheckOutcome] = by_user) -> None:
        super().__init__(policy)
        self.stamp: object | None = object()
        self.rests = 0

    @property
    def policies(self) -> "Placed":
        return self

    def place_of(self, bag: Bag) -> tuple[Hashable, object]:
        del bag
        return "", self.stamp

    async def rest(self) -> None:
        self.rests += 1

    def wake(self) -> None:
        self.rests -= 1


def asked(user: str = "ann") -> CheckRequest:
    return CheckRequest(PlainBag(user=user))


@contextmanager
def blocking(
    placed: Placed | None = None, clock: VirtualClock | None = None
) -> Iterator[tuple[BlockingMixer, Placed]]:
    placed = placed or Placed()
    with BlockingMixer(lambda: placed, clock=clock or VirtualClock()) as mixer:
        yield mixer, placed


# ------------------------------------------------------------ checks


def test_nothing_starts_before_the_first_question() -> None:
    before = set(threading.enumerate())

    def threads() -> int:
        """Those that are new; of others some may end meanwhile."""
        return len(set(threading.enumerate()) - before)

    with blocking() as (mixer, placed):
        assert (placed.started, threads()) == (0, 0)
        assert mixer.check(asked()).status.is_ok
        assert (placed.started, threads()) == (1, 1)
    assert (placed.closed, threads()) == (1, 0)


def test_what_was_answered_is_answered_again_without_the_loop() -> None:
    with blocking() as (mixer, placed):
        first, second = mixer.check(asked()), mixer.check(asked())
        assert (first.provenance, second.provenance) == (Provenance.COMPUTED, Provenance.MEMORY)
        assert mixer.check(asked("eve")).status.code == Code.PERMISSION_DENIED
        assert mixer.check(asked("eve")).status.code == Code.PERMISSION_DENIED
        assert len(placed.inner.requests) == 2
        assert (mixer.counts.hits, mixer.counts.misses) == (2, 2)


def test_an_answer_ends_with_its_time() -> None:
    clock = VirtualClock()
    with blocking(clock=clock) as (mixer, placed):
        mixer.check(asked())
        clock.advance(61)
        mixer.check(asked())
        assert len(placed.inner.requests) == 2


def test_the_loop_gives_a_share_of_the_uses() -> None:
    with blocking() as (mixer, placed):
        mixer.check(asked())
        assert placed.inner.requests[0].keeps_answer


def test_other_rules_forget_what_was_answered() -> None:
    with blocking() as (mixer, placed):
        mixer.check(asked())
        placed.stamp = object()
        mixer.check(asked())
        assert len(placed.inner.requests) == 2


def test_where_nothing_may_be_remembered_everything_is_asked() -> None:
    with blocking() as (mixer, placed):
        placed.stamp = None
        mixer.check(asked())
        mixer.check(asked())
        assert len(placed.inner.requests) == 2
        assert (mixer.counts.hits, mixer.counts.misses) == (0, 0)


@pytest.mark.parametrize("passing", [Provenance.STALE, Provenance.SUBSTITUTE])
def test_what_stands_in_for_an_answer_is_not_remembered(passing: Provenance) -> None:
    placed = Placed(lambda bag: replace(by_user(bag), provenance=passing))
    with blocking(placed) as (mixer, _):
        mixer.check(asked())
        mixer.check(asked())
        assert len(placed.inner.requests) == 2


def test_many_threads_get_their_own_answers_and_ask_little() -> None:
    users = ["ann", "eve", *(f"user{number}" for number in range(20))]

    def hammer(mixer: BlockingMixer) -> list[str]:
        return [
            user
            for _ in range(30)
            for user in users
            if mixer.check(asked(user)).status.is_ok is (user == "eve")
        ]

    with blocking() as (mixer, placed), ThreadPoolExecutor(8) as pool:
        wrong = [each.result(PATIENCE_S) for each in [pool.submit(hammer, mixer) for _ in range(8)]]
        assert wrong == [[]] * 8
        counts = mixer.counts
        assert counts.hits + counts.misses == 8 * 30 * len(users)
        assert counts.misses == len(placed.inner.requests)
        assert counts.misses <= 8 * len(users)
        assert placed.started == 1


# ------------------------------------------------------------ reports


def test_reports_arrive_in_order_before_the_end() -> None:
    with blocking() as (mixer, placed):
        for number in range(500):
            mixer.report(PlainBag(n=number))
    assert [each["n"] for each in placed.reports] == list(range(500))
    assert mixer.counts.reports_dropped == 0


def test_reports_of_many_threads_all_arrive() -> None:
    def send(mixer: BlockingMixer, name: str) -> None:
        for number in range(200):
            mixer.report(PlainBag(user=name, n=number))

    with blocking() as (mixer, placed), ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(send, mixer, name) for name in "abcd"]:
            each.result(PATIENCE_S)
    assert len(placed.reports) == 800
    for name in "abcd":
        assert [each["n"] for each in placed.reports if each["user"] == name] == list(range(200))


def test_while_the_loop_hangs_reports_are_bounded_and_counted() -> None:
    held = threading.Event()
    with blocking() as (mixer, placed):
        mixer.check(asked())
        life = mixer._life
        assert life is not None
        life.thread.soon(held.wait, PATIENCE_S)
        for number in range(10_003):
            mixer.report(PlainBag(n=number))
        held.set()
    assert len(placed.reports) == 10_000
    assert mixer.counts.reports_dropped == 3


# ------------------------------------------------------------ the end


def test_closing_twice_is_safe_also_before_the_first_question() -> None:
    with blocking() as (mixer, placed):
        mixer.close()
        mixer.close()
    assert placed.started == 0
    with blocking() as (mixer, placed):
        mixer.check(asked())
        mixer.close()
        mixer.close()
    assert placed.closed == 1


def test_after_the_end_checks_fail_and_reports_are_counted_as_dropped() -> None:
    with blocking() as (mixer, placed):
        mixer.check(asked())
    with pytest.raises(UnavailableError, match="closed"):
        mixer.check(asked())
    mixer.report(PlainBag(n=1))
    assert mixer.counts.reports_dropped == 1
    assert placed.started == 1


def test_whoever_waits_while_it_is_closed_is_told() -> None:
    begun = threading.Event()

    def slow(bag: Bag) -> CheckOutcome:
        begun.set()
        return by_user(bag)

    placed = Placed(slow)
    with blocking(placed) as (mixer, _), ThreadPoolExecutor(1) as pool:
        mixer.check(asked("first"))
        begun.clear()
        placed.inner.answers_at_once = False
        placed.inner.gate = NeverSet(begun)  # type: ignore[assignment]  # all that is used of it
        waiting = pool.submit(mixer.check, asked())
        assert begun.wait(PATIENCE_S)
        mixer.close()
        assert isinstance(waiting.exception(PATIENCE_S), UnavailableError)


class NeverSet:
    """Waits for ever, and says when that began."""

    def __init__(self, begun: threading.Event) -> None:
        self._begun = begun

    async def wait(self) -> None:
        import asyncio  # noqa: PLC0415 - the loop's thread alone needs it

        self._begun.set()
        await asyncio.Event().wait()


def test_a_start_that_fails_leaves_no_thread_and_is_tried_again() -> None:
    before = threading.active_count()
    with blocking() as (mixer, placed):
        placed.failure = StartupError("no rules")
        for _ in range(2):
            with pytest.raises(StartupError, match="no rules"):
                mixer.check(asked())
            assert threading.active_count() == before
        placed.failure = None
        assert mixer.check(asked()).status.is_ok


def test_an_address_that_is_none_is_told_at_once() -> None:
    before = threading.active_count()
    with pytest.raises(ValueError, match="not HOST:PORT"):
        BlockingMixerClient("nowhere")
    assert threading.active_count() == before


def test_it_does_not_live_for_the_sake_of_forks() -> None:
    import gc  # noqa: PLC0415 - nobody else needs it
    import weakref  # noqa: PLC0415 - nobody else needs it

    mixer = BlockingMixerClient("127.0.0.1:1")
    gone = weakref.ref(mixer)  # neither for that of the interpreter's end
    del mixer
    gc.collect()
    assert gone() is None


# ------------------------------------------------------------ forks

FORKING = """
import asyncio, os, sys, threading
from remixer.sidecar.blocking import BlockingMixerClient
from remixer.testing.app_mixers import FakePort, allowed
from remixer.testing.served_mixer import served_mixer

told = {}
is_over = threading.Event()

def serve(ready):
    # A server of our own HTTP/2 code: its thread uses no gRPC and may be there at a fork.
    async def run():
        async with served_mixer(FakePort(lambda bag: allowed(), answers_at_once=True)) as address:
            told["address"] = address
            ready.set()
            await asyncio.to_thread(is_over.wait)
    asyncio.run(run())

def ask(mixer, who):
    outcome = mixer.check_attributes({"user": who})
    print(who, outcome.status.code, mixer.counts.misses, outcome.provenance.name, flush=True)

def in_child(mixer, who):
    pid = os.fork()
    if not pid:
        try:
            ask(mixer, who)
            mixer.report_attributes({"user": who})
            mixer.close()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)

ready = threading.Event()
threading.Thread(target=serve, args=(ready,)).start()
ready.wait()
mixer = BlockingMixerClient(told["address"])
SCRIPT
mixer.close()
is_over.set()
"""


def lines_of(script: str) -> list[str]:
    """What a process of its own prints; warnings are faults."""
    command = [sys.executable, "-W", "error", "-c", FORKING.replace("SCRIPT", script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.splitlines()


def test_a_child_forked_before_the_first_question_asks_by_itself() -> None:
    script = "in_child(mixer, 'child'); ask(mixer, 'parent')"
    assert lines_of(script) == ["child 0 1 COMPUTED", "parent 0 1 COMPUTED"]


def test_a_child_forked_afterwards_starts_afresh_and_the_parent_goes_on() -> None:
    script = "ask(mixer, 'first'); in_child(mixer, 'child'); in_child(mixer, 'c2'); ask(mixer, 'p')"
    assert lines_of(script) == [
        "first 0 1 COMPUTED",
        "child 0 1 COMPUTED",
        "c2 0 1 COMPUTED",
        "p 0 1 MEMORY",
    ]


def test_a_child_of_a_child_works_too() -> None:
    script = """
ask(mixer, 'first')
pid = os.fork()
if not pid:
    ask(mixer, 'child')
    in_child(mixer, 'grandchild')
    ask(mixer, 'child')
    mixer.close()
    os._exit(0)
os.waitpid(pid, 0)
"""
    assert lines_of(script) == [
        "first 0 1 COMPUTED",
        "child 0 1 COMPUTED",
        "grandchild 0 1 COMPUTED",
        "child 0 1 MEMORY",
    ]


def test_a_child_of_a_closed_mixer_may_use_it() -> None:
    script = "mixer.close(); in_child(mixer, 'child')"
    assert lines_of(script) == ["child 0 1 COMPUTED"]


# ------------------------------------------------------------ the end of the interpreter

ENDING = """
import os, sys
from pathlib import Path
from remixer.sidecar.blocking import BlockingMixerClient
from remixer.sidecar.settings import ClientSettings

where, how = Path(sys.argv[1]), sys.argv[2]
mixer = BlockingMixerClient("127.0.0.1:1", ClientSettings(spill=where, close_s=3.0))
if how == "forked":
    mixer.report_attributes({"user": "parent"})
    mixer.close()
    pid = os.fork()
    if pid:
        status = os.waitpid(pid, 0)[1]
        os._exit(os.waitstatus_to_exitcode(status))
mixer.report_attributes({"user": "ann"})
if how == "raises":
    raise SystemExit(3)
"""


@pytest.mark.parametrize(("how", "code"), [("returns", 0), ("raises", 3), ("forked", 0)])
def test_who_is_not_closed_is_closed_with_the_interpreter(
    tmp_path: Path, how: str, code: int
) -> None:
    command = [sys.executable, "-W", "error", "-c", ENDING, str(tmp_path), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    kept = b"".join(each.read_bytes() for each in tmp_path.glob("*.spill"))
    assert kept.count(b"ann") == 1


def test_one_may_be_made_while_the_interpreter_ends() -> None:
    script = """
import atexit
from remixer.sidecar.blocking import BlockingMixerClient
atexit.register(lambda: print(BlockingMixerClient("127.0.0.1:1").counts.misses))
"""
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own
    assert (done.stdout, done.stderr) == ("0\n", "")
