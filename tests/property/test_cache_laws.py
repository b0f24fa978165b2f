"""Laws of remembered answers, over random rules and requests, through the real engine.

* Two requests have one key exactly when evaluation reads the same of both; then their answers are
  the same.
* A Mixer that remembers answers as one that does not, whatever is asked and however the rules
  change in between.
* No reference may be left out of a key: for each kind there is a policy that answers wrongly then.

The adapter of these tests tells in its answer all that it was asked, so that no difference between
two requests can hide.
"""

import struct
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from random import Random
from typing import Final, TypeAlias, assert_never

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.attributes.bag import Bag, Condition, PlainBag, Reference, plain_bag
from remixer.attributes.values import Duration, PlainStringMap, StringMap, Timestamp, Value
from remixer.config.memory import ResolveMemory
from remixer.config.resolve import resolve
from remixer.config.resources import combine, parse_file
from remixer.config.snapshot import Snapshot
from remixer.foundation.errors import PolicyError
from remixer.foundation.problems import Severity
from remixer.foundation.status import OK, Status
from remixer.mixer.outcome import CheckOutcome
from remixer.mixer.request import CheckRequest
from remixer.runtime.engine import Engine
from remixer.sdk import AdapterInfo, CheckOutput, CheckResult, Environment, HandlerContext
from remixer.templates.instances import BUILTIN_TEMPLATES, Authorization, Kubernetes, ListEntry
from remixer.testing.clock import clock_of_running_loop, run_in_virtual_time
from remixer.testing.engine import RunningEngine, running_engine
from remixer.testing.scripted import LOOKUP, Lookup
from remixer.tiers.cached import CachedMixer
from remixer.tiers.keys import Shape
from remixer.tiers.settings import CacheSettings

# ------------------------------------------------------------ an adapter that hides nothing


@dataclass(frozen=True, slots=True)
class Salted:
    """What answers vary with, beside what is asked."""

    salt: str = ""


class Teller:
    """Allows or denies by a hash of all that it is asked; a denial tells it."""

    def __init__(self, salt: str) -> None:
        self._salt = salt

    def check(self, instance: ListEntry | Authorization | Lookup) -> CheckResult:
        text = f"{self._salt} {_bits(instance)}"
        chance = zlib.crc32(text.encode())
        status = Status(7, text) if chance % 2 else OK
        seconds = Duration((1 + chance % 60) * 10**9)
        return CheckResult(status, seconds, (-1, 1, 3, 1000)[chance % 4])

    def check_with_output(self, instance: Lookup) -> CheckOutput:
        return CheckOutput(self.check(instance), {"value": f"{self._salt}<{instance.key}>"})

    def generate(self, instance: Kubernetes) -> Mapping[str, Value]:
        return {
            "source_pod_name": f"{self._salt}{instance.source_uid}",
            "destination_namespace": "bank" if instance.source_uid == "a" else "shop",
            "source_labels": PlainStringMap({"k": instance.source_uid}),
        }

    async def aclose(self) -> None:
        """Holds nothing."""


async def build(params: Salted, _context: HandlerContext, _environment: Environment) -> Teller:
    return Teller(params.salt)


TELLER: Final = AdapterInfo(
    name="teller",
    description="",
    templates=frozenset({"listentry", "authorization", "kubernetes", LOOKUP.name}),
    defaults=Salted(),
    build=build,
)


def _bits(value: object) -> str:
    """A text that differs for all that may differ."""
    return repr(value) if not isinstance(value, float) else struct.pack(">d", value).hex()


# ------------------------------------------------------------ rules

MANIFEST: Final = """
kind: attributemanifest
metadata: {name: words, namespace: istio-system}
spec:
  attributes:
    context.reporter.kind: {valueType: STRING}
    source.namespace: {valueType: STRING}
    destination.namespace: {valueType: STRING}
    s: {valueType: STRING}
    s2: {valueType: STRING}
    made: {valueType: STRING}
    num: {valueType: INT64}
    d: {valueType: DOUBLE}
    flag: {valueType: BOOL}
    ip: {valueType: IP_ADDRESS}
    t: {valueType: TIMESTAMP}
    m: {valueType: STRING_MAP}
    h: {valueType: STRING_MAP}
    labels: {valueType: STRING_MAP}
"""

