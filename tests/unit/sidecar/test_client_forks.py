"""A client for asyncio in a process that forks. Each script is a process of its own."""

import subprocess
import sys

import pytest

FORKING = """
import asyncio, os
from remixer.sidecar.client import MixerClient
from remixer.testing.app_mixers import FakePort, allowed
from remixer.testing.served_mixer import served_mixer

def told(ask):
    try:
        return ask() and "answered"
    except Exception as error:
        return f"{type(error).__name__}: {error}"

async def asked(client, *, starts):
    if starts:
        await client.start()
    outcome = await client.check({"user": "ann"}, timeout_s=30)
    if starts:
        await client.aclose()
    return outcome.status.is_ok

async def child(ask):
    # The parent serves, so it must not wait where it stands.
    for _ in range(20):
        reads, writes = os.pipe()
        pid = os.fork()
        if not pid:
            try:
                os.write(writes, told(ask).encode())
            finally:
                os._exit(0)
        os.close(writes)
        said = (await asyncio.to_thread(os.read, reads, 10_000)).decode()
        os.close(reads)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSIGNALED(status):
            print("child", said, flush=True)
            return
        # gRPC, when connected, now and then ends a child before anything of ours runs there.

def in_a_loop_of_its_own(client, **how):
    return asyncio.new_event_loop().run_until_complete(asked(client, **how))

async def main():
    async with served_mixer(FakePort(lambda bag: allowed(), answers_at_once=True)) as address:
        client = MixerClient(address)
        SCRIPT
        await client.aclose()

asyncio.run(main())
"""
CONNECTED = """await client.start()
        print("parent", await asked(client, starts=False), flush=True)
        """
IN_CHILD = "await child(lambda: in_a_loop_of_its_own(client, starts={starts}))"


def lines_of(script: str) -> list[str]:
    command = [sys.executable, "-W", "error", "-c", FORKING.replace("SCRIPT", script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("starts", [True, False])
def test_a_child_of_a_connected_client_is_told_so(*, starts: bool) -> None:
    parent, child = lines_of(CONNECTED + IN_CHILD.format(starts=starts))
    assert parent == "parent True"
    assert child.startswith("child StartupError: this process was forked while a MixerClient")


def test_what_does_not_wait_says_the_same_in_the_copy_of_the_parents_loop() -> None:
    script = CONNECTED + "await child(lambda: client.report({'user': 'ann'}))"
    assert lines_of(script)[1].startswith("child StartupError: this process was forked")


def test_a_child_that_was_forked_while_the_client_rested_starts_by_itself() -> None:
    script = f"""{CONNECTED}await client.rest()
        {IN_CHILD.format(starts=True)}
        client.wake()
        print("parent", await asked(client, starts=False), flush=True)"""
    assert lines_of(script) == ["parent True", "child answered", "parent True"]


def test_a_child_that_does_not_start_what_rested_is_told_to() -> None:
    script = f"{CONNECTED}await client.rest()\n        {IN_CHILD.format(starts=False)}"
    assert lines_of(script)[1].startswith("child InternalError: a MixerClient is started before")


def test_a_child_that_was_forked_before_the_start_or_after_the_end_asks() -> None:
    script = f"""{IN_CHILD.format(starts=True)}
        {CONNECTED}await client.aclose()
        {IN_CHILD.format(starts=True)}"""
    assert lines_of(script) == ["child answered", "parent True", "child answered"]
