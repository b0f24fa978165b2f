"""gRPC's threads are waited for; in processes of their own, as any test may use gRPC."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux")

SCRIPT = """
import asyncio, sys
from grpc import aio
from remixer.transport.grpc_threads import are_running, until_ended, wait_until_ended

async def connected():
    channel = aio.insecure_channel("127.0.0.1:1")
    channel.get_state(try_to_connect=True)
    while not are_running():
        await asyncio.sleep(0.001)
    return channel

async def ended():
    if sys.argv[1] == "waits":
        wait_until_ended()
    else:
        await until_ended()
    return not are_running()

async def main():
    print("nobody", await ended())
    channel = await connected()
    print("open", await ended())
    await channel.close()
    del channel
    print("closed", await ended())

asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["waits", "awaits"])
def test_it_ends_when_they_have_or_when_none_does(how: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own text
        [sys.executable, "-c", SCRIPT, how],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["nobody True", "open False", "closed True"]
