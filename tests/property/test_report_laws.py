"""Reports of many bags come to what one bag after the other comes to."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from struct import pack
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.attributes.bag import Bag, SuppliedBag, TrackedBag, plain_bag
from remixer.attributes.values import Duration, Timestamp
from remixer.foundation.errors import CheckFailedError
from remixer.frontends.mixer_v1.codec import decode_report_call
from remixer.mixer.outcome import ReportOutcome
from remixer.runtime.calls import Call, Failure
from remixer.runtime.conditions import applies
from remixer.runtime.guard import Guard
from remixer.runtime.metrics import NoMetrics
from remixer.runtime.preprocess import generate
from remixer.runtime.report import MAX_ERRORS, Reporter
from remixer.runtime.report_plan import MOST_REMEMBERED
from remixer.runtime.routes import Route, RouteTable, Target
from remixer.runtime.step_index import FEWEST_INDEXED
from remixer.runtime.stepping import run_to_end
from remixer.sdk import Handler
from remixer.templates.build import InstanceError
from remixer.testing.clock import VirtualClock
from remixer.testing.engine import running_engine
from remixer.testing.runtime_told import ToldMetrics, runtime_log
from remixer.testing.scripted import Journal, Script, Scripted, adapter_of, scripted_adapters
from remixer.testing.texts import FAIL, VOCABULARY, action, handler, instance, rule
from remixer.wire.client_codec import encode_report_request
from remixer.wire.report_batch import ReportBatch

MORE_VOCABULARY: Final = """
kind: attributemanifest
metadata: {name: more, namespace: istio-system}
spec:
  attributes:
    cost: {valueType: DOUBLE}
    when: {valueType: TIMESTAMP}
    took: {valueType: DURATION}
    safe: {valueType: BOOL}
    source.ip: {valueType: IP_ADDRESS}
