"""A compiled check and the interpreter agree on everything that can be seen of a request."""

import asyncio
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.attributes.bag import plain_bag
from remixer.attributes.values import Duration
from remixer.foundation.deadline import Deadline
from remixer.foundation.status import Status
from remixer.mixer.outcome import CheckOutcome
from remixer.mixer.request import CheckRequest
from remixer.runtime import function_writer
from remixer.runtime.step_index import FEWEST_INDEXED
from remixer.sdk import CheckResult, Handler
from remixer.testing.clock import VirtualClock
from remixer.testing.engine import RunningEngine, running_engine
from remixer.testing.runtime_told import ToldMetrics, runtime_log
from remixer.testing.scripted import Journal, Script, Scripted, adapter_of, scripted_adapters
from remixer.testing.texts import (
    DENY,
    FAIL,
    NOTHING,
    VOCABULARY,
    action,
    handler,
    instance,
    rule,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DIRECT: Final = (
    'status: {code: 9, message: closed, details: [{"@type": '
    '"type.googleapis.com/istio.policy.v1beta1.DirectHttpResponse", code: 403, '
    "headers: {x-why: because}}]}"
)


@dataclass(frozen=True, slots=True)
class Odd(CheckResult):
    """A result of a class of the adapter's own."""


class Steady(Scripted):
    """Answers with one of two objects, or with something that is no answer."""

    def __init__(self, script: Script, name: str, journal: Journal) -> None:
        super().__init__(script, name, journal)
        self._same = CheckResult(valid_duration=script.valid_duration, valid_use_count=5)
        self._denied = CheckResult(Status(7, "not listed"), valid_use_count=3)

    def check(self, instance: object) -> CheckResult:
        self._note(f"check {instance}")
        answers: Mapping[str, Callable[[], object]] = {
            "": lambda: self._same,
            "list": lambda: self._same if getattr(instance, "value", 0) == "al" else self._denied,
            "odd": lambda: Odd(Status(5, "odd")),
            "wrong": lambda: 7,
            "later": lambda: asyncio.sleep(1),
            "no opinion": CheckResult,
        }
        return answers[self.script.status.message]()  # type: ignore[return-value] # on purpose


HANDLERS: Final = {
    "scripted": handler("scripted"),
    "deny": handler("deny", DENY),
    "direct": handler("direct", DIRECT),
    "fail": handler("fail", FAIL),
    "steady": handler("steady", adapter="steady"),
    "short": handler("short", "valid_duration: 1s", adapter="steady"),
    "none": handler("none", "status: {message: no opinion}", adapter="steady"),
    "list": handler("list", "status: {message: list}", adapter="steady"),
    "odd": handler("odd", "status: {message: odd}", adapter="steady"),
    "wrong": handler("wrong", "status: {message: wrong}", adapter="steady"),
    "later": handler("later", "status: {message: later}", adapter="steady"),
    "waiting": handler("waiting", adapter="waiting"),
}
INSTANCES: Final = {
    "nothing": NOTHING,
    "who": instance("who", "listentry", "value: user"),
    "key": instance("key", "listentry", 'value: \'request.headers["x"] | user | "none"\''),
    "sum": instance("sum", "listentry", "value: size + 1"),
    "all": instance(
        "all", "authorization", "subject: {user: user, properties: {size: size, it: user}}"
    ),
    "computed": instance("computed", "listentry", "value: 'request.headers[user] | \"x\"'"),
}
CONDITIONS: Final = (
    "",
    'user == "al"',
    "true",
    'user != "z"',
    'user != "al" && size > 1',
    'request.headers["x"] == "1"',
    'request.headers["x"] == "1" || request.headers["y"] == user',
    '(request.headers["y"] | "2") == "2"',
    'source.namespace == "bank"',
    '(user | source.namespace | "z") == "z"',
    'match(user, "a*") || user.endsWith("b")',
    'size == 3 || (user | "") == "bo"',
    '"al" == "al"',
    'context.reporter.kind == "outbound"',
)
VALUES: Final = ("user", '"fixed"', '""', 'request.headers["x"] | "none"', 'user + "!"')


@dataclass(frozen=True, slots=True)
class Header:
    """Header operations of a rule."""

    requests: tuple[str, ...]
    removes: bool

    def text(self) -> str:
        fields = []
        if self.requests:
            each = ", ".join(
                f"{{name: x-{index}, values: ['{value}']}}"
                for index, value in enumerate(self.requests)
            )
            fields.append(f"requestHeaderOperations: [{each}]")
        if self.removes:
            fields.append("responseHeaderOperations: [{name: server, operation: REMOVE}]")
        return ", ".join(fields)


@dataclass(frozen=True, slots=True)
class RuleOf:
    """A rule: condition, actions, header operations."""

    condition: str
    actions: tuple[tuple[str, tuple[str, ...]], ...]
    header: Header | None
    namespace: str

    def text(self, number: int) -> str:
        return rule(
            f"r{number}",
            *(
                action(f"{name}.shop", *(f"{each}.shop" for each in instances))
                for name, instances in self.actions
            ),
            match=self.condition,
            more="" if self.header is None else self.header.text(),
            namespace=self.namespace,
        )


@dataclass(frozen=True, slots=True)
class Setup:
    """A configuration."""

    rules: tuple[RuleOf, ...]
    policies: tuple[str, ...]

    def text(self) -> str:
        parts = [VOCABULARY, *HANDLERS.values(), *INSTANCES.values(), *self.policies]
        return "".join([*parts, *(each.text(index) for index, each in enumerate(self.rules))])


def policy(kind: str, spec: str) -> str:
    return f"\nkind: {kind}\nmetadata: {{name: p, namespace: shop}}\nspec: {{{spec}}}\n---\n"


POLICIES: Final = (
    policy("CachePolicy", "handlers: [steady, deny], maxAge: 2s"),
    policy("CachePolicy", "handlers: [scripted, direct], maxUses: 3, denialMaxAge: 1s"),
    policy("FailurePolicy", "handlers: [fail, wrong], onFailure: [open]"),
    policy("FailurePolicy", "handlers: [fail], onFailure: [stale, closed]"),
    policy("FailurePolicy", "handlers: [later], onFailure: [fallback, closed], fallback: steady"),
)

# Nearly all that can be compiled; one part that cannot makes the whole route interpreted.
COMPILED = [each for each in HANDLERS if each not in {"waiting", "fail"}]
names = st.sampled_from([*COMPILED * 3, "list", "list", "fail", "waiting"])
instances = st.sampled_from([*["nothing", "who", "key", "all"] * 3, "sum", "computed"])
conditions = st.sampled_from(["", "", "", *CONDITIONS * 2, 'request.headers[user] == "1"'])
headers = st.builds(
    Header,
    requests=st.lists(st.sampled_from(VALUES), max_size=2).map(tuple),
    removes=st.booleans(),
).filter(lambda each: each.text() != "")
actions = st.tuples(names, st.lists(instances, min_size=1, max_size=2, unique=True).map(tuple))
rules = st.builds(
    RuleOf,
    condition=conditions,
    actions=st.lists(actions, min_size=1, max_size=2).map(tuple),
    header=st.none() | st.none() | headers,
    namespace=st.sampled_from(["shop", "shop", "istio-system", "bank"]),
)
setups = st.builds(
    Setup,
    rules=st.lists(rules, min_size=1, max_size=4).map(tuple),
    policies=st.lists(st.sampled_from(POLICIES), max_size=1).map(tuple),
)

OPENINGS: Final = (
    'user == "al"',
    'user == "bo" && size == 3',
    '"al" == user && request.headers["x"] == "1"',
    'user == "x" && (source.namespace == "shop")',
    'source.namespace == "bank"',
    'destination.namespace == "shop" && user != "al"',
)
openings = st.sampled_from([*OPENINGS * 3, *CONDITIONS])
# Of so many rules, one that cannot be compiled is likely.
steady = st.sampled_from(["scripted", "deny", "direct", "steady", "short", "list"])
steady_actions = st.tuples(steady, st.sampled_from([("nothing",), ("who",), ("key",)]))
many_rules = st.builds(
    RuleOf,
    condition=openings,
    actions=st.lists(steady_actions, min_size=1, max_size=1).map(tuple),
    header=st.none() | st.none() | headers,
    namespace=st.just("shop"),
)
large_setups = st.builds(
    Setup,
    rules=st.lists(many_rules, min_size=FEWEST_INDEXED, max_size=FEWEST_INDEXED + 4).map(tuple),
    policies=st.just(()),
)

users = st.sampled_from(["al", "al", "bo", "x", "", 3, {"x": "1"}])
bags = st.fixed_dictionaries(
    {"destination.namespace": st.sampled_from([*["shop"] * 9, "bank", "", 2, {"a": "b"}])},
    optional={
        "context.reporter.kind": st.sampled_from([*["inbound", "outbound"] * 3, "?", 1]),
        "source.namespace": st.sampled_from(["shop", "bank", b"x"]),
        "user": users,
        "size": st.sampled_from([1, 3, "3"]),
        "request.headers": st.one_of(
            st.dictionaries(st.sampled_from(["x", "y", "al"]), st.sampled_from(["1", "al"])),
            st.just("none"),
        ),
    },
)
ordinary = st.builds(lambda user: {"destination.namespace": "shop", "user": user, "size": 3}, users)


@dataclass(slots=True)
class Seen:
    """What there is to see of some requests."""

    answers: list[object] = field(default_factory=list)
    told: list[object] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


async def seen(
    setup: Setup,
    requests: list[CheckRequest],
    *,
    is_compiled: bool,
    log_level: int = logging.DEBUG,
) -> Seen:
    journal, metrics, result = Journal(), ToldMetrics(), Seen()

    def make(script: Script, name: str) -> Handler:
        return Steady(script, name, journal)

    known = (*scripted_adapters(journal), adapter_of("steady", make, journal))
    more = {"authorization"}
    adapters = [replace(each, templates=each.templates | more) for each in known]
    async with running_engine(
        {"a": setup.text()}, adapters=adapters, metrics=metrics, clock=VirtualClock()
    ) as running:
        assert running.engine.generation.snapshot.problems == ()
        with runtime_log(log_level) as result.lines:
            for request in requests:
                result.answers.append(answer(running, request, is_compiled=is_compiled))
    result.told, result.events = metrics.told, journal.events
    return result


def answer(running: RunningEngine, request: CheckRequest, *, is_compiled: bool) -> object:
    """The outcome, or the error, or None if a handler waits."""
    engine = running.engine
    ask = engine.check_now if is_compiled else engine.interpreted_now
    try:
        return ask(request)
    except Exception as error:  # noqa: BLE001 - whatever it is, both must raise it
        return type(error), str(error)


last_goods = st.none() | st.builds(
    CheckOutcome, st.just(Status()), st.just(Duration(1)), st.just(1), st.just(frozenset())
)
requests = st.builds(
    lambda bag, deadline, last_good: CheckRequest(
        plain_bag(bag), deadline=deadline, last_good=last_good
    ),
    bags | ordinary,
    st.sampled_from([None, None, Deadline(-1.0), Deadline(9.0)]),
    last_goods,
)


@given(
    setups,
    st.lists(requests, min_size=2, max_size=8),
    st.sampled_from([function_writer.MOST_NODES, 100, 1]),
)
def test_the_compiled_check_is_the_interpreted_one(
    setup: Setup, asked: list[CheckRequest], most_nodes: int
) -> None:
    # Each request twice: the second may be answered with what was kept of the first.
    twice = [each for each in asked for _ in range(2)]
    with pytest.MonkeyPatch.context() as patched:
        # How much of a function is compiled apart.
        patched.setattr(function_writer, "MOST_NODES", most_nodes)
        compiled = asyncio.run(seen(setup, twice, is_compiled=True))
    interpreted = asyncio.run(seen(setup, twice, is_compiled=False))
    assert compiled == interpreted


@settings(max_examples=40)  # of many rules each
@given(large_setups, st.lists(requests, min_size=2, max_size=8))
def test_functions_for_some_of_many_rules_are_the_interpreted_check(
    setup: Setup, asked: list[CheckRequest]
) -> None:
    twice = [each for each in asked for _ in range(2)]
    # With errors shown, all rules are evaluated one by one: the oracle has no index.
    compiled = asyncio.run(seen(setup, twice, is_compiled=True, log_level=logging.INFO))
    interpreted = asyncio.run(seen(setup, twice, is_compiled=False))
    assert compiled.answers == interpreted.answers
    assert (compiled.told, compiled.events) == (interpreted.told, interpreted.events)
