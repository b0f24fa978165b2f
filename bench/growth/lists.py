"""Longer lists in the list adapter: `python -m bench.growth.lists ENTRIES`, in a process of its own."""

import gc
import json
import os
import subprocess
import sys
import time

from bench.growth.point import Reading
from bench.h2load import resident_mb
from bench.measure import cpu_per_call
from remixer.adapters.listchecker.handler import ListChecker
from remixer.adapters.listchecker.params import Params
from remixer.templates.instances import ListEntry

ENTRIES = (1, 100, 10_000, 1_000_000)
MOST_ENTRIES = 10_000_000


def entries(count: int) -> list[Reading]:
    """Texts, without a server: what the adapter makes of them, and a look-up."""
    command = [sys.executable, "-m", "bench.growth.lists", str(count)]
    done = subprocess.run(command, capture_output=True, check=True)  # noqa: S603 - our own module
    return [Reading(*each) for each in json.loads(done.stdout)]


def _measured(count: int) -> list[tuple[str, str, float]]:
    texts = tuple(f"user-{number:08}" for number in range(count))
    gc.collect()
    before, begun = resident_mb(os.getpid()), time.process_time()
    checker = ListChecker(Params(overrides=texts), provider=None)
    built_s, added_mb = time.process_time() - begun, resident_mb(os.getpid()) - before
    found = ListEntry(name="i", value=texts[count // 2])
    absent = ListEntry(name="i", value="nobody")
    return [
        ("s", "CPU to build", built_s),
        ("MB", "beside its texts", max(added_mb, 0.0)),
        ("µs", "look-up, found", cpu_per_call(lambda: checker.check(found), rounds=3).minimum),
        ("µs", "look-up, absent", cpu_per_call(lambda: checker.check(absent), rounds=3).minimum),
    ]


if __name__ == "__main__":
    print(json.dumps(_measured(int(sys.argv[1]))))
