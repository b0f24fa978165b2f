"""Laws of what is recalled by operators' parts: nobody can tell that no request was made.

The oracle is the same memory, asked with a request each time: the same questions at the same times,
between the same changes of rules, revocations, failures and renewals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final
from zlib import crc32

from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.attributes.bag import Bag, TrackedBag, plain_bag
from remixer.attributes.values import Duration, ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.foundation.errors import UnavailableError
from remixer.foundation.status import Code, Status
from remixer.frontends.envoy.ext_authz import ext_authz_methods
from remixer.mixer.outcome import CheckOutcome, QuotaOutcome, ReportOutcome
from remixer.mixer.request import CheckRequest
from remixer.runtime.stepping import run_to_end
from remixer.testing.changing_routes import ChangingRoutes
from remixer.testing.remembering import RememberingSide
from remixer.tiers.part_recall import PartRecall
from remixer.tiers.settings import CacheSettings
from remixer.transport.peer_trust import PeerTrust
from remixer.wire._pb.envoy.service.auth.v3.external_auth_pb2 import CheckRequest as Message
from remixer.wire.forwarded import encode_forwarded
from remixer.wire.forwarded_reader import ForwardedReader

KIND, DESTINATION, SOURCE = "context.reporter.kind", "destination.namespace", "source.namespace"
OWN, NUMBER, PATH = "own", "number", "request.path"
TEXTS: Final = {
    KIND: ["inbound", "outbound", "sideways"],
    DESTINATION: ["shop", "bank", ""],
    SOURCE: ["shop", "bank", "cafe"],
    OWN: ["", "a", "a\0b", "x" * 5_000],
    NUMBER: ["1", "2", "none"],
}
VOCABULARY: Final = Vocabulary({NUMBER: ValueType.INT64})
LIMITED: Final = "bank"
"""A quota applies there."""
_SECOND: Final = 1_000_000_000
EVENTS: Final = 120


def part_of(random: Random) -> dict[str, str]:
    names = random.sample([*TEXTS], random.randint(0, len(TEXTS)))
    return {name: random.choice(TEXTS[name]) for name in names}


def message_of(random: Random, part: Mapping[str, str]) -> bytes:
    message = Message()
    context = message.attributes
    context.context_extensions.update(part)
    context.request.http.path = random.choice(["/", "/a"])
    if random.random() < 0.3:
        context.source.principal = "spiffe://cluster.local/ns/shop/sa/web"
    if random.random() < 0.2:
        said = random.choice(["this", "that"])
        context.metadata_context.filter_metadata[OWN].update({"said": said})
    if random.random() < 0.2:
        header = encode_forwarded(plain_bag({"source.uid": random.choice("xy"), SOURCE: "bank"}))
        context.request.http.headers["x-istio-attributes"] = header
    return message.SerializeToString()


# ------------------------------------------------------------ rules


class Rules(ChangingRoutes):
    """As these, with quotas in one namespace."""

    def may_allocate(self, bag: Bag) -> bool:
        return self.table.route_for(bag).name == LIMITED


@dataclass(slots=True)
class Decider:
    """Reads what its namespace's rules read, and tells it all in its answer."""

    rules: Rules
    uses: int
    salt: int = 0
    failures: int = 0
    """That many calls fail from now on."""
    asked: int = 0
    granted: int = 0

    def check_now(self, request: CheckRequest) -> CheckOutcome | None:
        self.asked += 1
        if self.failures:
            self.failures -= 1
            wanted = "as the test wants it"
            raise UnavailableError(wanted)
        bag = TrackedBag(request.bag)
        route = self.rules.table.route_for(bag)
        told: list[object] = [route.name, self.salt]
        if route.name == "":
            told.append(bag[NUMBER])
        elif bag["absent"] is None and isinstance(own := bag[OWN], str):
            told += [own, bag[SOURCE]]
            if own == "a":
                told.append(bag[PATH])
        text = repr(told)[:100]
        code = Code.PERMISSION_DENIED if crc32(repr(told).encode()) % 3 == 0 else Code.OK
        life = Duration((5 + len(text) % 7) * _SECOND)
        outcome = CheckOutcome(Status(code, text), life, self.uses, bag.references())
        quotas = self.grant_now(request) if code is Code.OK else {}
        return outcome.with_quotas(quotas) if quotas else outcome

    async def check(self, request: CheckRequest) -> CheckOutcome:
        outcome = self.check_now(request)
        assert outcome is not None
        return outcome

    def grant_now(self, request: CheckRequest) -> Mapping[str, QuotaOutcome]:
        if not self.rules.may_allocate(request.bag):
            return {}
        self.granted += 1
        return {"limit": QuotaOutcome(1, Duration(_SECOND), frozenset())}

    async def grant(self, request: CheckRequest) -> Mapping[str, QuotaOutcome]:
        return self.grant_now(request)

    def report(self, _bags: Sequence[Bag]) -> ReportOutcome:
        return ReportOutcome()


