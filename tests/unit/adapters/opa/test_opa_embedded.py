"""`opa` with a policy of its own: parameters, the dialect of 2019, results, an engine that dies."""

import json
from dataclasses import replace
from typing import Any

import pytest

from remixer.adapters.opa import INFO, Opa, Params
from remixer.adapters.opa.documents import document_of, encode_input
from remixer.adapters.opa.embedded import EmbeddedPolicy
from remixer.adapters.opa.params import MOST_POLICY_BYTES
from remixer.attributes.values import Duration, PlainStringMap, Timestamp
from remixer.drivers.rego.dialect import modernise
from remixer.drivers.rego.results import Decided, Failed, PolicyFaultError, Undecided
from remixer.sdk import Action, Authorization, CheckResult, Code, Int32, Status, Subject
from remixer.testing.adapters import AdapterHarness, RejectedParamsError
from remixer.testing.clock import in_virtual_time

_METHOD = "data.m.allow"
_ANN = Authorization("a", Subject("ann", "staff"), Action("shop", "cart", "GET", "/items"))
_DENIED = Status(Code.PERMISSION_DENIED, "opa: request was rejected")


def _params(*rules: str, **changes: Any) -> Params:
    values = {"policy": ("package m\n" + "\n".join(rules),), "check_method": _METHOD}
    return Params(**(values | changes))


async def _asked(harness: AdapterHarness, *rules: str, **changes: Any) -> CheckResult:
    handler: Opa = await harness.build(INFO, _params(*rules, **changes))
    return await handler.check(_ANN)


@pytest.mark.parametrize("user", ['a"b', "a\\b", "a\tb"])
@pytest.mark.parametrize("fail_close", [True, False])
@in_virtual_time
async def test_a_text_that_the_engine_misjudges_is_denied_where_functions_look_at_texts(
    user: str, *, fail_close: bool
) -> None:
    caller = replace(_ANN, subject=Subject(user))
    async with AdapterHarness() as harness:
        policy = "allow { not long }\nlong { count(input.subject.user) == 3 }"
        looking: Opa = await harness.build(INFO, _params(policy, fail_close=fail_close))
        doubted = await looking.check(caller)
        assert doubted.status.code is Code.PERMISSION_DENIED
        assert "misjudges" in doubted.status.message
        same = "allow { input.subject.user == " + json.dumps(user) + " }"
        comparing: Opa = await harness.build(INFO, _params(same, fail_close=fail_close))
        assert (await comparing.check(caller)).status.is_ok


# ---------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("changes", "path", "reason"),
    [
        ({"check_method": ""}, "check_method", "is missing"),
        ({"check_method": "data.allow"}, "check_method", "is no rule"),
        ({"check_method": "data.m.allow; data[x]"}, "check_method", "is no rule"),
        ({"policy": ()}, "policy", "is missing"),
        ({"policy": ("x" * (MOST_POLICY_BYTES + 1),)}, "policy", "is longer than"),
        ({"policy": ("package m", "package m\n\nallow { := }")}, "policy[1]", "line 3: Invalid"),
        (
            {"policy": ('package m\nallow { net.cidr_contains("a", "b") }',)},
            "policy[0]",
            "line 2: the embedded engine has no function `net.cidr_contains`",
        ),
        ({"timeout": Duration(0)}, "timeout", "0s is not above 0s"),
        ({"caching_duration": Duration(-1)}, "caching_duration", "is negative"),
        ({"caching_use_count": Int32(5)}, "caching_duration", "is 0 while its companion is not"),
        ({"bearer_token_file": "x"}, "bearer_token_file", "is of no use"),
        ({"server_url": "http://opa.test"}, "policy", "is given, and `server_url` too"),
        ({"server_url": "opa:8181", "policy": ()}, "server_url", "is not an HTTP address"),
    ],
)
@in_virtual_time
async def test_faulty_parameters_are_told(changes: dict[str, Any], path: str, reason: str) -> None:
    async with AdapterHarness() as harness:
        with pytest.raises(RejectedParamsError) as caught:
            await harness.build(INFO, _params("allow { true }", **changes))
        assert any(
            each.path == path and reason in each.message for each in caught.value.problems
        ), caught.value


@pytest.mark.parametrize("rule", ["allow { := }", "allow { data[x].foo }", "allow { foo(1) }"])
@in_virtual_time
async def test_fail_close_remembers_a_fault_of_the_policy_and_denies(rule: str) -> None:
    async with AdapterHarness() as harness:
        result = await _asked(harness, rule, fail_close=True)
        assert result == CheckResult(_DENIED)