MATCHES: Final = (
    's == "a"',
    '(s | "b") == "b"',
    '(s | s2 | "a") == "a"',
    'm["k"] == "a"',
    '(m["k"] | "b") == "b"',
    '(m["k"] | s2 | "") == "a"',
    '(m[s] | "b") == "b"',
    '((m | h)[s] | "b") == "b"',
    '(m | h)["k"] == "a"',
    '(h["k"] | m["k2"] | "") == ""',
    "num == 1",
    "(num | 0) == 0",
    "d == 0.0",
    "(flag | false)",
    'ip == ip("1.2.3.4")',
    't == timestamp("1970-01-01T00:00:00Z")',
    '(made | "a") == "a"',
    '(labels["k"] | "b") == "b"',
)
TEXTS: Final = (
    '"-"',
    's | "none"',
    "s2",
    's + (s2 | "")',
    'm["k"] | "none"',
    'm[s] | (h["k2"] | "none")',
    '(m | h)[s2] | "none"',
    'conditional(flag | false, s | "x", s2 | "y")',
    'made | "none"',
)
VALUES: Final = (*TEXTS, "num", "d | 0.0", "m", "h | emptyStringMap()", "ip", "labels | m", "t")

conditions = st.one_of(
    st.just(""),
    st.sampled_from(MATCHES),
    st.builds("{} && {}".format, st.sampled_from(MATCHES), st.sampled_from(MATCHES)),
    st.builds("({} || {})".format, st.sampled_from(MATCHES), st.sampled_from(MATCHES)),
)


def document(kind: str, name: str, namespace: str, spec: str) -> str:
    return f"kind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n"


@dataclass(frozen=True, slots=True)
class RuleText:
    """One rule with its own instance."""

    namespace: str
    match: str
    template: str
    value: str
    header: str = ""

    def text(self, name: str) -> str:
        own = document("instance", name, self.namespace, self._instance())
        headers = f"requestHeaderOperations: [{{name: x, values: ['{self.header}']}}]"
        spec = (
            f"{{match: '{self.match}', actions: [{{handler: teller.istio-system,"
            f" instances: [{name}], name: out}}]{', ' + headers if self.header else ''}}}"
        )
        return own + "---\n" + document("rule", name, self.namespace, spec)

    def _instance(self) -> str:
        match self.template:
            case "listentry" | "lookup":
                field_name = "value" if self.template == "listentry" else "key"
                params = f"{{{field_name}: '{self.value}'}}"
            case "authorization":
                params = f"{{subject: {{properties: {{all: '{self.value}'}}}}}}"
            case _:
                return (
                    f"{{compiledTemplate: kubernetes, params: {{source_uid: '{self.value}'}},"
                    " attributeBindings: {made: $out.source_pod_name,"
                    " labels: $out.source_labels, destination.namespace:"
                    " $out.destination_namespace}}"
                )
        return f"{{compiledTemplate: {self.template}, params: {params}}}"


NAMESPACES: Final = st.sampled_from(["istio-system", "shop", "bank"])
HEADERS: Final = st.sampled_from(["", *TEXTS])
rules = st.one_of(
    st.builds(
        RuleText, NAMESPACES, conditions, st.just("listentry"), st.sampled_from(TEXTS), HEADERS
    ),
    st.builds(RuleText, NAMESPACES, conditions, st.just("authorization"), st.sampled_from(VALUES)),
    st.builds(
        RuleText,
        NAMESPACES,
        conditions,
        st.just("lookup"),
        st.sampled_from(TEXTS),
        st.sampled_from(["", "out.output.value", 'out.output.value + (s | "")']),
    ),
    st.builds(RuleText, NAMESPACES, conditions, st.just("kubernetes"), st.sampled_from(TEXTS)),
)
policies = st.lists(rules, min_size=1, max_size=4)


@dataclass(slots=True)
class World:
    """A running engine whose rules can be changed one by one."""

    running: RunningEngine
    memory: ResolveMemory = field(default_factory=ResolveMemory)
    files: dict[str, str] = field(default_factory=dict)

    @property
    def engine(self) -> Engine:
        return self.running.engine

    async def apply(self, texts: list[RuleText], *, salt: str = "") -> None:
        """Only what differs from before is made anew."""
        handler = document(
            "handler",
            "teller",
            "istio-system",
            f"{{compiledAdapter: teller, params: {{salt: '{salt}'}}}}",
        )
        files = {"words.yaml": MANIFEST, "teller.yaml": handler}
        files |= {f"{index}.yaml": each.text(f"r{index}") for index, each in enumerate(texts)}
        snapshot = self._resolved(files)
        assert [each for each in snapshot.problems if each.severity is Severity.ERROR] == []
        await self.running.reloader.apply(snapshot)

    def _resolved(self, files: Mapping[str, str]) -> Snapshot:
        loaded = combine(parse_file(files[name].encode(), name) for name in sorted(files))
        templates = {each.name: each for each in (*BUILTIN_TEMPLATES, LOOKUP)}
        return resolve(
            loaded, adapters=self.running.adapters, templates=templates, memory=self.memory
        )


