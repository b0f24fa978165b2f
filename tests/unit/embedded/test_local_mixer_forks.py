"""A Mixer inside an application that forks: its child decides by itself."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import asyncio, os, sys
from remixer.attributes.bag import plain_bag
from remixer.embedded import Remixer
from remixer.mixer.request import CheckRequest

mixer = Remixer.local(sys.argv[1])

async def decided():
    await mixer.start()
    outcome = await mixer.port.check(CheckRequest(plain_bag({"user": "ann"})))
    return outcome.status.code

async def main():
    print("parent", await decided(), flush=True)
    pid = os.fork()
    if not pid:
        asyncio.events._set_running_loop(None)
        try:
            try:
                mixer.port
            except Exception as error:
                print("child", type(error).__name__, flush=True)
            print("child", asyncio.new_event_loop().run_until_complete(decided()), flush=True)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    print("parent", await decided(), flush=True)
    await mixer.aclose()

asyncio.run(main())
"""


def test_a_child_starts_afresh_and_the_parent_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout.splitlines() == ["parent 0", "child InternalError", "child 0", "parent 0"]
