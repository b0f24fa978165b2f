"""Recalling: which requests need no request, and what it may hold."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import pytest

from remixer.attributes.bag import Bag, Condition, Reference
from remixer.attributes.values import Duration, Value
from remixer.foundation.status import OK
from remixer.frontends.mixer_v1.codec import CheckDecoder
from remixer.mixer.outcome import CheckOutcome, QuotaOutcome, ReportOutcome
from remixer.mixer.request import CheckRequest
from remixer.testing.clock import VirtualClock
from remixer.tiers.cached import CachedMixer
from remixer.tiers.places import Question
from remixer.tiers.recall import Recall
from remixer.tiers.settings import CacheSettings
from remixer.wire._pb.istio.mixer.v1.check_pb2 import CheckRequest as Message
from remixer.wire.dictionary import GLOBAL_INDICES
from remixer.wire.layout import Layout

NAMESPACE, PATH = "destination.namespace", "request.path"
READ = frozenset({Reference(PATH, None, Condition.EXACT)})
ALLOWED = CheckOutcome(OK, Duration(60_000_000_000), -1, READ)


@dataclass(slots=True)
class ByNamespace:
    """One place for each namespace; counts how often a bag was asked for it."""

    rules: object = field(default_factory=object)
    bags: int = 0

    def place_names(self, known: Mapping[str, Value | None]) -> Sequence[str]:
        del known
        return (NAMESPACE,)

    def place_of(self, bag: Bag) -> tuple[Hashable, object]:
        self.bags += 1
        return str(bag[NAMESPACE]), self.rules


class Allowing:
    """Allows all."""

    def check_now(self, _request: CheckRequest) -> CheckOutcome | None:
        return ALLOWED

    async def check(self, _request: CheckRequest) -> CheckOutcome:
        return ALLOWED

    def grant_now(self, _request: CheckRequest) -> Mapping[str, QuotaOutcome] | None:
        return {}

    async def grant(self, _request: CheckRequest) -> Mapping[str, QuotaOutcome]:
        return {}

    def report(self, _bags: Sequence[Bag]) -> ReportOutcome:
        return ReportOutcome()


@dataclass(slots=True)
class Scene:
    policies: ByNamespace = field(default_factory=ByNamespace)
    decoder: CheckDecoder = field(default_factory=CheckDecoder)
    clock: VirtualClock = field(default_factory=VirtualClock)
    most: int = 20
    recall: Recall = field(init=False)

    def __post_init__(self) -> None:
        memory = CachedMixer(
            Allowing(),
            settings=CacheSettings(),
            policies=self.policies,
            clock=self.clock,
            random=Random(1),
        )
        now_s = self.clock.monotonic_s
        self.recall = Recall(memory, policies=self.policies, now_s=now_s, most=self.most)
        for _ in range(2):  # a layout is known from its second request on
            self.parts("first", "/")

    def parts(self, namespace: str, path: str) -> tuple[bytes, Layout, list[bytes]] | None:
        message = Message()
        message.attributes.words.extend([namespace.encode(), path.encode()])
        message.attributes.strings[GLOBAL_INDICES[NAMESPACE]] = -1
        message.attributes.strings[GLOBAL_INDICES[PATH]] = -2
        payload = message.SerializeToString()
        laid_out = self.decoder.laid_out(payload)
        return None if laid_out is None else (payload, laid_out[0], laid_out[1])

    def find(self, namespace: str, path: str) -> CheckOutcome | Question | None:
        parts = self.parts(namespace, path)
        assert parts is not None
        return self.recall.find(*parts)

    def learn(self, namespace: str, path: str) -> None:
        question = self.find(namespace, path)
        assert isinstance(question, Question)
        payload, _, _ = self.parts(namespace, path) or pytest.fail("the layout is known")
        request, _ = self.decoder.decode(payload, None)
        assert self.recall.ask_now(request, question) is not None


def test_what_was_answered_is_answered_without_looking_at_attributes() -> None:
    scene = Scene()
    scene.learn("shop", "/")
    looked = scene.policies.bags
    found = [scene.find("shop", "/") for _ in range(3)]
    assert all(isinstance(each, CheckOutcome) for each in found)
    assert scene.policies.bags == looked


def test_what_differs_in_what_was_read_is_a_question() -> None:
    scene = Scene()
    scene.learn("shop", "/")
    assert isinstance(scene.find("shop", "/other"), Question)
    assert isinstance(scene.find("bank", "/"), Question)


def test_new_rules_are_asked() -> None:
    scene = Scene()
    scene.learn("shop", "/")
    scene.policies.rules = object()
    assert isinstance(scene.find("shop", "/"), Question)


def test_a_word_that_hides_a_name_is_left_to_the_request() -> None:
    scene = Scene()
    scene.learn("shop", "/")
    assert scene.find("shop", NAMESPACE) is None
    assert scene.find(PATH, "/") is None


def test_rules_that_may_not_be_remembered_are_left_to_the_request() -> None:
    scene = Scene(ByNamespace(rules=None))
    assert scene.find("shop", "/") is None


def test_callers_cannot_make_it_grow() -> None:
    scene = Scene(most=20)
    sizes = []
    for number in range(100):
        scene.find(f"namespace-{number}", "/")
        sizes.append(len(scene.recall))
    assert max(sizes) == 20
    scene.learn("shop", "/")
    assert isinstance(scene.find("shop", "/"), CheckOutcome)