def in_world(use: Callable[[World], Awaitable[None]]) -> None:
    """Run an async function of a `World` in virtual time."""

    async def main() -> None:
        clock = clock_of_running_loop()
        async with running_engine(
            {}, adapters=[TELLER], templates=[LOOKUP], clock=clock
        ) as running:
            await use(World(running))

    run_in_virtual_time(main())


# ------------------------------------------------------------ requests

STRINGS: Final = st.sampled_from(["a", "b", "", "k", "k\0k"])
MAPS: Final = st.dictionaries(st.sampled_from(["k", "k2", "a", "", "b"]), STRINGS, max_size=3).map(
    PlainStringMap
)
ODD: Final[st.SearchStrategy[Value]] = st.sampled_from(
    ["a", 1, 1.0, True, b"\1\2\3\4", Timestamp(0), Duration(1), PlainStringMap(k="a")]
)
PRESENT: Final[Mapping[str, st.SearchStrategy[Value]]] = {
    "context.reporter.kind": st.sampled_from(["inbound", "outbound", "other"]),
    "source.namespace": st.sampled_from(["shop", "bank", "none"]),
    "destination.namespace": st.sampled_from(["shop", "bank", "none"]),
    "s": STRINGS,
    "s2": STRINGS,
    "made": STRINGS,
    "num": st.sampled_from([0, 1]),
    "d": st.sampled_from([0.0, -0.0, float("nan"), 1.0]),
    "flag": st.booleans(),
    "ip": st.sampled_from([b"\1\2\3\4", b"\1\2\3\5"]),
    "t": st.sampled_from([Timestamp(0), Timestamp(1)]),
    "m": MAPS,
    "h": MAPS,
    "labels": MAPS,
}


@st.composite
def bags(draw: st.DrawFn) -> PlainBag:
    bag = PlainBag()
    for name, values in PRESENT.items():
        match draw(st.integers(0, 9)):
            case 0 | 1 | 2:
                pass
            case 3 if name in {"m", "h", "s", "num"}:
                bag[name] = draw(ODD)
            case _:
                bag[name] = draw(values)
    return bag


@st.composite
def pairs_of_bags(draw: st.DrawFn) -> tuple[PlainBag, PlainBag]:
    """Two requests that agree on most."""
    first = draw(bags())
    other = draw(bags())
    second = PlainBag(first)
    for name in draw(st.sets(st.sampled_from(sorted(PRESENT)), max_size=3)):
        second.pop(name, None)
        if name in other:
            second[name] = other[name]
    return first, second


class WatchedBag:
    """Notes all that is read of a request, with what was found. Knows nothing of keys."""

    def __init__(self, bag: PlainBag) -> None:
        self._bag = bag
        self.read: list[tuple[object, ...]] = []

    def __getitem__(self, name: str) -> Value | None:
        value = self._bag[name]
        if isinstance(value, PlainStringMap):
            self.read.append((name, "a map"))
            return WatchedMap(name, value, self.read)
        self.read.append((name, type(value), _bits(value)))
        return value

    def names(self) -> Iterator[str]:
        return self._bag.names()


class WatchedMap:
    """The same of a string map."""

    def __init__(self, name: str, entries: PlainStringMap, read: list[tuple[object, ...]]) -> None:
        self._name = name
        self._entries = entries
        self._read = read

    def __getitem__(self, key: str) -> str | None:
        entry = self._entries[key]
        self._read.append((self._name, key, entry))
        return entry

    def whole(self) -> Mapping[str, str]:
        self._read.append((self._name, sorted(self._entries.items())))
        return self._entries


@dataclass(frozen=True, slots=True)
class Seen:
    """What an engine did with a request."""

    read: list[tuple[object, ...]]
    outcome: CheckOutcome | str
    """A text for a failure."""


