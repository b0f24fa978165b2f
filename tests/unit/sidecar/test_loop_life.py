"""What runs in one event loop at a time, and what is left of it in a forked child."""

import asyncio
import subprocess
import sys
from dataclasses import dataclass

from remixer.foundation.errors import InternalError
from remixer.sidecar.loop_life import LoopLife


@dataclass
class Thing:
    """Something that runs."""

    number: int
    is_running: bool = True


class Maker:
    """Has a `LoopLife` of things."""

    def __init__(self) -> None:
        self.made = 0
        self.life: LoopLife[Thing] = LoopLife("Thing", survives_fork=lambda _: True)

    async def start(self) -> Thing:
        await self.life.start(self._begin, is_running=lambda thing: thing.is_running)
        assert self.life.held is not None
        return self.life.held

    async def _begin(self) -> Thing:
        await asyncio.sleep(0)
        self.made += 1
        return Thing(self.made)


async def test_there_is_one_in_a_loop() -> None:
    maker = Maker()
    first, second = await asyncio.gather(maker.start(), maker.start())
    assert first is second
    assert maker.made == 1


async def test_one_that_runs_no_longer_is_made_anew() -> None:
    maker = Maker()
    (await maker.start()).is_running = False
    assert (await maker.start()).number == 2


def test_another_loop_has_another() -> None:
    maker = Maker()
    assert [asyncio.run(maker.start()).number for _ in range(2)] == [1, 2]


async def test_what_was_taken_is_gone() -> None:
    maker = Maker()
    thing = await maker.start()
    assert maker.life.taken() is thing
    assert maker.life.taken() is None
    assert maker.life.held is None
    assert isinstance(maker.life.absence(), InternalError)
    assert "a Thing is started before it is asked" in str(maker.life.absence())


def test_what_lived_in_a_loop_that_has_ended_needs_no_end() -> None:
    maker = Maker()
    asyncio.run(maker.start())
    assert maker.life.taken() is None


# ------------------------------------------------------------ forks

FORKING = """
import asyncio, os, threading
from dataclasses import dataclass
from remixer.sidecar.loop_life import LoopLife

class Maker:
    def __init__(self, *, survives):
        self.made = 0
        self.life = LoopLife("Thing", survives_fork=lambda _: survives)

    async def start(self):
        await self.life.start(self._begin, is_running=lambda _: True)
        return self.life.held

    async def _begin(self):
        self.made += 1
        return f"thing {self.made}"

def in_child(told):
    reads, writes = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.write(writes, told().encode())
        finally:
            os._exit(0)
    os.close(writes)
    with os.fdopen(reads) as stream:
        said = stream.read()
    os.waitpid(pid, 0)
    return said

def started(maker):
    try:
        return asyncio.new_event_loop().run_until_complete(maker.start())
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def absence(maker):
    return f"{type(maker.life.absence()).__name__}: {maker.life.absence()}"

async def main():
    good, bad = Maker(survives=True), Maker(survives=False)
    SCRIPT

asyncio.run(main())
"""
TORN = "StartupError: this process was forked while a MixerClient was connected"


def told(script: str) -> tuple[list[str], str]:
    """What a process of its own prints, and what it logs."""
    command = [sys.executable, "-c", FORKING.replace("SCRIPT", script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.splitlines(), done.stderr


def test_a_child_has_its_own_and_leaves_its_parents_alone() -> None:
    script = """await good.start()
    print(in_child(lambda: f"{good.life.held} {good.life.taken()} {started(good)}"))
    print(good.life.held)"""
    assert told(script) == (["None None thing 2", "thing 1"], "")


def test_a_child_of_what_does_not_survive_is_told_what_to_do() -> None:
    script = """await bad.start()
    print(in_child(lambda: absence(bad)))
    print(in_child(lambda: started(bad)))"""
    (absence, started), _ = told(script)
    assert absence == started
    assert absence.startswith(TORN)
    for step in ("before the client starts", "client.rest()", "BlockingMixerClient", "spawn"):
        assert step in absence


def test_a_child_of_such_a_child_is_told_as_well() -> None:
    (said,), _ = told("await bad.start(); print(in_child(lambda: in_child(lambda: started(bad))))")
    assert said.startswith(TORN)


def test_a_child_forked_before_the_start_knows_nothing_of_that() -> None:
    assert told("print(in_child(lambda: started(bad)))") == (["thing 1"], "")


def test_a_fork_in_the_loop_of_what_does_not_survive_is_warned_of() -> None:
    assert told("await good.start(); in_child(str)") == ([], "")
    _, log = told("await bad.start(); in_child(str)")
    assert log.startswith("forked_while_connected")


def test_a_fork_in_another_thread_is_not() -> None:
    script = """await bad.start()
    thread = threading.Thread(target=in_child, args=(str,))
    thread.start()
    thread.join()"""
    assert told(script) == ([], "")
