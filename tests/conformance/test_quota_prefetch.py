"""The tables of what clients ask for ahead: step by step, and how far from the limit they end."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from remixer.tiers.quota_pool import PoolSettings, Prefetch, QuotaPool


def table(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(Path(__file__).with_name(name).read_text("utf-8"))
    return found


STEPS = table("quota_prefetch.yaml")["cases"]
ACCURACY = table("quota_prefetch_accuracy.yaml")
LIFE_MS = 60_000


def test_no_two_cases_are_called_alike_and_there_are_enough() -> None:
    for cases, least in ((STEPS, 14), (ACCURACY["cases"], 8)):
        assert len({case["note"] for case in cases}) == len(cases) >= least
    assert sum(len(case["errors"]) for case in ACCURACY["cases"]) == 40


# ------------------------------------------------------------ step by step


@pytest.mark.parametrize(
    "case", [case for case in STEPS if "steps" in case], ids=lambda c: c["note"]
)
def test_steps(case: dict[str, Any]) -> None:
    pool = QuotaPool(PoolSettings(), now_ms=0)
    under_way: deque[Prefetch] = deque()
    for step in case["steps"]:
        now_ms = step["at"]
        if "draw" in step:
            best_effort = step.get("best_effort", False)
            draw = pool.draw(step["draw"], best_effort=best_effort, now_ms=now_ms)
            assert draw.granted == step.get("gets", step["draw"]), step
            asked = None if draw.prefetch is None else draw.prefetch.size
            assert asked == step.get("asks"), step
            if draw.prefetch is not None:
                assert (draw.prefetch.lent is not None) is step["lent"], step
                under_way.append(draw.prefetch)
        elif "answer" in step:
            life_ms = step.get("life", 0)
            pool.answered(under_way.popleft(), step["answer"], life_ms=life_ms, now_ms=now_ms)
        assert pool.available(now_ms=now_ms) == step.get("left", pool.available(now_ms=now_ms)), (
            step
        )
        assert pool.is_open is step.get("open", pool.is_open), step
        assert pool.in_flight == len(under_way)


@pytest.mark.parametrize(
    "case", [case for case in STEPS if "calls" in case], ids=lambda c: c["note"]
)
def test_calls_in_a_row(case: dict[str, Any]) -> None:
    calls = case["calls"]
    pool = QuotaPool(PoolSettings(), now_ms=0)
    budget = calls.get("budget", 1_000_000)
    prefetches: dict[int, int] = {}
    refused: list[int] = []
    now_ms = 0
    for number in range(1, calls["count"] + 1):
        now_ms = (number - 1) * calls["every_ms"]
        draw = pool.draw(1, now_ms=now_ms)
        if not draw.granted:
            refused.append(number)
        if draw.prefetch is not None:
            prefetches[number] = draw.prefetch.size
            granted = min(budget, draw.prefetch.size)
            budget -= granted
            pool.answered(draw.prefetch, granted, life_ms=calls["life_ms"], now_ms=now_ms + 1)
    assert prefetches == case["prefetches"]
    first_and_last = case["refused"]
    assert refused == (list(range(first_and_last[0], first_and_last[1] + 1)) if refused else [])
    assert bool(refused) is bool(first_and_last)
    assert (pool.available(now_ms=now_ms), pool.is_open) == (case["left"], case["open"])


# ------------------------------------------------------------ how far from the limit


@dataclass(slots=True)
class Rolling:
    """All is there again at the first call after the window has ended."""

    limit: int
    window_ms: int
    left: int = 0
    ends_ms: int = 0

    def grant(self, amount: int, *, now_ms: int) -> tuple[int, int]:
        """Tokens, and how long they last."""
        if now_ms >= self.ends_ms:
            self.left, self.ends_ms = self.limit, now_ms + self.window_ms
        granted = min(amount, self.left)
        self.left -= granted
        return granted, self.ends_ms - now_ms


@dataclass(slots=True)
class Refilled:
    """Whole tokens come back as time goes; parts of one between two calls are lost."""

    limit: int
    window_ms: int
    left: int = field(init=False)
    seen_ms: int = 0

    def __post_init__(self) -> None:
        self.left = self.limit

    def grant(self, amount: int, *, now_ms: int) -> tuple[int, int]:
        """Tokens, and how long they last."""
        back = (now_ms - self.seen_ms) * self.limit // self.window_ms
        self.left, self.seen_ms = min(self.limit, self.left + back), now_ms
        granted = min(amount, self.left)
        self.left -= granted
        return granted, self.window_ms


@dataclass(slots=True)
class Simulation:
    """One server, a pool per client, and answers under way."""

    server: Rolling | Refilled
    pools: list[QuotaPool]
    due: deque[tuple[int, QuotaPool, Prefetch, int, int]] = field(default_factory=deque)

    def passes(self, client: int, *, now_ms: int) -> bool:
        """A request, then the answers that are due."""
        pool = self.pools[client]
        draw = pool.draw(1, now_ms=now_ms)
        if draw.prefetch is not None:
            granted, life_ms = self.server.grant(draw.prefetch.size, now_ms=now_ms)
            at_ms = now_ms + ACCURACY["answer_after_ms"]
            self.due.append((at_ms, pool, draw.prefetch, granted, life_ms))
        while self.due and self.due[0][0] <= now_ms:
            _, asker, prefetch, granted, life_ms = self.due.popleft()
            asker.answered(prefetch, granted, life_ms=life_ms, now_ms=now_ms)
        return draw.granted > 0

    def phase(self, traffic: int, *, begin_ms: int, every_ms: int) -> int:
        """How many of so many requests pass."""
        shares = [traffic] if len(self.pools) == 1 else [traffic * 3 // 4, traffic // 4]
        done = [0] * len(shares)
        passed = 0
        for number in range(sum(shares)):
            is_first = len(shares) == 1 or done[0] * shares[1] <= done[1] * shares[0]
            client = 0 if is_first else 1
            done[client] += 1
            passed += self.passes(client, now_ms=begin_ms + number * every_ms)
        return passed


@pytest.mark.parametrize("case", ACCURACY["cases"], ids=lambda case: case["note"])
def test_accuracy(case: Mapping[str, Any]) -> None:
    size = ACCURACY[case["limit"]]
    limit, window_ms, windows = size["limit"], size["window_ms"], ACCURACY["windows"]
    kind = {"rolling": Rolling, "time": Refilled}[case["server"]]
    pools = [QuotaPool(PoolSettings(), now_ms=0) for _ in range(case["clients"])]
    simulation = Simulation(kind(limit, window_ms), pools)
    errors: list[float] = []
    for index, rate in enumerate(size["rates"]):
        traffic, length_ms = windows * rate, windows * window_ms
        passed = simulation.phase(
            traffic, begin_ms=index * length_ms, every_ms=length_ms // traffic
        )
        expected = min(windows * limit, traffic)
        errors.append(round(abs(passed - expected) / expected, 4))
    assert errors == case["errors"]
