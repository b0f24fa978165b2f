"""Compiled checks: what is compiled, what is kept, and where the interpreter stands in."""

import ast
import logging
import traceback
from dataclasses import replace

import pytest

from remixer.adapters.denier import INFO as DENIER
from remixer.adapters.listchecker import INFO as LISTCHECKER
from remixer.attributes.bag import PlainBag, plain_bag
from remixer.attributes.values import Duration
from remixer.foundation.deadline import Deadline
from remixer.foundation.errors import CheckFailedError
from remixer.foundation.status import Status
from remixer.mixer.outcome import CheckOutcome, Provenance
from remixer.mixer.request import CheckRequest
from remixer.observability.metrics import RuntimeMetrics
from remixer.runtime import function_writer
from remixer.runtime.check_code import (
    MAX_PARTS,
    CheckCode,
    CheckFunction,
    write_check,
)
from remixer.runtime.compiled_check import MAX_KEPT
from remixer.runtime.compiled_checks import MAX_COMPILED, CompiledChecks, Later
from remixer.runtime.engine import Engine
from remixer.runtime.function_writer import MOST_NODES, NotWritableError
from remixer.runtime.guard import Guard
from remixer.runtime.metrics import NoMetrics
from remixer.runtime.slices import Work, done_now
from remixer.runtime.step_index import FEWEST_INDEXED
from remixer.sdk.adapter import AnyAdapterInfo
from remixer.testing.clock import VirtualClock
from remixer.testing.engine import RunningEngine, running_engine
from remixer.testing.scripted import Journal, scripted_adapters
from remixer.testing.texts import (
    DENY,
    NOTHING,
    VOCABULARY,
    action,
    handler,
    instance,
    rule,
)

BASE = VOCABULARY + NOTHING + handler("h") + instance("who", "listentry", "value: user")
DENIED = VOCABULARY + NOTHING + handler("d", DENY, adapter="denier")


def adapters() -> tuple[AnyAdapterInfo, ...]:
    return (*scripted_adapters(Journal()), DENIER, LISTCHECKER)


def request(namespace: str = "shop", **attributes: str) -> CheckRequest:
    return CheckRequest(plain_bag({"destination.namespace": namespace, **attributes}))


def remembered() -> CheckOutcome:
    """An answer of before that may stand in."""
    return CheckOutcome(Status(), Duration(1), 1, frozenset())


def asked(engine: Engine, of: CheckRequest) -> CheckOutcome:
    outcome = engine.check_now(of)
    assert outcome is not None
    return outcome


def code_of(running: RunningEngine, namespace: str = "shop") -> CheckCode:
    """What is written for a namespace; raises `NotWritableError`."""
    generation = running.engine.generation
    route = generation.routes.by_namespace[namespace]
    guard = Guard(clock=VirtualClock(), metrics=NoMetrics(), adapter_timeout_s=1.0)
    return done_now(write_check(route, generation.snapshot.vocabulary, guard))


# ------------------------------------------------------------ outcomes that are given again


async def test_requests_decided_alike_get_the_same_outcome() -> None:
    text = DENIED + rule("r", action("d", "nothing"), match='user != ""')
    async with running_engine({"a": text}, adapters=adapters()) as running:
        first = asked(running.engine, request(user="al"))
        second = asked(running.engine, request(user="bo"))
        absent = asked(running.engine, request())
    assert first is second
    assert not first.status.is_ok
    assert absent.status.is_ok


async def test_reads_that_differ_give_outcomes_that_differ() -> None:
    text = DENIED + rule("r", action("d", "nothing"), match='(user | source.namespace | "") != "-"')
    async with running_engine({"a": text}, adapters=adapters()) as running:
        by_user = asked(running.engine, request(user="al"))
        by_source = asked(running.engine, request(**{"source.namespace": "al"}))
    assert {each.name for each in by_source.references - by_user.references} == {
        "user",
        "source.namespace",
    }
    assert by_user.decisions == by_source.decisions


async def test_answers_that_differ_give_outcomes_that_differ() -> None:
    text = VOCABULARY + instance("who", "listentry", "value: user")
    text += handler("l", "overrides: [al]", adapter="listchecker") + rule("r", action("l", "who"))
    async with running_engine({"a": text}, adapters=adapters()) as running:
        seen = [asked(running.engine, request(user=user)) for user in ("al", "bo", "al")]
    assert [each.status.is_ok for each in seen] == [True, False, True]
    assert seen[0] is seen[2]


