"""Laws of what is recalled by layout and words: nobody can tell that no request was made.

The oracle is the same memory, asked with a request each time: the same questions at the same times,
between the same changes of rules, revocations, failures and renewals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias
from zlib import crc32

from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.attributes.bag import Bag, TrackedBag
from remixer.attributes.values import Duration, PlainStringMap
from remixer.foundation.errors import UnavailableError
from remixer.foundation.status import Code, Status
from remixer.frontends.mixer_v1 import mixer_v1_methods
from remixer.mixer.outcome import CheckOutcome, QuotaOutcome, ReportOutcome
from remixer.mixer.request import CheckRequest
from remixer.runtime.stepping import run_to_end
from remixer.testing.changing_routes import ChangingRoutes
from remixer.testing.remembering import RememberingSide
from remixer.tiers.recall import Recall
from remixer.tiers.settings import CacheSettings
from remixer.wire._pb.istio.mixer.v1.attributes_pb2 import CompressedAttributes
from remixer.wire._pb.istio.mixer.v1.check_pb2 import CheckRequest as Message
from remixer.wire.dictionary import GLOBAL_INDICES, GLOBAL_WORD_COUNT
from remixer.wire.laid_out_map import LaidOutMap

KIND, DESTINATION, SOURCE = "context.reporter.kind", "destination.namespace", "source.namespace"
PATH, HEADERS = "request.path", "request.headers"
NAMESPACES = [b"shop", b"bank", b"", b"caf\xe9"]
KINDS = [b"inbound", b"outbound", b"sideways"]
TEXTS = [b"/", b"/a", b"a\x00b", b"\xff", DESTINATION.encode(), PATH.encode(), HEADERS.encode()]
USERS = [b"ann", b"", b":path", SOURCE.encode()]
_SECOND = 1_000_000_000
EVENTS = 150


# ------------------------------------------------------------ requests


@dataclass(frozen=True, slots=True)
class Written:
    """How one client writes its requests: which attributes, and in what order their words come."""

    order: tuple[str, ...]
    kind_is_a_number: bool
    user_key_is_global: bool

    def request(self, texts: Mapping[str, bytes], *, dedup: str, quotas: bool) -> bytes:
        message = Message(global_word_count=GLOBAL_WORD_COUNT, deduplication_id=dedup)
        attributes = message.attributes
        for name in self.order:
            self._write(attributes, name, texts[name])
        if quotas:
            message.quotas["limit"].amount = 1
        return message.SerializeToString()

    def _write(self, attributes: CompressedAttributes, name: str, text: bytes) -> None:
        index = GLOBAL_INDICES[name]
        if name == KIND and self.kind_is_a_number:
            attributes.int64s[index] = 7
            return
        attributes.words.append(text)
        slot = -len(attributes.words)
        if name != HEADERS:
            attributes.strings[index] = slot
            return
        key = GLOBAL_INDICES[":path"]
        if not self.user_key_is_global:
            attributes.words.append(b":path")
            key = slot - 1
        attributes.string_maps[index].entries[key] = slot


def _client(random: Random) -> Written:
    order = [KIND, DESTINATION, SOURCE, PATH, HEADERS]
    random.shuffle(order)
    kind_is_a_number, user_key_is_global = random.random() < 0.2, random.random() < 0.5
    return Written(tuple(order[: random.randint(2, 5)]), kind_is_a_number, user_key_is_global)


def _texts(random: Random) -> Mapping[str, bytes]:
    return {
        KIND: random.choice(KINDS),
        DESTINATION: random.choice(NAMESPACES),
        SOURCE: random.choice(NAMESPACES),
        PATH: random.choice(TEXTS),
        HEADERS: random.choice(USERS),
    }


# ------------------------------------------------------------ rules


@dataclass(slots=True)
class Decider:
    """Reads what its namespace's rules read, and tells it all in its answer."""

    rules: ChangingRoutes
    uses: int
    salt: int = 0
    failures: int = 0
    """That many calls fail from now on."""
    asked: int = 0

    def check_now(self, request: CheckRequest) -> CheckOutcome | None:
        self.asked += 1
        if self.failures:
            self.failures -= 1
            wanted = "as the test wants it"
            raise UnavailableError(wanted)
        bag = TrackedBag(request.bag)
        route = self.rules.table.route_for(bag)
        told = [route.name, self.salt]
        if route.name == "shop" and bag[PATH] != "/a":
            told.append(self._user(bag))
        elif route.name == "bank":
            told.append(repr(bag[PATH]))
        text = repr(told)
        code = Code.PERMISSION_DENIED if crc32(text.encode()) % 3 == 0 else Code.OK
        life = Duration((5 + len(text) % 7) * _SECOND)
        return CheckOutcome(Status(code, text), life, self.uses, bag.references())

    @staticmethod
    def _user(bag: TrackedBag) -> str | None:
        headers = bag[HEADERS]
        return headers[":path"] if isinstance(headers, LaidOutMap | PlainStringMap) else None

    async def check(self, request: CheckRequest) -> CheckOutcome:
        outcome = self.check_now(request)
        assert outcome is not None
        return outcome

    def grant_now(self, request: CheckRequest) -> Mapping[str, QuotaOutcome] | None:
        return {name: QuotaOutcome(1, Duration(_SECOND), frozenset()) for name in request.quotas}

    async def grant(self, request: CheckRequest) -> Mapping[str, QuotaOutcome]:
        granted = self.grant_now(request)
        assert granted is not None
        return granted

    def report(self, _bags: Sequence[Bag]) -> ReportOutcome:
        return ReportOutcome()


