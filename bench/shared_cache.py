"""`python -m bench.shared_cache`: what a hit in the shared cache costs this process.

All rows are of one run against one Valkey server on a socket file, in CPU time of this process per
key: the client's own pipelined GET, then checks that the shared tier answers, as many at a time.
A check is a task, with and without a shared cache; "net" is without it.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from bench.measure import Figure
from remixer.attributes.bag import Bag, plain_bag
from remixer.foundation.clock import SystemClock
from remixer.mixer.outcome import CheckOutcome, Provenance
from remixer.mixer.request import CheckRequest
from remixer.testing.shared_cache import CountingMixer, Rules
from remixer.testing.valkey import ValkeyProcess
from remixer.tiers.shared.mixer import SharedMixer
from remixer.tiers.shared.opening import open_shared_cache
from remixer.tiers.shared.seal import Seal
from remixer.tiers.shared.settings import SharedSettings

AT_A_TIME = 100
ROUNDS = 9
BATCHES = 25
"""Less than an answer has readers: counters are taken away between the rounds."""
GOAL = 2.0


def main() -> int:
    """Measure and print; 0 unless something else than hits was measured."""
    with tempfile.TemporaryDirectory() as folder, ValkeyProcess(Path(folder)) as valkey:
        rows = uvloop.run(_rows(valkey))
    console = Console()
    title = f"CPU µs of this process per key, {AT_A_TIME} at a time"
    table = Table("", "median", "min", "max", "ratio", "net ratio", title=title)
    base, task = rows[0][1].median, rows[-1][1].median
    worst = 0.0
    for name, figure in rows:
        values = (figure.median, figure.minimum, figure.maximum)
        net = (figure.median - task) / base if name.startswith("shared hit") else None
        worst = max(worst, net or 0.0)
        texts = [f"{each:.2f}" for each in (*values, figure.median / base)]
        table.add_row(name, *texts, "" if net is None else f"{net:.2f}")
    console.print(table)
    is_met = worst <= GOAL
    console.print(f"goal: a hit ≤ {GOAL:g} pipelined GETs, net: {'met' if is_met else 'missed'}")
    return 0


async def _rows(valkey: ValkeyProcess) -> list[tuple[str, Figure]]:
    client = await _client(valkey)
    try:
        keys = [b"key-%d" % number for number in range(AT_A_TIME)]
        for key in keys:
            await client.set(key, b"x" * 150)

        async def pipelined() -> None:
            pipeline = client.pipeline(transaction=False)
            for key in keys:
                pipeline.get(key)
            await pipeline.execute()

        async def at_once() -> None:
            await client.mget(keys)

        rows = [
            ("client: pipelined GET", await _measured(pipelined)),
            ("client: MGET", await _measured(at_once)),
        ]
        for name, uses, secrets in (
            ("shared hit, unlimited uses", -1, ()),
            ("shared hit, counted uses", 1 << 40, ()),
            ("shared hit, counted uses, MAC", 1 << 40, (b"a secret of sixteen or more",)),
        ):
            rows.append((name, await _hits(valkey, uses=uses, secrets=secrets)))
        rows.append(("a task for each check, and nothing in it", await _inner()))
        return rows
    finally:
        await client.aclose()


async def _client(valkey: ValkeyProcess):  # type: ignore[no-untyped-def] # noqa: ANN202 - redis-py's own
    from redis.asyncio import Redis  # noqa: PLC0415 - an optional extra

    return Redis(unix_socket_path=str(valkey.socket_path), protocol=2)


def _requests() -> list[CheckRequest]:
    return [
        CheckRequest(
            plain_bag(
                {
                    "user": f"user-{number}",
                    "destination.service": "reviews.shop.svc.cluster.local",
                    "request.method": "GET",
                    "request.path": "/reviews/1",
                }
            )
        )
        for number in range(AT_A_TIME)
    ]


async def _hits(valkey: ValkeyProcess, *, uses: int, secrets: tuple[bytes, ...]) -> Figure:
    """Each check reads four attributes; each finds its answer in the shared cache."""
    async with asyncio.TaskGroup() as group:
        tier = open_shared_cache(
            valkey.url,
            # A budget that no hiccup of a busy machine exceeds: this measures CPU alone.
            settings=SharedSettings(scope=f"{uses} {len(secrets)}", budget_s=0.5, refresh_at=1.0),
            clock=SystemClock(),
            background=group.create_task,
        )
        tier.use_seal(Seal(secrets))
        await tier.start()
        inner = CountingMixer(
            reads=("user", "destination.service", "request.method", "request.path")
        )
        inner.uses, inner.life_s = uses, 3_600.0
        mixer = tier.around(inner, policies=Rules())
        requests = _requests()
        await _checked(mixer, requests)
        await asyncio.sleep(0.2)  # until it is written

        async def hits() -> None:
            outcomes = await _checked(mixer, requests)
            assert all(each.provenance is Provenance.SHARED for each in outcomes), mixer.counts

        figure = await _measured(hits, before=lambda: _forget_counters(valkey))
        await tier.aclose()
    return figure


async def _forget_counters(valkey: ValkeyProcess) -> None:
    client = await _client(valkey)
    counters = await client.keys("rx1:*:*:*")
    if counters:
        await client.delete(*counters)
    await client.aclose()


async def _inner() -> Figure:
    """A task for each check, which the rows of hits contain, too."""
    requests = _requests()

    async def checks() -> None:
        await asyncio.gather(*(_asked(request.bag) for request in requests))

    return await _measured(checks)


async def _asked(bag: Bag) -> str:
    return str(bag["user"])


async def _checked(mixer: SharedMixer, requests: list[CheckRequest]) -> list[CheckOutcome]:
    return await asyncio.gather(*map(mixer.check, requests))


async def _nothing() -> None:
    """Before a round."""


async def _measured(
    batch: Callable[[], Awaitable[None]], *, before: Callable[[], Awaitable[None]] = _nothing
) -> Figure:
    await batch()
    samples: list[float] = []
    for _ in range(ROUNDS):
        await before()
        begun = time.process_time_ns()
        for _ in range(BATCHES):
            await batch()
        samples.append((time.process_time_ns() - begun) / 1e3 / BATCHES / AT_A_TIME)
    return Figure.of(samples)


if __name__ == "__main__":
    raise SystemExit(main())
