"""Resources of kind CachePolicy and FailurePolicy: settings, selectors, and what they change."""

from dataclasses import replace

import pytest

from remixer.attributes.values import Duration
from remixer.config import codes
from remixer.config.memory import ResolveMemory
from remixer.config.policy_settings import BreakerConfig, CachePolicyConfig, FailureStep
from remixer.config.resolve import resolve
from remixer.config.resources import ParsedFile, combine, parse_file
from remixer.config.snapshot import ActionConfig, RuleConfig, Snapshot
from remixer.foundation.problems import Problem
from remixer.foundation.status import Code, Status
from remixer.sdk.adapter import AnyAdapterInfo
from remixer.templates.instances import BUILTIN_TEMPLATES
from remixer.testing.scripted import Journal, scripted_adapters
from remixer.testing.texts import EVENT, NOTHING, VOCABULARY, action, handler, instance, rule

_S = 1_000_000_000

BASE = VOCABULARY + NOTHING + handler("h") + handler("g")
BASE += instance("nothing", "checknothing", namespace="istio-system")
BASE += rule("r", action("h", "nothing")) + rule("s", action("g", "nothing"))

ADAPTERS: dict[str, AnyAdapterInfo] = {each.name: each for each in scripted_adapters(Journal())}
TEMPLATES = {each.name: each for each in BUILTIN_TEMPLATES}


def policy(kind: str, spec: str, *, name: str = "p", namespace: str = "shop") -> str:
    return f"""
apiVersion: remixer.dev/v1alpha1
kind: {kind}
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{{spec}}}
---
"""


def snapshot_of(text: str, memory: ResolveMemory | None = None) -> Snapshot:
    return snapshot_of_files([parse_file(text.encode(), "f.yaml")], memory)


def snapshot_of_files(files: list[ParsedFile], memory: ResolveMemory | None = None) -> Snapshot:
    return resolve(combine(files), adapters=ADAPTERS, templates=TEMPLATES, memory=memory)


def rule_of(snapshot: Snapshot, name: str = "r") -> RuleConfig:
    (found,) = (each for each in snapshot.rules if each.name == f"{name}.rule.shop")
    return found


def action_of(text: str, name: str = "r") -> ActionConfig:
    snapshot = snapshot_of(BASE + text)
    assert snapshot.problems == ()
    return rule_of(snapshot, name).actions[0]


def only_problem(text: str) -> Problem:
    (problem,) = snapshot_of(text).problems
    return problem


# ---------------------------------------------------------------- CachePolicy


def test_settings_of_a_cache_policy_reach_the_actions_of_its_rules() -> None:
    spec = "rules: [r], maxAge: 5s, maxUses: 3, denialMaxAge: 1s, refreshAt: 0.5, staleFor: 1m"
    config = CachePolicyConfig(
        name="p.CachePolicy.shop",
        max_age=Duration(5 * _S),
        max_uses=3,
        denial_max_age=Duration(_S),
        refresh_at=0.5,
        stale_for=Duration(60 * _S),
        is_shared=False,
    )
    text = policy("CachePolicy", spec + ", shared: false")
    assert action_of(text).cache == (config,)
    assert action_of(text, "s").cache == ()


def test_keys_may_be_written_in_snake_case() -> None:
    text = policy("CachePolicy", "handlers: [h], max_age: 5s, denial_max_age: 2s, stale_for: 1s")
    (config,) = action_of(text).cache
    assert (config.max_age, config.denial_max_age) == (Duration(5 * _S), Duration(2 * _S))


def test_policies_of_a_rule_and_of_its_handler_both_concern_an_action() -> None:
    text = policy("CachePolicy", "rules: [r], maxAge: 5s")
    text += policy("CachePolicy", "handlers: [h], maxAge: 9s", name="q")
    assert [each.name for each in action_of(text).cache] == [
        "p.CachePolicy.shop",
        "q.CachePolicy.shop",
    ]


def test_one_policy_may_name_a_rule_and_its_handler() -> None:
    text = policy("CachePolicy", "rules: [r], handlers: [h], namespaces: [shop], enabled: false")
    (config,) = action_of(text).cache
    assert not config.is_enabled


def test_a_namespace_is_kept_in_the_snapshot() -> None:
    snapshot = snapshot_of(BASE + policy("CachePolicy", "namespaces: [shop], maxAge: 1s"))
    assert snapshot.problems == ()
    assert snapshot.cache_by_namespace["shop"].max_age == Duration(_S)