async def test_values_of_headers_make_outcomes_differ() -> None:
    more = "requestHeaderOperations: [{name: x-user, values: [user]}]"
    text = BASE + rule("r", more=more)
    async with running_engine({"a": text}, adapters=adapters()) as running:
        seen = [asked(running.engine, request(user=user)) for user in ("al", "bo", "al")]
    assert seen[0] is seen[2]
    values = [each.directive.request_header_operations[0].value for each in seen if each.directive]
    assert values == ["al", "bo", "al"]


async def test_what_is_kept_is_bounded_and_stays_right() -> None:
    more = "requestHeaderOperations: [{name: x-user, values: [user]}]"
    text = BASE + rule("r", more=more)
    async with running_engine({"a": text}, adapters=adapters()) as running:
        first = asked(running.engine, request(user="u0"))
        for number in range(1, MAX_KEPT):
            asked(running.engine, request(user=f"u{number}"))
        assert asked(running.engine, request(user="u0")) is first
        asked(running.engine, request(user="one more"))
        again = asked(running.engine, request(user="u0"))
    assert again is not first
    assert again == first


async def test_an_outcome_in_which_something_stood_in_is_not_given_again() -> None:
    """A call that comes too late fails with the same object each time."""
    text = BASE + rule("r", action("h", "nothing"))
    text += policy("FailurePolicy", "handlers: [h], onFailure: [stale, open]")
    late, good = replace(request(), deadline=Deadline(-1.0)), remembered()
    async with running_engine({"a": text}, adapters=adapters()) as running:
        code_of(running)
        opened = asked(running.engine, late)
        stale = asked(running.engine, replace(late, last_good=good))
        decided = asked(running.engine, request())
        again = asked(running.engine, late)
    assert [each.provenance for each in (opened, stale, decided, again)] == [
        Provenance.SUBSTITUTE,
        Provenance.STALE,
        Provenance.COMPUTED,
        Provenance.SUBSTITUTE,
    ]
    assert again is not opened


async def test_headers_after_something_stood_in_are_not_those_of_a_denial() -> None:
    more = "requestHeaderOperations: [{name: x-user, values: [user]}]"
    text = BASE + rule("r", action("h", "nothing"), more=more)
    text += policy("FailurePolicy", "handlers: [h], onFailure: [stale, closed]")
    late, good = replace(request(user="al"), deadline=Deadline(-1.0)), remembered()
    async with running_engine({"a": text}, adapters=adapters()) as running:
        code_of(running)
        closed = asked(running.engine, late)
        stale = asked(running.engine, replace(late, last_good=good))
        decided = asked(running.engine, request(user="al"))
    assert (closed.status.is_ok, closed.directive) == (False, None)
    assert (stale.provenance, stale.directive) == (Provenance.STALE, None)
    assert (decided.provenance, decided.directive is None) == (Provenance.COMPUTED, False)


# ------------------------------------------------------------ what is compiled


def rules(count: int) -> str:
    """Each is two parts."""
    return "".join(rule(f"r{number}", action("h", "nothing")) for number in range(count))