@pytest.mark.parametrize("rule", ["allow { data[x].foo }", "allow { foo(1) }"])
@in_virtual_time
async def test_a_policy_that_does_not_compile_has_no_handler(rule: str) -> None:
    async with AdapterHarness() as harness:
        with pytest.raises(PolicyFaultError, match="does not compile"):
            await harness.build(INFO, _params(rule))


# ---------------------------------------------------------------- results


@pytest.mark.parametrize(
    ("rule", "opened", "closed"),
    [
        ("allow { true }", CheckResult(), CheckResult()),
        ("allow = false { true }", CheckResult(_DENIED), CheckResult(_DENIED)),
        ("default allow = false", CheckResult(_DENIED), CheckResult(_DENIED)),
        ("allow { input.nobody }", CheckResult(), CheckResult(_DENIED)),
        ('allow = "yes" { true }', CheckResult(), CheckResult(_DENIED)),
        ("allow = 1 { true }", CheckResult(), CheckResult(_DENIED)),
        ("deny { true }", CheckResult(), CheckResult(_DENIED)),
    ],
)
@in_virtual_time
async def test_results_become_verdicts(rule: str, opened: CheckResult, closed: CheckResult) -> None:
    async with AdapterHarness() as harness:
        assert await _asked(harness, rule) == opened
        assert await _asked(harness, rule, fail_close=True) == closed


@in_virtual_time
async def test_an_evaluation_error_is_told_when_closed() -> None:
    rules = ("allow = true { input.action }", "allow = false { input.action }")
    async with AdapterHarness() as harness:
        result = await _asked(harness, *rules, fail_close=True)
        assert result.status.code is Code.PERMISSION_DENIED
        assert result.status.message.startswith("opa: request was rejected. err: ")
        assert await _asked(harness, *rules) == CheckResult()


@in_virtual_time
async def test_verdicts_carry_the_lifetime_given_but_failures_never() -> None:
    lifetime = {"caching_duration": Duration(5), "caching_use_count": Int32(7)}
    async with AdapterHarness() as harness:
        allowed = await _asked(harness, "allow { true }", **lifetime)
        assert allowed == CheckResult(Status(Code.OK), Duration(5), 7)
        denied = await _asked(harness, "default allow = false", **lifetime)
        assert denied == CheckResult(_DENIED, Duration(5), 7)
        failed = await _asked(harness, "allow { input.x }", fail_close=True, **lifetime)
        assert failed == CheckResult(_DENIED)


@in_virtual_time
async def test_broken_text_and_numbers_are_failures() -> None:
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _params("allow { true }", fail_close=True))
        for value in ("\udc80", float("nan")):
            result = await handler.check(Authorization("a", Subject(properties={"x": value})))
            assert "the instance is not JSON" in result.status.message


# ---------------------------------------------------------------- input


def test_only_members_with_content_are_in_the_input() -> None:
    assert document_of(Authorization("a")) == {"action": {}, "subject": {}}
    assert document_of(_ANN) == {
        "action": {"namespace": "shop", "service": "cart", "method": "GET", "path": "/items"},
        "subject": {"user": "ann", "groups": ["staff"]},
    }


def test_properties_keep_their_types() -> None:
    properties = {
        "text": "a",
        "integer": 2**62,
        "double": 1.5,
        "boolean": False,
        "address": b"\x0a\x00\x00\x01",
        "instant": Timestamp(1_622_505_600_500_000_000),
        "whole": Timestamp(1_622_505_600_000_000_000),
        "duration": Duration(1_500),
        "map": PlainStringMap({"k": "v"}),
    }
    document = document_of(Authorization("a", Subject(properties=properties)))
    assert document["subject"] == {
        "properties": {
            "text": "a",
            "integer": 2**62,
            "double": 1.5,
            "boolean": False,
            "address": "10.0.0.1",
            "instant": "2021-06-01T00:00:00.5Z",
            "whole": "2021-06-01T00:00:00Z",
            "duration": 1_500,
            "map": {"k": "v"},
        }
    }