---
"""
LABELS: Final = (
    'who: \'user | "none"\', size: size | 0, x: \'request.headers["x"] | "-"\', safe: safe | false'
)
FIXED: Final = "one: '\"1\"', two: '2'"
HANDLERS: Final = {
    "keep": handler("keep", adapter="keeping"),
    "other": handler("other", adapter="keeping"),
    "fail": handler("fail", FAIL, adapter="keeping"),
}
GENERATORS: Final = {
    "ask": handler("ask", "output: {source_pod_uid: '@source_uid'}"),
    "refuse": handler("refuse", FAIL),
    "later": handler("later", adapter="waiting"),
}
INSTANCES: Final = {
    "count": instance("count", "metric", f"value: '1', dimensions: {{{LABELS}}}"),
    "bytes": instance("bytes", "metric", f"value: size, dimensions: {{{LABELS}}}"),
    "costs": instance("costs", "metric", f"value: cost | 0.0, dimensions: {{{LABELS}, {FIXED}}}"),
    "twin": instance("twin", "metric", "value: took, dimensions: {one: '1', two: user}"),
    "sibling": instance("sibling", "metric", "value: took, dimensions: {one: 'true', two: user}"),
    "fixed": instance("fixed", "metric", f"value: '1', dimensions: {{{FIXED}}}"),
    "strict": instance(
        "strict",
        "metric",
        "value: '1', dimensions: {a: user, b: size, c: 'request.headers[\"x\"]'}",
    ),
    "line": instance(
        "line",
        "logentry",
        "timestamp: when, severity: 'user | \"info\"', variables: {all: request.headers, "
        "cost: cost | 1.5, took: took, ip: source.ip, at: 'request.headers[user] | \"z\"'}",
    ),
    "edge": instance("edge", "edge", "source_uid: user, timestamp: when"),
    "event": instance("event", "reportnothing"),
    "pod": instance(
        "pod", "kubernetes", "source_uid: user", bindings="source.namespace: $out.source_pod_uid"
    ),
}
CONDITIONS: Final = (
    "",
    "true",
    'user == "al"',
    'user != "al" && size > 1',
    "safe",
    '(request.headers["x"] | "1") == "1"',
    'request.headers[user] == "1"',
    "cost == 0.0",
    '(source.namespace | "z") == "al"',
)


@dataclass(frozen=True, slots=True)
class RuleOf:
    """A rule that reports, and perhaps one that generates attributes before it."""

    condition: str
    handler: str
    instances: tuple[str, ...]
    namespace: str
    generator: str = ""

    def text(self, number: int) -> str:
        names = [f"{each}.shop" for each in self.instances]
        text = rule(
            f"r{number}",
            action(f"{self.handler}.shop", *names),
            match=self.condition,
            namespace=self.namespace,
        )
        if self.generator:
            ask = action(f"{self.generator}.shop", "pod.shop")
            text += rule(f"g{number}", ask, match='user != "z"', namespace=self.namespace)
        return text


generators = st.sampled_from([*[""] * 9, *GENERATORS])
rules = st.builds(
    RuleOf,
    condition=st.sampled_from(CONDITIONS),
    handler=st.sampled_from([*HANDLERS]),
    instances=st.lists(
        st.sampled_from([each for each in INSTANCES if each != "pod"]),
        min_size=1,
        max_size=4,
        unique=True,
    ).map(tuple),
    namespace=st.sampled_from(["shop", "shop", "istio-system", "bank"]),
    generator=generators,
)
setups = st.lists(rules, min_size=1, max_size=4).map(tuple)

OPENINGS: Final = (
    'user == "al"',
    'user == "bo" && size > 1',
    '"al" == user && request.headers["x"] == "1"',
    'user == "x" && (source.namespace == "shop")',
    'source.namespace == "bank"',
    'destination.namespace == "shop" && user != "al"',
)
many_rules = st.builds(
    RuleOf,
    condition=st.sampled_from([*OPENINGS * 3, *CONDITIONS]),
    handler=st.sampled_from([*HANDLERS]),
    instances=st.sampled_from(
        [("count",), ("bytes", "twin"), ("fixed",), ("strict",), ("line", "event"), ("count",)]
    ),
    namespace=st.sampled_from([*["shop"] * 5, "istio-system"]),
    generator=st.just(""),
)
large_setups = st.lists(many_rules, min_size=FEWEST_INDEXED, max_size=FEWEST_INDEXED + 8).map(tuple)

# Few values, some of them of the wrong type, and all that Python takes for equal.
attributes: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "destination.namespace": st.sampled_from([*["shop"] * 5, "bank", "", 2]),
        "context.reporter.kind": st.sampled_from(["inbound", "outbound", "?", 1]),
        "source.namespace": st.sampled_from(["shop", "bank", "al"]),
        "user": st.sampled_from(["al", "al", "bo", "x", "z", 3, {"x": "1"}]),
        "size": st.sampled_from([0, 1, 1, 3, True, 1.0, Duration(1), "1"]),
        "safe": st.sampled_from([True, False, 1, 0]),
        "cost": st.sampled_from([0.0, -0.0, 1.0, 1, float("nan")]),
        "when": st.sampled_from([1, 2]).map(Timestamp) | st.just(1),
        "took": st.sampled_from([1, 1, 2]).map(Duration) | st.just(Timestamp(1)),
        "source.ip": st.sampled_from([b"abcd", b""]),
        "request.headers": st.one_of(
            st.dictionaries(st.sampled_from(["x", "y", "al"]), st.sampled_from(["1", "2"])),
            st.just("1"),
        ),
    },
)
bags = attributes.map(plain_bag)


def as_deltas(given_bags: Sequence[Bag]) -> Sequence[Bag]:
    """As a server gets them from a client's batch, chains one after the other."""
    batch = ReportBatch()
    for each in given_bags:
        batch.add(each)
    [first, *_] = [decode_report_call(each.payload).bags for each in batch.finish()]
    return first


def as_elements(given_bags: Sequence[Bag]) -> Sequence[Bag]:
    return decode_report_call(encode_report_request(given_bags)).bags


ways: st.SearchStrategy[Callable[[Sequence[Bag]], Sequence[Bag]]] = st.sampled_from(
    [as_deltas, as_elements, list]
)
alike = st.builds(
    lambda base, more: [plain_bag({**base, **each}) for each in more],
    bags,
    st.lists(
        st.fixed_dictionaries(
            {"size": st.sampled_from([1, 2, 3])},
            optional={"user": st.sampled_from(["al", "bo"]), "safe": st.booleans()},
        ),
        min_size=2,
        max_size=6,
    ),
)
reports = st.tuples(st.lists(bags, min_size=1, max_size=5) | alike, ways).map(
    lambda each: each[1](each[0])
)


class Keeping(Scripted):
    """Keeps what it was told, as it was then."""

    def report(self, instances: Sequence[object]) -> None:
        self._note(f"report {[plain(each) for each in instances]}")


def plain(value: object) -> object:
    """With types, bits, and the order of entries."""
    if is_dataclass(value):
        parts = [(each.name, plain(getattr(value, each.name))) for each in fields(value)]
        return type(value).__name__, parts
    if isinstance(value, Mapping):
        return type(value).__name__, [(key, plain(each)) for key, each in value.items()]
    if isinstance(value, float):
        return "double", pack("<d", value)
    return type(value).__name__, value