def test_names_are_completed_from_the_policys_own_namespace() -> None:
    spec = "rules: [r.shop], handlers: [h.handler.shop], maxAge: 5s"
    assert len(action_of(policy("CachePolicy", spec, namespace="istio-system")).cache) == 1
    problem = only_problem(
        BASE + policy("CachePolicy", "rules: [r], maxAge: 5s", namespace="istio-system")
    )
    assert (problem.code, problem.field) == (codes.NOTHING_SELECTED, "spec.rules[0]")


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ("maxAge: 5s", "spec"),
        ("rules: [r], maxAge: -5s", "spec.max_age"),
        ("rules: [r], denialMaxAge: -1s", "spec.denial_max_age"),
        ("rules: [r], staleFor: -1s", "spec.stale_for"),
        ("rules: [r], maxUses: -1", "spec.max_uses"),
        ("rules: [r], refreshAt: 0", "spec.refresh_at"),
        ("rules: [r], refreshAt: 1.5", "spec.refresh_at"),
    ],
)
def test_a_cache_policy_out_of_range_is_left_out(spec: str, field: str) -> None:
    snapshot = snapshot_of(BASE + policy("CachePolicy", spec))
    assert [(each.code, each.field) for each in snapshot.problems] == [(codes.BAD_POLICY, field)]
    assert rule_of(snapshot).actions[0].cache == ()


def test_limits_themselves_are_in_range() -> None:
    spec = "rules: [r], maxAge: 0s, denialMaxAge: 0s, staleFor: 0s, maxUses: 0, refreshAt: 1"
    assert action_of(policy("CachePolicy", spec)).cache


# ---------------------------------------------------------------- FailurePolicy


def test_settings_of_a_failure_policy_reach_the_actions_of_its_handlers() -> None:
    spec = """
  handlers: [h]
  timeout: 200ms
  onFailure: [stale, fallback, closed]
  fallback: g
  closed: {code: PERMISSION_DENIED, message: later}
  breaker: {consecutiveFailures: 3, openFor: 7s}
"""
    text = policy("FailurePolicy", "").replace("spec: {}", "spec:" + spec)
    failure = action_of(text).failure
    assert failure is not None
    assert failure.name == "p.FailurePolicy.shop"
    assert failure.steps == (FailureStep.STALE, FailureStep.FALLBACK, FailureStep.CLOSED)
    assert failure.closed == Status(Code.PERMISSION_DENIED, "later")
    assert failure.fallback is not None
    assert failure.fallback.name == "g.handler.shop"
    assert failure.timeout == Duration(_S // 5)
    assert failure.breaker == BreakerConfig(3, Duration(7 * _S))
    assert action_of(text, "s").failure is None


def test_the_rules_policy_comes_before_the_handlers_setting_by_setting() -> None:
    text = policy("FailurePolicy", "rules: [r], timeout: 1s, onFailure: [open]")
    text += policy(
        "FailurePolicy", "handlers: [h], timeout: 2s, onFailure: [closed], breaker: {}", name="q"
    )
    failure = action_of(text).failure
    assert failure is not None
    assert (failure.steps, failure.timeout) == ((FailureStep.OPEN,), Duration(_S))
    assert failure.breaker == BreakerConfig(5, Duration(10 * _S))


def test_a_handler_that_no_rule_uses_is_built_to_stand_in() -> None:
    text = BASE + handler("spare")
    text += policy("FailurePolicy", "handlers: [h], onFailure: [fallback, open], fallback: spare")
    snapshot = snapshot_of(text)
    assert snapshot.problems == ()
    (spare,) = (each for each in snapshot.handlers if each.name == "spare.handler.shop")
    assert [each.name for each in spare.instances] == ["nothing.instance.shop"]


def test_who_stands_in_gets_no_instances_of_reports() -> None:
    text = VOCABULARY + NOTHING + EVENT + handler("h") + handler("spare")
    text += rule("r", action("h", "nothing", "event"))
    text += policy("FailurePolicy", "handlers: [h], onFailure: [fallback, open], fallback: spare")
    (spare,) = (each for each in snapshot_of(text).handlers if "spare" in each.name)
    assert [each.name for each in spare.instances] == ["nothing.instance.shop"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ("onFailure: [open]", "spec"),
        ("handlers: [h], onFailure: [stale]", "spec.on_failure"),
        ("handlers: [h], onFailure: [open, stale]", "spec.on_failure"),
        ("handlers: [h], onFailure: [open, closed]", "spec.on_failure"),
        ("handlers: [h], onFailure: [stale, stale, open]", "spec.on_failure"),
        ("handlers: [h], onFailure: [retry, open]", "spec.on_failure[0]"),
        ("handlers: [h], onFailure: [fallback, open]", "spec.fallback"),
        ("handlers: [h], onFailure: [open], fallback: g", "spec.fallback"),
        ("handlers: [h], timeout: 0s", "spec.timeout"),
        ("handlers: [h], onFailure: [closed], closed: {code: OK}", "spec.closed.code"),
        (
            "handlers: [h], breaker: {consecutiveFailures: 0}",
            "spec.breaker.consecutive_failures",
        ),
        ("handlers: [h], breaker: {openFor: 0s}", "spec.breaker.open_for"),
    ],
)
def test_a_failure_policy_that_makes_no_sense_is_left_out(spec: str, field: str) -> None:
    snapshot = snapshot_of(BASE + policy("FailurePolicy", spec))
    assert [(each.code, each.field) for each in snapshot.problems] == [(codes.BAD_POLICY, field)]
    assert rule_of(snapshot).actions[0].failure is None


