"""The library of clients, in this process: how often it asks the Mixer, and what it costs."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from remixer.attributes.bag import PlainBag, plain_bag
from remixer.attributes.values import Duration
from remixer.cli.lab.guests import NAMESPACE, USER_HEADER, user_name, wanted_status
from remixer.embedded import Remixer
from remixer.foundation.clock import Clock
from remixer.mixer.request import CheckRequest
from remixer.sidecar.client import MixerClient

_TURN: Final = 200  # checks, then others may work: reports are sent, answers renewed
_STEPS: Final = 10  # of which the person in front is told
_PATIENCE_S: Final = 60.0
_LOOK_S: Final = 0.05
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class LibraryRun:
    """Checks and reports of one run, and what reached the Mixer of them."""

    checks: int
    wrong: int
    check_calls: int
    report_calls: int
    hits: int
    records_sent: int
    cpu_us: float
    """For a check and its report, the sending included."""

    @property
    def check_calls_per_1000(self) -> float:
        return self.check_calls / self.checks * 1_000

    @property
    def report_calls_per_1000(self) -> float:
        return self.report_calls / self.checks * 1_000


async def run_library(
    address: str, *, checks: int, keys: int, seed: int, clock: Clock, tell: Callable[[str], None]
) -> LibraryRun:
    """So many checks of requests by `keys` users, evenly; each request is reported."""
    random = Random(seed)  # noqa: S311 - an experiment
    users = [user_name(number) for number in range(keys)]
    asked = [CheckRequest(_checked(user)) for user in users]
    reported = [(_reported(user),) for user in users]
    wanted = [wanted_status(user) == _OK for user in users]
    async with Remixer.remote(address) as client:
        port = client.port
        wrong = 0
        begun_ns = time.process_time_ns()
        for number in range(checks):
            user = random.randrange(keys)
            outcome = port.check_now(asked[user]) or await port.check(asked[user])
            wrong += outcome.status.is_ok is not wanted[user]
            port.report(reported[user])
            if number % _TURN == 0:
                await asyncio.sleep(0)
            if number % (checks // _STEPS or 1) == 0:
                tell(f"in this process: {number:,} of {checks:,} checks")
        await _all_sent(client, checks, clock=clock)
        cpu_us = (time.process_time_ns() - begun_ns) / 1e3 / checks
        found = client.statistics()
    return LibraryRun(
        checks=checks,
        wrong=wrong,
        check_calls=found["total_remote_calls"],
        report_calls=found["total_remote_report_calls"],
        hits=found["total_check_cache_hits"],
        records_sent=found["total_report_records_sent"],
        cpu_us=cpu_us,
    )


async def _all_sent(client: MixerClient, checks: int, *, clock: Clock) -> None:
    until_s = clock.monotonic_s() + _PATIENCE_S
    while clock.monotonic_s() < until_s:
        if client.statistics()["total_report_records_sent"] >= checks:
            return
        await asyncio.sleep(_LOOK_S)


def _checked(user: str) -> PlainBag:
    return plain_bag(
        {
            "context.protocol": "http",
            "context.reporter.kind": "inbound",
            "destination.namespace": NAMESPACE,
            "request.headers": {USER_HEADER: user},
            "request.method": "GET",
            "request.path": "/",
        }
    )


def _reported(user: str) -> PlainBag:
    return PlainBag(
        {
            **_checked(user),
            "response.code": wanted_status(user),
            "response.duration": Duration(1_000_000),
            "response.size": 8,
        }
    )