@pytest.mark.parametrize(
    ("user", "literal", "is_equal"),
    [
        ('a"b', '"a\\"b"', True),
        ("a\\b", "`a\\b`", True),
        ("\\u0061nn", '"ann"', False),
        ("\\n", '"\\n"', False),
        ("ann\x00x", '"ann"', False),
        ("é😀", '"\\u00e9\\ud83d\\ude00"', True),
        ("a\nb", '"a\\nb"', True),
    ],
)
async def test_text_is_compared_as_what_it_says_not_as_it_is_spelled(
    user: str, literal: str, *, is_equal: bool
) -> None:
    module = f"package m\ndefault allow = false\nallow {{ input.subject.user == {literal} }}"
    policy = EmbeddedPolicy((module,), _METHOD, timeout_s=5)
    try:
        await policy.start()
        document = encode_input(Authorization("a", Subject(user)))
        assert await policy.evaluate(document) == Decided(is_equal)
    finally:
        await policy.aclose()


# ---------------------------------------------------------------- the dialect of 2019


@pytest.mark.parametrize(
    "rules",
    [
        'allow { deny[_] == "x" }\ndeny[msg] { msg := "x" }',
        'allow { deny[_] == "x" }\ndeny["x"]',
        'allow { deny[_] == "y"; deny[_] == "x" }\ndeny[m] { m := "x" } { m := "y" }',
        'allow { deny == {"x"} }\ndeny[m] # why\n{ m := "x" }',
        'allow { m["k"] == 3 }\nm[k] = v { k = "k"; v = 3 }',
        'allow { re_match("^/i", input.action.path) }',
        "allow { any([false, true]); not all([true, false]); all([true]); not any([]) }",
        'allow = x { x := any(["a", true]) }',
        "import input.action as act\nallow = true { act.method = `GET` } else = false { true }",
        'allow if { some g in input.subject.groups; g == "staff" }',
        'allow { input.subject.groups[_] = staff[_] }\nstaff = {"staff", "ops"}',
        'allow { not forbidden }\nforbidden { input.subject.user == "eve" }',
    ],
)
async def test_policies_of_2019_and_of_today_mean_what_they_meant(rules: str) -> None:
    policy = EmbeddedPolicy((f"package m\n{rules}",), _METHOD, timeout_s=5)
    try:
        await policy.start()
        assert await policy.evaluate(encode_input(_ANN)) == Decided(is_allowed=True)
    finally:
        await policy.aclose()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("deny[x] { x := 1 }", "deny contains x  { x := 1 }"),
        ("a { b[x] }\nc[d[1]] { d := [1] }", "a { b[x] }\nc contains d[1]  { d := [1] }"),
        ("# deny[x] {\nx = a[1]\n", "# deny[x] {\nx = a[1]\n"),
        ('a { x == "deny[y] {" }', 'a { x == "deny[y] {" }'),
        ("import rego.v1\ndeny[x] { x := 1 }", "import rego.v1\ndeny[x] { x := 1 }"),
        ("deny[x] if { x := 1 }", "deny[x] if { x := 1 }"),
        ('a { b == "\\u0061" ; c = `\\` }', 'a { b == "a" ; c = "\\\\" }'),
        ('broken " { [ `', 'broken " { [ `'),
    ],
)
def test_only_what_changed_its_meaning_is_rewritten(before: str, after: str) -> None:
    assert modernise(before) == after


# ---------------------------------------------------------------- an engine in trouble

_LONG = """package m
allow { x = numbers.range(0, input.n); y := [z | z := x[_]; x[_] = z]; count(y) > 3 }"""


async def test_an_evaluation_that_takes_too_long_is_ended_and_the_next_one_is_fine() -> None:
    policy = EmbeddedPolicy((_LONG,), _METHOD, timeout_s=0.2)
    try:
        await policy.start()
        failed = await policy.evaluate(b'{"n": 5000}')
        assert failed == Failed("the policy engine: no answer within 0.2 s")
        policy._timeout_s = 60
        assert await policy.evaluate(b'{"n": 5}') == Decided(is_allowed=True)
        assert policy.starts == 2
    finally:
        await policy.aclose()


async def test_an_engine_that_was_killed_is_started_again() -> None:
    policy = EmbeddedPolicy(("package m\nallow { input.x }",), _METHOD, timeout_s=60)
    try:
        await policy.start()
        child = policy._child._child
        assert child is not None
        child.kill()
        child.wait()
        assert isinstance(await policy.evaluate(b"{}"), Failed)
        assert await policy.evaluate(b"{}") == Undecided()
    finally:
        await policy.aclose()


async def test_after_closing_there_is_no_answer() -> None:
    policy = EmbeddedPolicy(("package m\nallow { true }",), _METHOD, timeout_s=5)
    await policy.start()
    await policy.aclose()
    await policy.aclose()
    assert await policy.evaluate(b"{}") == Failed("the policy engine: it is closed")