def test_a_step_that_does_not_exist_has_a_hint() -> None:
    problem = only_problem(BASE + policy("FailurePolicy", "handlers: [h], onFailure: [close]"))
    assert problem.hint == "Did you mean `closed`?"


def test_a_fallback_that_does_not_exist() -> None:
    spec = "handlers: [h], onFailure: [fallback, open], fallback: gg"
    problem = only_problem(BASE + policy("FailurePolicy", spec))
    assert (problem.code, problem.hint) == (codes.NO_SUCH_HANDLER, "Did you mean `g`?")


def test_a_fallback_that_is_faulty_itself() -> None:
    spec = "handlers: [h], onFailure: [fallback, open], fallback: bad"
    text = BASE + handler("bad", "typo: 1") + policy("FailurePolicy", spec)
    found = [each.code for each in snapshot_of(text).problems]
    assert found == [codes.UNKNOWN_FIELD, codes.TARGET_LEFT_OUT]


def test_a_fallback_that_does_not_take_the_template_is_told_once_and_left_out() -> None:
    files = BASE + rule("t", action("h", "nothing"))
    spec = "handlers: [h], onFailure: [fallback, open], fallback: mute"
    text = files + handler("mute", adapter="reports") + policy("FailurePolicy", spec)
    loaded = combine([parse_file(text.encode(), "f.yaml")])
    reports = ADAPTERS["scripted"]
    limited = {**ADAPTERS, "reports": _named(reports, "reports", {"metric"})}
    snapshot = resolve(loaded, adapters=limited, templates=TEMPLATES)
    assert [each.code for each in snapshot.problems] == [codes.TEMPLATE_NOT_TAKEN]
    failure = rule_of(snapshot).actions[0].failure
    assert failure is not None
    assert failure.steps == (FailureStep.FALLBACK, FailureStep.OPEN)


def _named(info: AnyAdapterInfo, name: str, templates: set[str]) -> AnyAdapterInfo:
    return replace(info, name=name, templates=frozenset(templates))  # type: ignore[arg-type,return-value] # a dataclass


def test_a_handler_cannot_stand_in_for_itself() -> None:
    spec = "rules: [r, s], onFailure: [fallback, open], fallback: h"
    snapshot = snapshot_of(BASE + policy("FailurePolicy", spec))
    assert [each.code for each in snapshot.problems] == [codes.BAD_POLICY]
    of_h, of_g = (rule_of(snapshot, name).actions[0].failure for name in ("r", "s"))
    assert of_h is not None
    assert of_g is not None
    assert of_h.fallback is None
    assert of_g.fallback is not None


# ---------------------------------------------------------------- selectors


@pytest.mark.parametrize(
    ("spec", "field", "hint"),
    [
        ("rules: [rr]", "spec.rules[0]", "Did you mean `r`?"),
        ("rules: [r], handlers: [x.y.z]", "spec.handlers[0]", ""),
        ("namespaces: [shop, shp]", "spec.namespaces[1]", "Did you mean `shop`?"),
    ],
)
def test_a_selector_of_nothing_is_told_and_the_rest_counts(
    spec: str, field: str, hint: str
) -> None:
    problem = only_problem(BASE + policy("CachePolicy", spec))
    assert (problem.code, problem.field, problem.hint) == (codes.NOTHING_SELECTED, field, hint)


def test_a_faulty_handler_is_told_by_itself_alone() -> None:
    text = (
        BASE + handler("bad", "typo: 1") + policy("FailurePolicy", "handlers: [bad], timeout: 1s")
    )
    assert only_problem(text).code == codes.UNKNOWN_FIELD


@pytest.mark.parametrize("selector", ["rules: [r]", "handlers: [h]", "namespaces: [shop]"])
def test_of_two_policies_for_one_target_the_first_by_name_counts(selector: str) -> None:
    text = policy("CachePolicy", f"{selector}, maxAge: 2s", name="q")
    text += policy("CachePolicy", f"{selector}, maxAge: 1s", name="p")
    snapshot = snapshot_of(BASE + text)
    (problem,) = snapshot.problems
    assert (problem.code, problem.resource) == (codes.POLICY_TWICE, "q.CachePolicy.shop")
    found = [*rule_of(snapshot).actions[0].cache, *snapshot.cache_by_namespace.values()]
    assert [each.max_age for each in found] == [Duration(_S)]