async def test_a_route_is_compiled_up_to_its_most_parts() -> None:
    async with running_engine({"a": BASE + rules(MAX_PARTS // 2)}, adapters=adapters()) as running:
        code_of(running)
        await running.apply({"a": BASE + rules(MAX_PARTS // 2 + 1)})
        with pytest.raises(NotWritableError):
            code_of(running)
        assert len(asked(running.engine, request()).decisions) == MAX_PARTS // 2 + 1


@pytest.fixture
def compiled_nodes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many nodes each call of Python's `compile` was given."""
    counts: list[int] = []

    def counted(module: ast.Module, name: str, mode: str) -> object:
        counts.append(sum(1 for _ in ast.walk(module)))
        return compile(module, name, mode)

    monkeypatch.setattr(function_writer, "compile", counted, raising=False)
    return counts


async def test_a_small_route_is_compiled_at_once(compiled_nodes: list[int]) -> None:
    async with running_engine({"a": BASE + rules(5)}, adapters=adapters()) as running:
        code_of(running)
    assert len(compiled_nodes) == 1


async def test_a_large_route_is_compiled_bit_by_bit(compiled_nodes: list[int]) -> None:
    long = 'user != "a#" && (source.namespace | "b#") != "c#" && user.startsWith("d#") == false'
    text = "".join(
        rule(f"r{number}", action("h", "who"), match=long.replace("#", str(number)))
        for number in range(MAX_PARTS // 2)
    )
    async with running_engine({"a": BASE + text}, adapters=adapters()) as running:
        assert running.engine.generation.snapshot.problems == ()
        code_of(running)
        assert asked(running.engine, request(user="al")).status.is_ok
    # What cannot be divided: the skeleton, in which each call is named a few times.
    assert max(compiled_nodes) <= MOST_NODES + 1_200
    assert sum(compiled_nodes) > 5 * MOST_NODES


def policy(kind: str, spec: str) -> str:
    return f"\nkind: {kind}\nmetadata: {{name: p, namespace: shop}}\nspec: {{{spec}}}\n---\n"


@pytest.mark.parametrize(
    "more",
    [
        handler("w", adapter="waiting") + rule("s", action("w", "nothing")),
        rule("s", action("h", "nothing"), match='request.headers[user] == "x"'),
        instance("pod", "kubernetes") + rule("s", action("h", "pod")),
        policy("FailurePolicy", "handlers: [h], breaker: {consecutiveFailures: 1}"),
        policy("CachePolicy", "rules: [s], maxAge: 1s")
        + rule("s", more="requestHeaderOperations: [{name: x, values: [user]}]"),
    ],
    ids=["waits", "computed key", "generator", "breaker", "policy of headers"],
)
async def test_what_cannot_be_told_in_advance_is_interpreted(more: str) -> None:
    text = BASE + rule("r", action("h", "nothing"))
    async with running_engine({"a": text}, adapters=adapters()) as running:
        code_of(running)
        await running.apply({"a": text + more})
        assert running.engine.generation.snapshot.problems == ()
        with pytest.raises(NotWritableError):
            code_of(running)


async def test_an_instance_that_cannot_be_built_is_left_to_the_interpreter() -> None:
    text = BASE + rule("r", action("h", "who"))
    async with running_engine({"a": text}, adapters=adapters()) as running:
        with pytest.raises(CheckFailedError, match="lookup failed: 'user'"):
            running.engine.check_now(request())
        assert asked(running.engine, request(user="al")).status.is_ok


async def test_generated_code_has_no_builtins() -> None:
    async with running_engine(
        {"a": BASE + rule("r", action("h", "who"))}, adapters=adapters()
    ) as running:
        assert code_of(running).known["__builtins__"] == {}


async def test_policy_text_is_data() -> None:
    crafted = "'); import os; (' + a {a} \\\\ __import__"
    text = BASE + rule(
        "r", action("h", "who"), match='user != "' + crafted.replace("'", "''") + '"'
    )
    async with running_engine({"a": text}, adapters=adapters()) as running:
        assert running.engine.generation.snapshot.problems == ()
        code_of(running)
        assert asked(running.engine, request(user=crafted.replace("\\\\", "\\"))).decisions == ()
        assert len(asked(running.engine, request(user="a")).decisions) == 1


class Broken(PlainBag):
    """A bag that cannot tell one attribute."""

    def __missing__(self, name: str) -> None:
        if name == "source.namespace":
            raise KeyError(name)


@pytest.mark.parametrize("most_nodes", [MOST_NODES, 1])
async def test_a_traceback_shows_the_policys_text(
    most_nodes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function_writer, "MOST_NODES", most_nodes)
    more = "requestHeaderOperations: [{name: x, values: [user + source.namespace]}]"
    text = BASE + rule("a", more=more, match='user == "al"')
    async with running_engine({"a": text}, adapters=adapters()) as running:
        bag = Broken({"destination.namespace": "shop", "user": "al"})
        with pytest.raises(KeyError) as caught:
            running.engine.check_now(CheckRequest(bag))
    shown = "".join(traceback.format_exception(caught.value))
    assert "compiled route" in shown
    assert "    user + source.namespace\n" in shown


# ------------------------------------------------------------ configurations that follow


class Kept:
    """Keeps what is to be done later."""

    def __init__(self) -> None:
        self.waiting: list[Work] = []

    def done(self) -> int:
        """How many pieces of work there were; does them."""
        waiting, self.waiting = self.waiting, []
        for each in waiting:
            done_now(each)
        return len(waiting)


class Watched(CompiledChecks):
    """Tells which functions it has."""

    @property
    def functions(self) -> dict[str, CheckFunction]:
        return {name: compiled.check for name, compiled in self._compiled.items()}

    @property
    def count(self) -> int:
        return self._count


def watched(running: RunningEngine, later: Later | None = None) -> Watched:
    generation = running.engine.generation
    metrics = NoMetrics()
    guard = Guard(clock=VirtualClock(), metrics=metrics, adapter_timeout_s=1.0)
    vocabulary = generation.snapshot.vocabulary
    return Watched(generation.routes, vocabulary, guard=guard, metrics=metrics, later=later)


async def test_a_route_that_no_change_touches_keeps_its_function() -> None:
    others = NOTHING.replace("shop", "bank") + handler("h", namespace="bank")
    files = {
        "shop": BASE + rule("r", action("h", "nothing")),
        "bank": others + rule("r", action("h", "nothing"), namespace="bank"),
    }
    async with running_engine(files, adapters=adapters()) as running:
        before = watched(running)
        for namespace in ("shop", "bank"):
            before.check_now(request(namespace))
        before_functions = before.functions
        snapshot = running.engine.generation.snapshot
        kept = tuple(each for each in snapshot.rules if each.namespace != "bank")
        changed = tuple(replace(each) for each in snapshot.rules if each.namespace == "bank")
        generation = await running.reloader.apply(replace(snapshot, rules=kept + changed))
        after = before.followed_by(generation.routes, generation.snapshot.vocabulary)
    assert set(before_functions) == {"shop", "bank"}
    assert isinstance(after, Watched)
    assert after.functions == {"shop": before_functions["shop"]}


async def test_of_too_many_routes_the_later_ones_are_interpreted() -> None:
    text = VOCABULARY
    for number in range(MAX_COMPILED + 1):
        text += rule(
            "r",
            namespace=f"n{number}",
            more="requestHeaderOperations: [{name: x, values: [user]}]",
        )
    async with running_engine({"a": text}, adapters=adapters()) as running:
        checks = watched(running)
        for number in range(MAX_COMPILED):
            assert checks.check_now(request(f"n{number}")) is not None
        last = request(f"n{MAX_COMPILED}")
        assert checks.check_now(last) is None
        assert asked(running.engine, last).status.is_ok


# ------------------------------------------------------------ routes of many rules


def many(count: int) -> str:
    each = 'user == "u{0}" && source.namespace != "n{0}"'
    rules = [
        rule(f"r{number}", action("d", "nothing"), match=each.format(number))
        for number in range(count)
    ]
    return DENIED + "".join(rules)


async def test_of_many_rules_those_that_may_apply_get_a_function() -> None:
    async with running_engine({"a": many(MAX_PARTS)}, adapters=adapters()) as running:
        checks = watched(running)
        for user in ("u1", "u2", "nobody", "u1", "somebody else"):
            of = request(user=user, **{"source.namespace": "x"})
            assert checks.check_now(of) == running.engine.interpreted_now(of)
        assert checks.count == 3  # for u1, for u2, and for nobody


async def test_a_route_of_many_rules_keeps_its_functions_while_nothing_changes() -> None:
    async with running_engine({"a": many(MAX_PARTS)}, adapters=adapters()) as running:
        of, work = request(user="u1", **{"source.namespace": "x"}), Kept()
        before = watched(running)
        outcome = before.check_now(of)
        generation = running.engine.generation
        after = before.followed_by(
            generation.routes, generation.snapshot.vocabulary, later=work.waiting.append
        )
        assert after.check_now(of) is outcome
        assert after.check_now(request(user="u2")) is None
        assert work.done() == 1
        assert after.check_now(request(user="u2")) is not None


async def test_functions_for_some_rules_count_among_the_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("remixer.runtime.compiled_checks.MAX_COMPILED", 2)
    async with running_engine({"a": many(MAX_PARTS)}, adapters=adapters()) as running:
        checks = watched(running)
        found = [checks.check_now(request(user=f"u{number}")) for number in range(3)]
        assert [each is None for each in found] == [False, False, True]
        assert asked(running.engine, request(user="u2")).status.is_ok


async def test_all_rules_are_interpreted_where_errors_are_shown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running_engine({"a": many(FEWEST_INDEXED)}, adapters=adapters()) as running:
        with caplog.at_level(logging.DEBUG, logger="remixer.runtime.conditions"):
            assert asked(running.engine, request()).status.is_ok
    events = [each for each in caplog.records if each.msg == "match_not_evaluated"]
    assert len(events) == FEWEST_INDEXED


# ------------------------------------------------------------ functions that are written later


async def test_the_first_request_asks_for_a_function_and_does_not_wait() -> None:
    text = DENIED + rule("r", action("d", "nothing"))
    async with running_engine({"a": text}, adapters=adapters()) as running:
        work = Kept()
        checks = watched(running, later=work.waiting.append)
        assert [checks.check_now(request()) for _ in range(3)] == [None] * 3
        assert work.done() == 1
        assert checks.check_now(request()) == running.engine.interpreted_now(request())


async def test_a_changed_route_gets_its_next_function_unasked() -> None:
    text = DENIED + rule("r", action("d", "nothing"))
    async with running_engine({"a": text}, adapters=adapters()) as running:
        work = Kept()
        before = watched(running)
        before.check_now(request())
        before.check_now(request("elsewhere"))
        await running.apply({"a": text + rule("s", action("d", "nothing"))})
        generation = running.engine.generation
        after = before.followed_by(
            generation.routes, generation.snapshot.vocabulary, later=work.waiting.append
        )
        assert work.done() == 1  # the route of all other namespaces did not change
        outcome = after.check_now(request())
    assert outcome is not None
    assert [each.rule for each in outcome.decisions] == ["r.rule.shop", "s.rule.shop"]


async def test_an_engine_answers_alike_before_and_after_functions_are_written() -> None:
    text = DENIED + rule("r", action("d", "nothing"), match='user != ""')
    async with running_engine({"a": text}, adapters=adapters(), compiles_later=True) as running:
        assert running.slices is not None
        first = asked(running.engine, request(user="al"))
        assert asked(running.engine, request(user="al")) is not first  # interpreted
        await running.slices.done()
        compiled = asked(running.engine, request(user="al"))
        assert asked(running.engine, request(user="bo")) is compiled
    assert compiled == first


async def test_a_change_of_configuration_drops_what_is_not_written_yet() -> None:
    text = DENIED + rule("r", action("d", "nothing"))
    async with running_engine({"a": text}, adapters=adapters(), compiles_later=True) as running:
        assert running.slices is not None
        asked(running.engine, request())
        await running.apply({"a": DENIED})
        await running.slices.done()
        assert asked(running.engine, request()).status.is_ok
        await running.apply({"a": text})
        asked(running.engine, request())
    # The end of the block waits for all tasks: nothing goes on.


# ------------------------------------------------------------ metrics


async def test_calls_and_destinations_are_counted_as_interpreted_ones_are() -> None:
    text = BASE + handler("i") + rule("r", action("h", "nothing", "who"), action("i", "nothing"))
    metrics = RuntimeMetrics()
    async with running_engine({"a": text}, adapters=adapters(), metrics=metrics) as running:
        for _ in range(3):
            running.engine.check_now(request(user="al"))
        compiled = metrics.render().decode()
        for _ in range(3):
            running.engine.interpreted_now(request(user="al"))
        both = metrics.render().decode()
    line = (
        'mixer_runtime_dispatches_total{adapter="scripted",error="false",handler="h.handler.shop"'
    )
    assert [each for each in compiled.splitlines() if line in each]
    assert _counts(both) == {name: 2 * count for name, count in _counts(compiled).items()}


def _counts(page: str) -> dict[str, float]:
    lines = (each.rsplit(" ", 1) for each in page.splitlines() if not each.startswith("#"))
    kinds = ("mixer_runtime_dispatches_total", "mixer_dispatcher_", "mixer_runtime_dispatch_")
    return {
        name: float(value)
        for name, value in lines
        if name.startswith(kinds) and "variety" not in name and "_created" not in name
    }