def ask(engine: Engine, bag: PlainBag) -> Seen:
    watched = WatchedBag(bag)
    try:
        outcome = engine.check_now(CheckRequest(watched))
    except PolicyError as error:
        return Seen(watched.read, error.message)
    assert outcome is not None
    return Seen(watched.read, outcome)


# ------------------------------------------------------------ the laws


@settings(max_examples=100, deadline=None)
@given(policies, st.lists(pairs_of_bags(), min_size=1, max_size=12))
def test_two_requests_share_a_key_exactly_when_the_same_is_read_of_both(
    texts: list[RuleText], pairs: list[tuple[PlainBag, PlainBag]]
) -> None:
    async def law(world: World) -> None:
        await world.apply(texts)
        for first, second in pairs:
            one, other = ask(world.engine, first), ask(world.engine, second)
            if isinstance(one.outcome, str):
                continue
            shape = Shape(one.outcome.references, serial=1)
            key = shape.key_of(first)
            assert key is not None
            share = key == shape.key_of(second)
            assert share == (one.read == other.read)
            if share:
                assert one.outcome == other.outcome
                assert world.engine.place_of(first) == world.engine.place_of(second)

    in_world(law)


@dataclass(frozen=True, slots=True)
class Ask:
    """Two requests, the first of them twice."""

    bags: tuple[PlainBag, PlainBag]


@dataclass(frozen=True, slots=True)
class Again:
    """A request of before."""

    back: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Time passes."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Change:
    """One rule becomes another."""

    index: int
    rule: RuleText


@dataclass(frozen=True, slots=True)
class Salt:
    """The handler becomes another."""

    salt: str


Step: TypeAlias = Ask | Again | Wait | Change | Salt
steps = st.lists(
    st.one_of(
        st.builds(Ask, pairs_of_bags()),
        st.builds(Again, st.integers(0, 20)),
        st.builds(Wait, st.sampled_from([0.1, 1.0, 20.0])),
        st.builds(Change, st.integers(0, 3), rules),
        st.builds(Salt, st.sampled_from(["", "x"])),
    ),
    min_size=5,
    max_size=40,
)


@dataclass(slots=True)
class Comparison:
    """One engine, asked with a memory before it and without."""

    world: World
    cached: CachedMixer
    rules: list[RuleText]
    keeps: bool
    salt: str = ""
    asked: list[PlainBag] = field(default_factory=lambda: [PlainBag()])

    async def take(self, step: Step) -> None:
        match step:
            case Ask(bags=(first, second)):
                self.asked += (first, second)
                for bag in (first, second, first):
                    self.compare(bag)
            case Again(back=back):
                self.compare(self.asked[-1 - back % len(self.asked)])
            case Wait(seconds=seconds):
                clock_of_running_loop().advance(seconds)
            case Change(index=index, rule=rule):
                self.rules[index % len(self.rules)] = rule
                await self.world.apply(self.rules, salt=self.salt)
            case Salt(salt=salt):
                self.salt = salt
                await self.world.apply(self.rules, salt=salt)
            case _:
                assert_never(step)

    def compare(self, bag: PlainBag) -> None:
        expected = ask(self.world.engine, bag).outcome
        request = CheckRequest(bag, keeps_answer=self.keeps)
        if isinstance(expected, str):
            with pytest.raises(PolicyError) as raised:
                self.cached.check_now(request)
            assert raised.value.message == expected
            return
        outcome = self.cached.check_now(request)
        assert outcome is not None
        assert verdict(outcome) == verdict(expected)
        assert 0 <= outcome.valid_duration <= expected.valid_duration or not self.keeps


@settings(max_examples=60, deadline=None)
@given(policies, steps, st.sampled_from([1, 3, 100]), st.booleans())
def test_a_mixer_that_remembers_answers_as_one_that_does_not(
    texts: list[RuleText],
    steps: list[Step],
    max_shapes: int,
    keeps: bool,  # noqa: FBT001  drawn
) -> None:
    async def law(world: World) -> None:
        await world.apply(texts)
        cached = remembering(world.engine, max_shapes=max_shapes)
        comparison = Comparison(world, cached, [*texts], keeps)
        for step in steps:
            await comparison.take(step)

    in_world(law)


def remembering(engine: Engine, **changed: int) -> CachedMixer:
    return CachedMixer(
        engine,
        settings=replace(CacheSettings(), **changed),
        policies=engine,
        clock=clock_of_running_loop(),
        random=Random(1),
    )


def verdict(outcome: CheckOutcome) -> object:
    """All that a request feels."""
    return outcome.status, outcome.directive, outcome.decisions, outcome.references