def test_policies_of_two_kinds_do_not_meet() -> None:
    text = policy("CachePolicy", "rules: [r], maxAge: 1s")
    text += policy("FailurePolicy", "rules: [r], onFailure: [open]")
    assert action_of(text).failure is not None


# ---------------------------------------------------------------- the API group


@pytest.mark.parametrize(
    ("api_version", "kind", "hint"),
    [
        ("remixer.dev/v1alpha1", "rule", "One of `CachePolicy`, `FailurePolicy`."),
        ("remixer.dev/v1alpha1", "CachePolcy", "Did you mean `CachePolicy`?"),
        ("remixer.dev/v2", "CachePolicy", "Write `apiVersion: remixer.dev/v1alpha1`."),
        ("config.istio.io/v1alpha2", "FailurePolicy", "Write `apiVersion: remixer.dev/v1alpha1`."),
    ],
)
def test_a_kind_in_the_wrong_group_is_left_out(api_version: str, kind: str, hint: str) -> None:
    text = f"apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: p, namespace: shop}}\n"
    problem = only_problem(text)
    assert (problem.code, problem.field, problem.hint) == (codes.FOREIGN_KIND, "apiVersion", hint)


def test_other_groups_are_still_ignored() -> None:
    text = "apiVersion: example.com/v1\nkind: CachePolicy\nmetadata: {name: p, namespace: shop}\n"
    assert snapshot_of(text).problems == ()


def test_unknown_fields_are_located() -> None:
    problem = only_problem(BASE + policy("CachePolicy", "rules: [r], maxage: 5s"))
    assert (problem.code, problem.field) == (codes.UNKNOWN_FIELD, "spec.maxage")
    assert problem.location.line > 1


# ---------------------------------------------------------------- what a change touches


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("CachePolicy", "rules: [r], maxAge: 1s"), ("CachePolicy", "rules: [r], maxAge: 2s")),
        (
            ("FailurePolicy", "handlers: [h], timeout: 1s"),
            ("FailurePolicy", "handlers: [h], timeout: 2s"),
        ),
        (("FailurePolicy", "rules: [r], onFailure: [open]"), ("CachePolicy", "namespaces: [shop]")),
    ],
)
def test_a_changed_policy_changes_the_rules_that_it_concerns_and_no_others(
    before: tuple[str, str], after: tuple[str, str]
) -> None:
    memory, base = ResolveMemory(), parse_file(BASE.encode(), "a.yaml")
    files = [base, parse_file(policy(*before).encode(), "b.yaml")]
    old = snapshot_of_files(files, memory)
    new = snapshot_of_files([base, parse_file(policy(*after).encode(), "b.yaml")], memory)
    assert rule_of(old) is not rule_of(new)
    assert rule_of(old, "s") is rule_of(new, "s")


def test_the_first_policy_of_all_changes_no_rule_that_it_does_not_concern() -> None:
    memory, base = ResolveMemory(), parse_file(BASE.encode(), "a.yaml")
    old = snapshot_of_files([base], memory)
    first = policy("CachePolicy", "rules: [r]")
    new = snapshot_of_files([base, parse_file(first.encode(), "b.yaml")], memory)
    assert rule_of(old) is not rule_of(new)
    assert rule_of(old, "s") is rule_of(new, "s")


def test_a_policy_that_stays_is_the_same_object() -> None:
    memory = ResolveMemory()
    text = policy("CachePolicy", "namespaces: [shop], rules: [r], maxAge: 1s")
    text += policy("FailurePolicy", "handlers: [h], onFailure: [fallback, open], fallback: g")
    files = [parse_file((BASE + text).encode(), "a.yaml")]
    old, reads = snapshot_of_files(files, memory), memory.reads
    new = snapshot_of_files(files, memory)
    assert memory.reads == reads
    assert rule_of(old) is rule_of(new)
    assert old.cache_by_namespace["shop"] is new.cache_by_namespace["shop"]


def test_who_stands_in_changes_with_its_own_resource() -> None:
    memory = ResolveMemory()
    text = policy("FailurePolicy", "handlers: [h], onFailure: [fallback, open], fallback: spare")
    base = parse_file((BASE + text).encode(), "a.yaml")
    first = [base, parse_file(handler("spare").encode(), "b.yaml")]
    second = [base, parse_file(handler("spare", "grant: 7").encode(), "b.yaml")]
    old, new = snapshot_of_files(first, memory), snapshot_of_files(second, memory)
    failures = [rule_of(each).actions[0].failure for each in (old, new)]
    grants = [
        getattr(each.fallback.params, "grant", None) for each in failures if each and each.fallback
    ]
    assert grants == [0, 7]