class Side(RememberingSide):
    """One memory with all that is around it."""

    def __init__(
        self, *, uses: int, settings: CacheSettings, most: int, recalls: bool, renews: bool
    ) -> None:
        self.rules = Rules()
        self.decider = Decider(self.rules, uses)
        super().__init__(self.decider, policies=self.rules, settings=settings, renews=renews)
        recall = None
        if recalls:
            now_s = self.clock.monotonic_s
            recall = PartRecall(self.memory, policies=self.rules, now_s=now_s, most=most)
        self.recall = recall
        (method,) = ext_authz_methods(
            self.memory,
            vocabulary=lambda: VOCABULARY,
            forwarded=ForwardedReader(trust=PeerTrust.of(["10.0.0.0/8"])),
            recall=recall,
        )
        self.check = method.handle

    def told(self) -> tuple[object, ...]:
        return (*super().told(), self.decider.asked, self.decider.granted)


# ------------------------------------------------------------ what happens


def happen(random: Random, side: Side, messages: Sequence[bytes]) -> object:
    match random.choices(["ask", "pass", "change", "other"], [60, 4, 1, 2])[0]:
        case "ask":
            return side.ask(side.check, random.choice(messages))
        case "pass":
            side.clock.advance(random.choice([0.05, 1.0, 4.0]))
        case "change":
            change(random, side)
        case _:
            return other(random, side)
    return None


def other(random: Random, side: Side) -> object:
    match random.choice(["revoke all", "revoke a", "fail", "renew", "renew"]):
        case "revoke all":
            return run_to_end(side.memory.revoke())
        case "fail":
            side.decider.failures = 3
        case "renew":
            side.renew()
        case _:
            return side.memory.answers.forget(0, 100, lambda known: known.get(OWN) == "a")
    return None


def change(random: Random, side: Side) -> None:
    """New rules; for namespaces that are kept, equal ones."""
    kept = random.sample(["", "shop", "bank"], random.randint(0, 3))
    side.rules.change(kept=kept, unremembered=("shop",) if random.random() < 0.3 else ())
    if not kept:
        side.decider.salt += 1


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([-1, 1000, 40, 2, 0]), st.booleans())
def test_a_memory_that_recalls_by_parts_cannot_be_told_from_one_that_does_not(
    seed: int,
    uses: int,
    renews: bool,  # noqa: FBT001 - drawn
) -> None:
    random = Random(seed)  # lists of that many things are drawn too short otherwise
    parts = [part_of(random) for _ in range(2)]
    messages = [message_of(random, part) for part in parts for _ in range(4)]
    wanted = CacheSettings(max_shapes=random.randint(1, 3), max_places=random.choice([1, 2, 100]))
    most = random.choice([1, 100])
    recalling, asking = (
        Side(uses=uses, settings=wanted, most=most, recalls=recalls, renews=renews)
        for recalls in (True, False)
    )
    try:
        for number in range(EVENTS):
            found = happen(Random(seed + number), recalling, messages)
            assert found == happen(Random(seed + number), asking, messages), number
            assert recalling.told() == asking.told(), number
            assert recalling.recall is None or len(recalling.recall) <= most
    finally:
        recalling.close()
        asking.close()
