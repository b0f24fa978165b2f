"""Requests through Envoys: the same to each, due when the plan says, however slow answers are."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Final

import aiohttp

from remixer.cli.lab.backend import USER_HEADER, is_welcome
from remixer.cli.lab.tally import Sample
from remixer.foundation.clock import Clock
from remixer.transport.addresses import TcpAddress

_TIMEOUT_S: Final = 10.0
_OK: Final = 200
_FORBIDDEN: Final = 403
_USERS: Final = 300


@dataclass(frozen=True, slots=True)
class Planned:
    """One request."""

    at_s: float
    user: str

    @property
    def wanted(self) -> int:
        return _OK if is_welcome(self.user) else _FORBIDDEN


def plan(*, seed: int, total_s: float, rate: float, strangers: float) -> tuple[Planned, ...]:
    """`rate` requests a second as they come by chance, of users of whom few ask much (Zipf).

    A part, `strangers`, is of users who ask for the first time: nobody can know them.
    """
    return tuple(_planned(Random(seed), total_s, rate, strangers))  # noqa: S311 - an experiment


def acquaintance(*, rate: float) -> tuple[Planned, ...]:
    """Each user who is no stranger once.

    In the good time that is not lived between outages each of them would have asked many times.
    """
    return tuple(Planned(number / rate, f"user-{number}") for number in range(_USERS))


def _planned(random: Random, total_s: float, rate: float, strangers: float) -> Iterator[Planned]:
    weights = list(accumulate(1 / rank for rank in range(1, _USERS + 1)))
    at_s, number = 0.0, 0
    while (at_s := at_s + random.expovariate(rate)) < total_s:
        number += 1
        if random.random() < strangers:
            yield Planned(at_s, f"stranger-{number}")
        else:
            (user,) = random.choices(range(_USERS), cum_weights=weights)
            yield Planned(at_s, f"user-{user}")


async def send_all(planned: Sequence[Planned], envoy: TcpAddress, *, clock: Clock) -> list[Sample]:
    """Each at its time; the samples in order of their ends."""
    samples: list[Sample] = []
    began_s = clock.monotonic_s()
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
        asyncio.TaskGroup() as group,
    ):
        for each in planned:
            wait_s = each.at_s - (clock.monotonic_s() - began_s)
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            group.create_task(_send(each, session, envoy, clock, began_s, samples))
    return samples


async def _send(
    planned: Planned,
    session: aiohttp.ClientSession,
    envoy: TcpAddress,
    clock: Clock,
    began_s: float,
    samples: list[Sample],
) -> None:
    try:
        headers = {USER_HEADER: planned.user}
        async with session.get(f"http://{envoy}/", headers=headers) as response:
            await response.read()
            status = response.status
    except (aiohttp.ClientError, TimeoutError):
        status = 0
    latency_s = clock.monotonic_s() - began_s - planned.at_s
    samples.append(Sample(planned.at_s, latency_s, status, planned.wanted))
