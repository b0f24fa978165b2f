"""`python -m bench.cache`: what remembering answers costs. CPU, memory, longest pause.

The hit is of a request with 25 attributes, of which the answer depends on five and a header. The
garbage collector stays on, as in the server.
"""

import argparse
import asyncio
import gc
import resource
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from rich.console import Console
from rich.table import Table

from bench.bodies.recording import bag_of, read
from bench.in_process import engine_on
from bench.measure import Figure, cpu_per_call
from remixer.attributes.bag import Bag, Condition, PlainBag, Reference
from remixer.attributes.values import Duration, PlainStringMap
from remixer.foundation.clock import SystemClock
from remixer.foundation.status import OK
from remixer.mixer.outcome import CheckOutcome, QuotaOutcome, ReportOutcome
from remixer.mixer.port import Mixer
from remixer.mixer.request import CheckRequest
from remixer.tiers.cached import CachedMixer
from remixer.tiers.settings import CacheSettings

ENTRIES = 1_000_000
CHURN = 1_000_000
_NS_PER_S = 1_000_000_000
_READ = (
    "destination.namespace",
    "destination.service.name",
    "context.protocol",
    "request.method",
    "source.user",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One figure. `goal` None: none stated."""

    name: str
    figure: str
    goal: str = ""


class AlwaysOk:
    """A Mixer whose answer depends on five attributes and a header; costs nothing."""

    def __init__(self) -> None:
        references = {Reference(name, None, Condition.EXACT) for name in _READ}
        references.add(Reference("request.headers", "x-user", Condition.EXACT))
        self.outcome = CheckOutcome(OK, Duration(3600 * _NS_PER_S), -1, frozenset(references))

    def check_now(self, _request: CheckRequest) -> CheckOutcome | None:
        return self.outcome

    async def check(self, _request: CheckRequest) -> CheckOutcome:
        return self.outcome

    def grant_now(self, _request: CheckRequest) -> Mapping[str, QuotaOutcome] | None:
        return {}

    async def grant(self, _request: CheckRequest) -> Mapping[str, QuotaOutcome]:
        return {}

    def report(self, _bags: Sequence[Bag]) -> ReportOutcome:
        return ReportOutcome()


class OnePlace:
    """The same rules for all requests."""

    def place_of(self, _bag: Bag) -> tuple[str, object]:
        return "", self


def remembering(inner: Mixer, policies: OnePlace | None = None, **changed: float) -> CachedMixer:
    settings = replace(CacheSettings(), **changed)  # type: ignore[arg-type] # numbers all
    return CachedMixer(
        inner,
        settings=settings,
        policies=policies or OnePlace(),
        clock=SystemClock(),
        random=Random(5),  # noqa: S311 - spreads expiry
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.cache", description=__doc__)
    parser.add_argument("--entries", type=int, default=ENTRIES)
    entries: int = parser.parse_args().entries
    table = Table("cache in process", "figure", "goal")
    lines = [*asyncio.run(_cost_lines()), *_size_lines(entries)]
    for line in lines:
        table.add_row(line.name, line.figure, line.goal)
    Console().print(table)
    return 0


# ------------------------------------------------------------ cost of a call


async def _cost_lines() -> list[Line]:
    bag = bag_of(read("check-25"))
    request = CheckRequest(bag)
    kept = replace(request, keeps_answer=True)
    lines: list[Line] = []
    async with engine_on("allow") as engine:
        cached = CachedMixer(
            engine,
            settings=CacheSettings(),
            policies=engine,
            clock=SystemClock(),
            random=Random(5),  # noqa: S311 - spreads expiry
        )
        cached.check_now(request)
        hit = cpu_per_call(lambda: cached.check_now(request))
        lines.append(_cost("hit, 25 attributes", hit, "≤ 4 µs"))
        assert cached.counts.misses * 1_000 < cached.counts.hits  # uses run out now and then
        keeping = cpu_per_call(lambda: cached.check_now(kept))
        lines.append(_cost("the same for callers that keep answers", keeping))
        plain = cpu_per_call(lambda: engine.check_now(request))
        lines.append(_cost("the engine alone", plain))
        missing = CachedMixer(
            engine,
            settings=replace(CacheSettings(), max_age_s=1e-9, stale_for_s=0.0),
            policies=engine,
            clock=SystemClock(),
            random=Random(5),  # noqa: S311 - spreads expiry
        )
        missed = cpu_per_call(lambda: missing.check_now(request))
        assert missing.counts.hits == 0
        lines.append(_cost("a miss with all that is learned from it", missed))
        above = missed.minimum - plain.minimum, missed.median - plain.median
        lines.append(Line("a miss above the engine", f"{above[0]:.2f} to {above[1]:.2f} µs"))
    return lines


def _cost(name: str, figure: Figure, goal: str = "") -> Line:
    return Line(name, f"{figure.minimum:.2f} µs least, {figure.median:.2f} µs median of 7", goal)


# ------------------------------------------------------------ a million entries


def _requests(count: int, *, first: int = 0) -> Iterator[CheckRequest]:
    bag = bag_of(read("check-25"))
    for number in range(first, first + count):
        own = PlainBag(bag)
        own["source.user"] = f"cluster.local/ns/team-{number % 997}/sa/service-{number}"
        own["request.headers"] = PlainStringMap({"x-user": f"user-{number % 50_021}"})
        yield CheckRequest(own)


def _size_lines(entries: int) -> Iterator[Line]:
    cached = remembering(AlwaysOk(), max_entries=entries, max_bytes=1 << 34)
    gc.collect()
    empty_ms = _collection_ms()
    before = _resident_bytes()
    fill_pauses, fill_us = _longest(cached, _requests(entries))
    assert len(cached.answers.table) == entries
    taken = _resident_bytes() - before
    estimated = cached.answers.table.bytes
    yield Line(f"bytes per entry of {entries:,}", f"{taken / entries:.0f}", "≤ 500")
    yield Line("bytes per entry, as the table counts", f"{estimated / entries:.0f}")
    yield Line("longest call while filling", fill_pauses)
    churn_pauses, churn_us = _longest(cached, _requests(CHURN, first=entries))
    assert len(cached.answers.table) == entries
    yield Line(f"longest call in {CHURN:,} evictions", churn_pauses, "≤ 10 ms")
    yield Line("a miss while filling / evicting", f"{fill_us:.1f} / {churn_us:.1f} µs")
    yield Line(
        "a full collection, of that without entries", f"{_collection_ms():.0f}, {empty_ms:.0f} ms"
    )


def _longest(cached: CachedMixer, requests: Iterator[CheckRequest]) -> tuple[str, float]:
    """The longest calls, collections among them; and the mean.

    CPU time: what other programs of the machine take is no pause of ours.
    """
    spans: list[float] = []
    count, total = 0, 0.0
    for request in requests:
        begun = time.thread_time()
        cached.check_now(request)
        span = time.thread_time() - begun
        count += 1
        total += span
        if span > 1e-3:
            spans.append(span)
    worst = sorted(spans, reverse=True)[:3]
    text = ", ".join(f"{span * 1e3:.1f}" for span in worst) or "< 1"
    return f"{text} ms", total / count * 1e6


def _collection_ms() -> float:
    begun = time.thread_time()
    gc.collect()
    return (time.thread_time() - begun) * 1e3


def _resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    sys.exit(main())
