"""Batches on their way to handlers: breakers, and answers that nobody asked for."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from remixer.foundation.breaker import Breaker, BreakerLimits, BreakerState
from remixer.runtime.guard import Guard
from remixer.runtime.metrics import NoMetrics
from remixer.runtime.report_delivery import Delivery
from remixer.testing.clock import VirtualClock
from remixer.testing.engine import running_engine
from remixer.testing.scripted import Journal, scripted_adapters
from remixer.testing.texts import EVENT, VOCABULARY, action, handler, rule

TEXT = VOCABULARY + handler("log") + EVENT + rule("r", action("log", "event"))


@dataclass(slots=True)
class Told(NoMetrics):
    """Of each call, what metrics call it, whether it failed, and how long it took."""

    calls: list[object] = field(default_factory=list)

    def dispatched(
        self, *, template: str, handler: str, adapter: str, error: bool, seconds: float
    ) -> None:
        self.calls.append((handler, template, adapter, error, seconds))


async def errors_of(
    method: Callable[[list[object]], object],
    *,
    told: Told,
    times: int = 1,
    breaker: Breaker | None = None,
) -> list[str]:
    """What is said of batches for a handler that takes them by `method`."""
    errors: list[str] = []
    async with running_engine({"a": TEXT}, adapters=scripted_adapters(Journal())) as running:
        (step,) = running.engine.generation.routes.by_namespace["shop"].report
        (target,) = step.targets
        entry = replace(target.entry, method=method, breaker=breaker)
        guard = Guard(clock=VirtualClock(), metrics=told, adapter_timeout_s=1.0)
        delivery = Delivery(replace(target, entry=entry), guard)
        for number in range(times):
            delivery.deliver([number], errors)
    return errors


def breaker_after(failures: int) -> Breaker:
    return Breaker(BreakerLimits(failures_in_a_row=failures, calls_in_window=1_000))


async def test_a_breaker_keeps_batches_from_a_handler_that_fails() -> None:
    taken: list[object] = []

    def fail(instances: list[object]) -> None:
        taken.append(instances)
        message = "no route"
        raise OSError(message)

    told, breaker = Told(), breaker_after(2)
    errors = await errors_of(fail, told=told, times=3, breaker=breaker)
    assert taken == [[0], [1]]
    assert errors[:2] == ["log.shop: no route"] * 2
    assert errors[2].startswith("log.shop: not asked")
    assert told.calls == [("log.handler.shop", "reportnothing", "scripted", True, 0.0)] * 2
    assert breaker.state is BreakerState.OPEN


@pytest.mark.parametrize("answer", [None, 7, "done"])
@pytest.mark.parametrize("is_watched", [True, False])
async def test_whatever_a_handler_answers_is_no_failure(
    answer: object, *, is_watched: bool
) -> None:
    taken: list[object] = []

    def take(instances: list[object]) -> object:
        taken.append(instances)
        return answer

    told, breaker = Told(), breaker_after(1) if is_watched else None
    assert await errors_of(take, told=told, times=2, breaker=breaker) == []
    assert taken == [[0], [1]]
    assert told.calls == [("log.handler.shop", "reportnothing", "scripted", False, 0.0)] * 2
