"""Instances around a shared cache, in virtual time: each with an inner Mixer that counts.

async with Mesh() as mesh:
    one, two = await mesh.instance(), await mesh.instance()
    await one.ask(user="eve")
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from remixer.attributes.bag import Bag, Reference, TrackedBag, plain_bag
from remixer.attributes.values import Duration, Value
from remixer.drivers.key_values import KeyValues, Notices
from remixer.foundation.clock import Clock
from remixer.foundation.status import OK, Status
from remixer.mixer.outcome import REPORTED, CheckOutcome, Decision, QuotaOutcome, ReportOutcome
from remixer.mixer.request import CheckRequest, QuotaArgs
from remixer.testing.clock import clock_of_running_loop
from remixer.testing.key_values import FakeKeyValues
from remixer.tiers.shared.mixer import SharedMixer
from remixer.tiers.shared.opening import SharedTier
from remixer.tiers.shared.revocations import BadRevocationError, Matches
from remixer.tiers.shared.seal import Seal
from remixer.tiers.shared.settings import SharedSettings

_NS_PER_S: Final = 1_000_000_000


class CountingMixer:
    """Decides by the attributes `reads`: denies if one of them is "bad". Waits `delay_s`."""

    def __init__(self, *, reads: Sequence[str] = ("user",)) -> None:
        self.reads = reads
        self.life_s = 60.0
        self.uses = -1
        self.delay_s = 0.0
        self.is_quick = False
        self.failure: Exception | None = None
        self.change: Callable[[CheckOutcome], CheckOutcome] = lambda outcome: outcome
        """What becomes of an answer before it is given."""
        self.asked: list[Mapping[str, Value | None]] = []
        self.asked_now = 0
        self.granted = 0

    def check_now(self, request: CheckRequest) -> CheckOutcome | None:
        self.asked_now += 1
        return self._decide(request.bag) if self.is_quick else None

    async def check(self, request: CheckRequest) -> CheckOutcome:
        await asyncio.sleep(self.delay_s)
        return self._decide(request.bag)

    def grant_now(self, request: CheckRequest) -> Mapping[str, QuotaOutcome] | None:  # noqa: ARG002 - the port's
        return None

    async def grant(self, request: CheckRequest) -> Mapping[str, QuotaOutcome]:
        self.granted += 1
        assert isinstance(request.quotas, Mapping)  # noqa: S101 - tells the test's author
        return {name: QuotaOutcome(1, Duration(0), frozenset()) for name in request.quotas}

    def report(self, bags: Sequence[Bag]) -> ReportOutcome:  # noqa: ARG002 - the port's
        return REPORTED

    def _decide(self, bag: Bag) -> CheckOutcome:
        tracked = TrackedBag(bag)
        read = {name: tracked[name] for name in self.reads}
        self.asked.append(read)
        if self.failure is not None:
            raise self.failure
        status = Status(7, "no") if "bad" in read.values() else OK
        outcome = CheckOutcome(
            status=status,
            valid_duration=Duration(int(self.life_s * _NS_PER_S)),
            valid_use_count=self.uses,
            references=tracked.references(),
            decisions=(Decision("r.rule.shop", "h.shop", "i.listentry.shop", status),),
        )
        return self.change(outcome)


@dataclass(slots=True)
class Rules:
    """The same for all requests."""

    signature: bytes | None = b"rules of a shop!"

    def signature_of(self, bag: Bag) -> bytes | None:  # noqa: ARG002 - the port's
        return self.signature


@dataclass(slots=True)
class Instance:
    """One process."""

    mixer: SharedMixer
    tier: SharedTier
    inner: CountingMixer
    rules: Rules

    async def ask(self, *, renews: bool = False, **attributes: Value) -> CheckOutcome:
        """One check, and whatever is written behind it."""
        request = CheckRequest(plain_bag(attributes), is_renewal=renews)
        outcome = await self.mixer.check(request)
        await _settle()
        return outcome

    async def ask_with_quota(self, **attributes: Value) -> CheckOutcome:
        quotas = {"rate": QuotaArgs()}
        return await self.mixer.check(CheckRequest(plain_bag(attributes), quotas=quotas))


async def _settle() -> None:
    """Some turns of the loop, in which no time passes."""
    for _ in range(10):
        await asyncio.sleep(0)


def user_is(text: str) -> Matches:
    """Conditions of tests: `user=NAME`; others are none."""
    name, equals, value = text.partition("=")
    if not equals:
        message = f"`{text}` is no condition"
        raise BadRevocationError(message)
    return lambda values: values.get(name) == value


@dataclass(slots=True)
class _Skewed:
    """A clock whose wall is off."""

    clock: Clock
    off_ns: int

    def unix_ns(self) -> int:
        return self.clock.unix_ns() + self.off_ns

    def monotonic_s(self) -> float:
        return self.clock.monotonic_s()


@dataclass(slots=True)
class Mesh:
    """Some instances and what they share."""

    settings: SharedSettings = field(default_factory=SharedSettings)
    stores: dict[str, FakeKeyValues] = field(default_factory=dict)
    group: asyncio.TaskGroup = field(default_factory=asyncio.TaskGroup)
    running: list[asyncio.Task[None]] = field(default_factory=list)
    instances: list[Instance] = field(default_factory=list)

    @property
    def store(self) -> FakeKeyValues:
        """The only one, or the first."""
        return next(iter(self.stores.values()))

    async def instance(
        self,
        *,
        reads: Sequence[str] = ("user",),
        secrets: Sequence[bytes] = (),
        skew_s: float = 0.0,
        settings: SharedSettings | None = None,
        is_polling: bool = False,
        stores: Mapping[str, KeyValues] | None = None,
    ) -> Instance:
        """A started one. `is_polling`: it hears no notices."""
        clock = _Skewed(clock_of_running_loop(), int(skew_s * _NS_PER_S))
        notices: Notices | None = None if is_polling else self.store
        tier = SharedTier(
            self.stores if stores is None else stores,
            settings=settings or self.settings,
            clock=clock,
            background=self.group.create_task,
            notices=notices,
            compile_text=user_is,
        )
        tier.use_seal(Seal(secrets))
        inner, rules = CountingMixer(reads=reads), Rules()
        instance = Instance(tier.around(inner, policies=rules), tier, inner, rules)
        await tier.start()
        self.running.append(self.group.create_task(tier.run()))
        self.instances.append(instance)
        await _settle()
        return instance

    async def __aenter__(self) -> Self:
        if not self.stores:
            self.stores["one"] = FakeKeyValues(clock=clock_of_running_loop())
        await self.group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self.running:
            task.cancel()
        if self.running:
            await asyncio.wait(self.running)
        if error is None:
            for instance in self.instances:
                await instance.tier.aclose()
        await self.group.__aexit__(kind, error, trace)


def references(*names: str) -> frozenset[Reference]:
    """Of attributes that are present."""
    bag = TrackedBag(plain_bag(dict.fromkeys(names, "x")))
    for name in names:
        bag[name]
    return bag.references()
