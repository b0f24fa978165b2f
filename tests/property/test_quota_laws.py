"""Law of quotas: allocated at once, compiled or not, they are what the coroutine allocates."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import assert_never

from hypothesis import given
from hypothesis import strategies as st

from remixer.attributes.bag import TrackedBag, plain_bag
from remixer.foundation.deadline import Deadline
from remixer.mixer.outcome import QuotaOutcome
from remixer.mixer.request import CheckRequest, MatchingQuotas, QuotaArgs
from remixer.runtime.compiled_quotas import CompiledQuotas
from remixer.runtime.guard import Guard
from remixer.runtime.metrics import NoMetrics
from remixer.runtime.quota import QuotasAsked, allocate, allocate_now
from remixer.testing.clock import VirtualClock, run_in_virtual_time
from remixer.testing.engine import running_engine
from remixer.testing.scripted import Journal, scripted_adapters
from remixer.testing.texts import FAIL, VOCABULARY, action, handler, instance, rule

HANDLERS = {
    "gives": handler("gives", "grant: 5"),
    "generous": handler("generous", "grant: 100"),
    "refuses": handler("refuses", "grant: 0"),
    "broken": handler("broken", FAIL),
}
INSTANCES = {
    "Count": instance("Count", "quota", 'dimensions: {user: user | "nobody"}'),
    "size": instance("size", "quota"),
    "broken": instance("broken", "quota", "dimensions: {size: size}"),
    "headers": instance("headers", "quota", 'dimensions: {a: \'request.headers["a"] | ""\'}'),
}
BASE = VOCABULARY + "".join(HANDLERS.values()) + "".join(INSTANCES.values())
WAITING = BASE + handler("slow", "grant: 5", adapter="waiting")
MATCHES = ("", 'user == "al"', 'request.headers["a"] == "b"', "size == 1")

names = st.sampled_from(sorted(HANDLERS))


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, and its failure policy."""

    handler: str
    instances: tuple[str, ...]
    match: str
    steps: tuple[str, ...]
    fallback: str
    has_breaker: bool

    def text(self, name: str) -> str:
        text = rule(name, action(self.handler, *self.instances), match=self.match)
        spec = [f"rules: [{name}]"]
        if self.steps:
            spec.append(f"onFailure: [{', '.join(self.steps)}]")
        if "fallback" in self.steps:
            spec.append(f"fallback: {self.fallback}")
        if self.has_breaker:
            spec.append("breaker: {consecutiveFailures: 1}")
        if len(spec) > 1:
            text += (
                f"\nkind: FailurePolicy\nmetadata: {{name: {name}, namespace: shop}}\n"
                f"spec: {{{', '.join(spec)}}}\n---\n"
            )
        return text


rules = st.builds(
    Rule,
    handler=names,
    instances=st.lists(st.sampled_from(sorted(INSTANCES)), min_size=1, max_size=3, unique=True).map(
        tuple
    ),
    match=st.sampled_from(MATCHES),
    steps=st.sampled_from(
        [
            (),
            ("open",),
            ("closed",),
            ("stale", "open"),
            ("fallback", "closed"),
            ("fallback", "open"),
        ]
    ),
    fallback=names,
    has_breaker=st.booleans(),
).filter(lambda rule: rule.handler != rule.fallback)  # a problem, and no policy then
arguments = st.builds(QuotaArgs, st.integers(-2, 8), st.booleans())
asked = st.one_of(
    st.dictionaries(
        st.sampled_from(["count", "Count", "size", "broken", "headers", "x"]), arguments
    ),
    st.builds(MatchingQuotas, arguments, st.booleans()),
)
bags = st.fixed_dictionaries(
    {"destination.namespace": st.sampled_from(["shop", "elsewhere"])},
    optional={
        "user": st.sampled_from(["al", "bo"]),
        "size": st.integers(0, 1),
        "request.headers": st.dictionaries(st.sampled_from("ac"), st.sampled_from("bd")),
        "context.reporter.kind": st.sampled_from(["inbound", "outbound", "x"]),
    },
)


@dataclass(frozen=True, slots=True)
class Scene:
    """A configuration, and what is asked twice of it."""

    rules: tuple[Rule, ...]
    bag: Mapping[str, str | int | dict[str, str]]
    quotas: QuotasAsked
    once: str
    is_late: bool

    def text(self) -> str:
        return BASE + "".join(each.text(f"r{index}") for index, each in enumerate(self.rules))


scenes = st.builds(
    Scene,
    rules=st.lists(rules, max_size=4).map(tuple),
    bag=bags,
    quotas=asked,
    once=st.sampled_from(["", "id-"]),
    is_late=st.sampled_from([False, False, False, True]),
)


class How(Enum):
    """Ways to allocate."""

    COROUTINE = "coroutine"
    NOW = "now"
    COMPILED = "compiled"


async def played(scene: Scene, how: How) -> tuple[list[Mapping[str, QuotaOutcome]], list[str]]:
    """Outcomes of asking twice, for the second may meet open breakers; and what handlers heard."""
    journal = Journal()
    clock = VirtualClock()
    guard = Guard(clock=clock, metrics=NoMetrics(), adapter_timeout_s=1)
    deadline = Deadline(clock.monotonic_s() if scene.is_late else clock.monotonic_s() + 1)
    found: list[Mapping[str, QuotaOutcome]] = []
    async with running_engine({"a": scene.text()}, adapters=scripted_adapters(journal)) as running:
        assert running.engine.generation.snapshot.problems == ()
        table = running.engine.generation.routes
        vocabulary = running.engine.generation.snapshot.vocabulary
        compiled = CompiledQuotas(table, vocabulary, guard=guard)
        bag = plain_bag(scene.bag)
        request = CheckRequest(bag, scene.quotas, scene.once, deadline)
        asked = (table, partial(TrackedBag, bag), scene.quotas, scene.once, deadline)
        for _ in range(2):
            outcomes: Mapping[str, QuotaOutcome] | None
            match how:
                case How.COMPILED:
                    outcomes = compiled.allocate_now(request)
                case How.NOW:
                    outcomes = allocate_now(*asked, guard=guard)
                case How.COROUTINE:
                    outcomes = await allocate(*asked, guard=guard)
                case _:
                    assert_never(how)
            assert outcomes is not None
            found.append(outcomes)
    return found, journal.events


@given(scenes)
def test_in_whatever_way_quotas_are_the_same(scene: Scene) -> None:
    async def each() -> None:
        wanted = await played(scene, How.COROUTINE)
        assert await played(scene, How.NOW) == wanted
        assert await played(scene, How.COMPILED) == wanted

    run_in_virtual_time(each())


async def test_a_route_with_a_handler_that_waits_is_not_asked_at_once() -> None:
    journal = Journal()
    text = WAITING + rule("a", action("gives", "Count")) + rule("b", action("slow", "size"))
    guard = Guard(clock=VirtualClock(), metrics=NoMetrics(), adapter_timeout_s=1)
    async with running_engine({"a": text}, adapters=scripted_adapters(journal)) as running:
        found = allocate_now(
            running.engine.generation.routes,
            partial(TrackedBag, plain_bag({"destination.namespace": "shop"})),
            {"Count": QuotaArgs(), "size": QuotaArgs()},
            "",
            None,
            guard=guard,
        )
    assert found is None
    assert journal.of("allocate") == []
