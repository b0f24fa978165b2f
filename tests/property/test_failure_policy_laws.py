"""Laws of failure policies: no policy opens what a working rule closes, nor keeps what stood in."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from remixer.attributes.bag import plain_bag
from remixer.attributes.values import Duration
from remixer.foundation.errors import PolicyError
from remixer.foundation.status import Status
from remixer.mixer.outcome import CheckOutcome, Provenance
from remixer.mixer.request import CheckRequest
from remixer.testing.clock import run_in_virtual_time
from remixer.testing.engine import running_engine
from remixer.testing.scripted import Journal, scripted_adapters
from remixer.testing.texts import DENY, FAIL, NOTHING, VOCABULARY, action, handler, rule

HANDLERS = {
    "good": handler("good"),
    "deny": handler("deny", DENY),
    "broken": handler("broken", FAIL),
    "hangs": handler("hangs", "delay_s: 100", adapter="waiting"),
    "slow-deny": handler("slow-deny", DENY + ", delay_s: 0.1", adapter="waiting"),
}
WORKING = {"good", "deny", "slow-deny"}
DENYING = {"deny", "slow-deny"}
BASE = VOCABULARY + NOTHING + "".join(HANDLERS.values())

names = st.sampled_from(sorted(HANDLERS))
steps = st.tuples(
    st.permutations(["stale", "fallback"]).flatmap(
        lambda order: st.integers(0, 2).map(lambda count: order[:count])
    ),
    st.sampled_from(["open", "closed"]),
).map(lambda parts: [*parts[0], parts[1]])


@dataclass(frozen=True, slots=True)
class Policy:
    """What one policy says; `steps` may be empty."""

    steps: tuple[str, ...]
    fallback: str
    timeout: str
    breaker: bool

    def text(self, name: str, selector: str) -> str:
        spec = [selector, f"timeout: {self.timeout}"]
        if self.steps:
            spec.append(f"onFailure: [{', '.join(self.steps)}]")
        if "fallback" in self.steps:
            spec.append(f"fallback: {self.fallback}")
        if self.breaker:
            spec.append("breaker: {consecutiveFailures: 1}")
        return (
            f"\nkind: FailurePolicy\nmetadata: {{name: {name}, namespace: shop}}\n"
            f"spec: {{{', '.join(spec)}}}\n---\n"
        )


policies = st.builds(
    Policy,
    steps=st.one_of(st.just(()), steps.map(tuple)),
    fallback=names,
    timeout=st.sampled_from(["500ms", "2s"]),
    breaker=st.booleans(),
)


@dataclass(frozen=True, slots=True)
class Setup:
    """Rules by the handler that each asks, policies of rules and handlers, an old answer."""

    rules: tuple[str, ...]
    of_rules: tuple[Policy | None, ...]
    of_handlers: tuple[tuple[str, Policy], ...]
    last_good: CheckOutcome | None

    def text(self) -> str:
        text = BASE
        for index, name in enumerate(self.rules):
            text += rule(f"r{index}", action(name, "nothing"))
        for index, policy in enumerate(self.of_rules[: len(self.rules)]):
            text += "" if policy is None else policy.text(f"r{index}", f"rules: [r{index}]")
        for name, policy in self.of_handlers:
            text += policy.text(f"h-{name}", f"handlers: [{name}]")
        return text


old_answers = st.sampled_from(
    [None, *(CheckOutcome(Status(code), Duration(1), 1, frozenset()) for code in (0, 7))]
)
setups = st.builds(
    Setup,
    rules=st.lists(names, min_size=1, max_size=4).map(tuple),
    of_rules=st.lists(st.none() | policies, min_size=4, max_size=4).map(tuple),
    of_handlers=st.dictionaries(names, policies, max_size=4).map(lambda each: tuple(each.items())),
    last_good=old_answers,
)


async def twice(setup: Setup) -> list[CheckOutcome | None]:
    """Two answers, None for an error: the second may meet open breakers."""
    found: list[CheckOutcome | None] = []
    files = {"a": setup.text()}
    async with running_engine(files, adapters=scripted_adapters(Journal())) as running:
        bag = plain_bag({"destination.namespace": "shop"})
        request = CheckRequest(bag, last_good=setup.last_good)
        for _ in range(2):
            try:
                found.append(
                    running.engine.check_now(request) or await running.engine.check(request)
                )
            except PolicyError:
                found.append(None)
    return found


@given(setups)
def test_no_policy_opens_what_a_working_rule_closes(setup: Setup) -> None:
    if DENYING.isdisjoint(setup.rules):
        return
    for outcome in run_in_virtual_time(twice(setup)):
        assert outcome is not None
        assert not outcome.status.is_ok
        assert outcome.provenance is Provenance.COMPUTED


@given(setups)
def test_what_stood_in_is_good_for_one_request_and_nothing_else_is_marked(setup: Setup) -> None:
    has_failed = not WORKING.issuperset(setup.rules)
    for outcome in run_in_virtual_time(twice(setup)):
        if outcome is None:
            assert has_failed
        elif outcome.provenance is not Provenance.COMPUTED:
            assert has_failed
            assert (outcome.valid_duration, outcome.valid_use_count) == (0, 0)
        else:
            assert not has_failed or not outcome.status.is_ok


@given(setups)
def test_with_steps_for_every_failure_there_is_always_a_verdict(setup: Setup) -> None:
    closing = Policy(("stale", "closed"), "good", "500ms", breaker=True)
    covered = Setup(
        setup.rules,
        (None,) * len(setup.rules),
        tuple((name, closing) for name in sorted(HANDLERS)),
        setup.last_good,
    )
    assert None not in run_in_virtual_time(twice(covered))