# ------------------------------------------------------------ nothing may be left out


@dataclass(frozen=True, slots=True)
class Omission:
    """A policy, and two requests that differ in one thing that it reads."""

    rule: RuleText
    reference: Reference
    first: Mapping[str, Value | Mapping[str, str]]
    second: Mapping[str, Value | Mapping[str, str]]


def listed(value: str, match: str = "") -> RuleText:
    return RuleText("istio-system", match, "listentry", value)


OMISSIONS: Final = {
    "a value": Omission(listed("s"), Reference("s", None, Condition.EXACT), {"s": "a"}, {"s": "b"}),
    "an absence": Omission(
        listed('s | "b"'), Reference("s", None, Condition.ABSENCE), {}, {"s": "a"}
    ),
    "an entry of a map": Omission(
        listed('m["k"] | "x"'),
        Reference("m", "k", Condition.EXACT),
        {"m": {"k": "a"}},
        {"m": {"k": "b"}},
    ),
    "the absence of an entry": Omission(
        listed('m["k"] | "x"'),
        Reference("m", "k", Condition.ABSENCE),
        {"m": {}},
        {"m": {"k": "a"}},
    ),
    "the absence of a map": Omission(
        listed('m["k"] | "x"'),
        Reference("m", None, Condition.ABSENCE),
        {},
        {"m": {"k": "a"}},
    ),
    "a whole map": Omission(
        RuleText("istio-system", "", "authorization", "m"),
        Reference("m", None, Condition.EXACT),
        {"m": {"k": "a"}},
        {"m": {"k": "b"}},
    ),
    "the presence of a map": Omission(
        listed('(m | h)[s] | "x"'),
        Reference("m", None, Condition.PRESENCE),
        {"m": {}},
        {"h": 5},  # no map: the instance cannot be made
    ),
    "the direction": Omission(
        RuleText("shop", "", "listentry", '"x"'),
        Reference("context.reporter.kind", None, Condition.ABSENCE),
        {"destination.namespace": "shop"},
        {"destination.namespace": "shop", "context.reporter.kind": "other"},
    ),
    "the namespace": Omission(
        RuleText("shop", "", "listentry", '"x"'),
        Reference("destination.namespace", None, Condition.EXACT),
        {"destination.namespace": "shop"},
        {"destination.namespace": "none"},
    ),
    "what only a header reads": Omission(
        replace(listed('"allowed"'), header='s | "none"'),
        Reference("s", None, Condition.EXACT),
        {"s": "a"},
        {"s": "b"},
    ),
    "what only a generator reads": Omission(
        RuleText("istio-system", "", "kubernetes", 's | "x"'),
        Reference("s", None, Condition.EXACT),
        {"s": "a"},
        {"s": "b"},
    ),
}


@pytest.mark.parametrize("name", OMISSIONS)
def test_a_key_without_any_one_reference_would_answer_wrongly(name: str) -> None:
    omission = OMISSIONS[name]

    async def law(world: World) -> None:
        shown = RuleText("istio-system", "", "listentry", 'made | "-"')
        await world.apply([omission.rule, *([shown] if "generator" in name else [])])
        first, second = plain_bag(omission.first), plain_bag(omission.second)
        one, other = ask(world.engine, first).outcome, ask(world.engine, second).outcome
        assert isinstance(one, CheckOutcome)
        assert isinstance(other, str) or verdict(one) != verdict(other)
        assert omission.reference in one.references
        assert not shares_key(one.references, first, second)
        assert shares_key(one.references - {omission.reference}, first, second)

    in_world(law)


def shares_key(references: frozenset[Reference], first: Bag, second: Bag) -> bool:
    shape = Shape(references, serial=1)
    key = shape.key_of(first)
    return key is not None and key == shape.key_of(second)


def test_whatever_is_new_in_a_request_must_be_thought_of_here() -> None:
    in_keys = {"bag"}
    granted_each_time = {"quotas", "deduplication_id"}
    not_of_the_verdict = {"deadline", "keeps_answer", "is_renewal"}
    of_answers_never_kept = {"last_good"}
    known = in_keys | granted_each_time | not_of_the_verdict | of_answers_never_kept
    assert {each.name for each in fields(CheckRequest)} == known


def test_a_map_that_is_read_is_a_string_map() -> None:
    watched: StringMap = WatchedMap("m", PlainStringMap(), [])
    assert watched["k"] is None