class Side(RememberingSide):
    """One memory with all that is around it."""

    def __init__(self, *, uses: int, settings: CacheSettings, recalls: bool, renews: bool) -> None:
        self.rules = ChangingRoutes()
        self.decider = Decider(self.rules, uses)
        super().__init__(self.decider, policies=self.rules, settings=settings, renews=renews)
        now_s = self.clock.monotonic_s
        recall = Recall(self.memory, policies=self.rules, now_s=now_s) if recalls else None
        self.check = mixer_v1_methods(self.memory, self.clock, recall=recall)[0].handle

    def told(self) -> tuple[object, ...]:
        return (*super().told(), self.decider.asked)


# ------------------------------------------------------------ what happens


@dataclass(frozen=True, slots=True)
class Asked:
    client: int
    texts: int
    quotas: bool


@dataclass(frozen=True, slots=True)
class Passed:
    seconds: float


@dataclass(frozen=True, slots=True)
class Changed:
    """New rules; for namespaces that are `kept`, equal ones."""

    kept: frozenset[str]
    salt: int
    may_remember: bool


Happening: TypeAlias = Asked | Passed | Changed | str


def _happening(random: Random) -> Happening:
    match random.choices(("ask", "pass", "change", "other"), (60, 4, 1, 2))[0]:
        case "ask":
            return Asked(random.randint(0, 1), random.randint(0, 3), random.random() < 0.1)
        case "pass":
            return Passed(random.choice([0.05, 1.0, 4.0]))
        case "change":
            kept = frozenset(random.sample(["", "shop", "bank"], random.randint(0, 3)))
            return Changed(kept, random.randint(0, 1), random.random() < 0.7)
        case _:
            return random.choice(["revoke all", "revoke /a", "fail", "renew", "renew"])


def happen(
    event: Happening, side: Side, clients: Sequence[Written], texts: Sequence[Mapping[str, bytes]]
) -> object:
    match event:
        case Asked(client, number, quotas):
            message = clients[client].request(texts[number], dedup="id", quotas=quotas)
            return side.ask(side.check, message)
        case Passed(seconds):
            side.clock.advance(seconds)
        case Changed():
            _change(event, side)
        case "revoke all":
            return run_to_end(side.memory.revoke())
        case "fail":
            side.decider.failures = 3
        case "renew":
            side.renew()
        case _:
            return side.memory.answers.forget(0, 100, lambda known: known.get(PATH) == "/a")
    return None


def _change(event: Changed, side: Side) -> None:
    unremembered = () if event.may_remember else ("bank",)
    side.rules.change(kept=event.kept, unremembered=unremembered)
    if not event.kept:
        side.decider.salt = event.salt


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([-1, 1000, 40, 2, 0]), st.booleans())
def test_a_memory_that_recalls_cannot_be_told_from_one_that_does_not(
    seed: int,
    uses: int,
    renews: bool,  # noqa: FBT001 - drawn
) -> None:
    random = Random(seed)  # lists of that many things are drawn too short otherwise
    clients, texts = [_client(random) for _ in range(2)], [_texts(random) for _ in range(4)]
    wanted = CacheSettings(max_shapes=random.randint(1, 3), max_places=random.choice([1, 2, 100]))
    recalling, asking = (
        Side(uses=uses, settings=wanted, recalls=recalls, renews=renews)
        for recalls in (True, False)
    )
    try:
        for event in (_happening(random) for _ in range(EVENTS)):
            found = happen(event, recalling, clients, texts)
            assert found == happen(event, asking, clients, texts), event
            assert recalling.told() == asking.told(), event
    finally:
        recalling.close()
        asking.close()