def one_by_one(
    table: RouteTable,
    reported: Iterable[Bag],
    later: Callable[[Bag], None],
    guard: Guard,
    metrics: NoMetrics,
) -> ReportOutcome:
    """The straightforward way."""
    errors: list[str] = []
    batches: dict[tuple[str, str], tuple[Target[object], list[object]]] = {}
    for each in reported:
        bag = TrackedBag(each)
        route = table.route_for(bag)
        if route.generate_may_wait:
            later(each)
            continue
        if route.generators:
            try:
                generated = run_to_end(generate(route, bag, None, guard=guard))
            except CheckFailedError as error:
                errors.append(error.message)
                continue
            bag = SuppliedBag(bag, generated)
            route = table.route_for(bag)
        gather(route, bag, batches, errors)
    for target, instances in batches.values():
        result = guard.run_now(Call(target.entry, (instances,)))
        if isinstance(result, Failure):
            errors.append(f"{target.handler.display_name}: {result.reason}")
    metrics.destinations(len(batches), sum(len(batch) for _, batch in batches.values()))
    if len(errors) > MAX_ERRORS:
        errors[MAX_ERRORS:] = [f"and {len(errors) - MAX_ERRORS} more"]
    return ReportOutcome(tuple(errors))


def gather(
    route: Route,
    bag: Bag,
    batches: dict[tuple[str, str], tuple[Target[object], list[object]]],
    errors: list[str],
) -> None:
    for step in route.report:
        if applies(step.condition, step.rule, bag):
            for target in step.targets:
                try:
                    made = target.instance.build(bag)
                except InstanceError as error:
                    errors.append(str(error))
                    continue
                key = (target.entry.handler, target.entry.template)
                batches.setdefault(key, (target, []))[1].append(made)


@dataclass(slots=True)
class Seen:
    """What there is to see of some reports."""

    outcomes: list[ReportOutcome] = field(default_factory=list)
    told: list[object] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    later: list[object] = field(default_factory=list)


async def seen(
    setup: Sequence[RuleOf],
    reported: Sequence[Sequence[Bag]],
    *,
    together: bool,
    log_level: int = logging.DEBUG,
    most_remembered: int = MOST_REMEMBERED,
) -> Seen:
    journal, metrics, result = Journal(), ToldMetrics(), Seen()

    def make(script: Script, name: str) -> Handler:
        return Keeping(script, name, journal)

    keeping = adapter_of("keeping", make, journal)
    keeping = replace(keeping, templates=keeping.templates | {"logentry", "edge"})
    texts = [VOCABULARY, MORE_VOCABULARY, *HANDLERS.values(), *GENERATORS.values()]
    texts += [*INSTANCES.values(), *(each.text(number) for number, each in enumerate(setup))]
    async with running_engine(
        {"a": "".join(texts)}, adapters=[*scripted_adapters(journal), keeping]
    ) as running:
        generation = running.engine.generation
        assert generation.snapshot.problems == ()
        guard = Guard(clock=VirtualClock(), metrics=metrics, adapter_timeout_s=1.0)
        reporter = Reporter(guard=guard, metrics=metrics, most_remembered=most_remembered)

        def later(bag: Bag) -> None:
            result.later.append({name: plain(bag[name]) for name in bag.names()})

        with runtime_log(log_level) as lines:
            for each in reported:
                if together:
                    outcome = reporter.report(generation.routes, each, later=later)
                else:
                    outcome = one_by_one(generation.routes, each, later, guard, metrics)
                result.outcomes.append(outcome)
                # Rules may be looked at in another order, bag by bag or rule by rule.
                result.lines += sorted(lines)
                lines.clear()
    result.told, result.events = metrics.told, journal.events
    return result


@settings(deadline=None, max_examples=100)  # each builds two engines
@given(setups, st.lists(reports, min_size=1, max_size=3))
def test_bags_together_come_to_what_each_comes_to(
    setup: tuple[RuleOf, ...], reported: list[Sequence[Bag]]
) -> None:
    # Each report twice, and its bags alone: the later ones meet what is remembered of the first.
    every = [*reported, *reported, *([bag] for report in reported for bag in report)]
    together = asyncio.run(seen(setup, every, together=True))
    assert together == asyncio.run(seen(setup, every, together=False))


@settings(deadline=None, max_examples=60)  # each builds two engines with many rules
@given(
    large_setups,
    st.lists(reports, min_size=1, max_size=3),
    st.sampled_from([logging.DEBUG, logging.INFO]),
    st.sampled_from([-100, 0, MOST_REMEMBERED]),
)
def test_looking_up_some_of_many_rules_comes_to_what_all_come_to(
    setup: tuple[RuleOf, ...],
    reported: list[Sequence[Bag]],
    log_level: int,
    most_remembered: int,
) -> None:
    every = [*reported, *reported, *([bag] for report in reported for bag in report)]
    # With errors shown nothing is looked up, and each of them is told.
    together = asyncio.run(
        seen(setup, every, together=True, log_level=log_level, most_remembered=most_remembered)
    )
    assert together == asyncio.run(seen(setup, every, together=False, log_level=log_level))
