"""Law: the index of `rbac` answers as one who looks at every role and every binding."""

from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.adapters.rbac.index import RbacIndex
from remixer.adapters.rbac.model import (
    AccessRule,
    BoundSubject,
    Constraint,
    Policies,
    RoleKey,
    is_complete,
)
from remixer.sdk import Action, Subject

_WORDS = st.sampled_from(["a", "ab", "b", "ba"])
_PATTERNS = st.sampled_from(["a", "ab", "b", "*", "a*", "*a", "*b", "**", "a*b"])
_LISTS = st.lists(_PATTERNS, max_size=3).map(tuple)
_GIVEN = st.sampled_from(["", "*", "a", "ab"])
_KEYS = st.sampled_from(["k", "l"])
_PROPERTIES = st.dictionaries(_KEYS, st.one_of(_WORDS, st.integers(0, 1), st.just("")), max_size=2)
_RULES = st.builds(
    AccessRule,
    services=_LISTS,
    methods=_LISTS,
    paths=_LISTS,
    constraints=st.lists(st.builds(Constraint, _KEYS, _LISTS), max_size=1).map(tuple),
)
_BOUND = st.builds(
    BoundSubject,
    _GIVEN,
    _GIVEN,
    st.dictionaries(_KEYS, st.sampled_from(["a", ""]), max_size=2).map(
        lambda pairs: tuple(sorted(pairs.items()))
    ),
)
_ROLES = st.builds(RoleKey, st.sampled_from(["n", "m"]), st.sampled_from(["r", "s", "t", "u"]))
_POLICIES = st.builds(
    Policies,
    st.dictionaries(_ROLES, st.lists(_RULES, max_size=3), max_size=6),
    st.dictionaries(_ROLES, st.lists(_BOUND, max_size=4), max_size=6),
)
_SUBJECTS = st.builds(
    Subject, st.sampled_from(["", "a", "ab"]), st.sampled_from(["", "a"]), _PROPERTIES
)
_ACTIONS = st.builds(
    Action,
    st.sampled_from(["n", "m", ""]),
    st.sampled_from(["a", "ab", "ba", ""]),
    _WORDS,
    _WORDS,
    _PROPERTIES,
)


def naive(policies: Policies, subject: Subject, action: Action) -> bool:
    """Every role of the namespace, every rule, every subject."""
    return is_complete(action) and any(
        any(rule.admits(action) for rule in rules)
        and any(bound.admits(subject) for bound in policies.subjects.get(key, ()))
        for key, rules in policies.rules.items()
        if key.namespace == action.namespace
    )


@settings(max_examples=200, deadline=None)
@given(_POLICIES, st.lists(st.tuples(_SUBJECTS, _ACTIONS), min_size=1, max_size=12))
def test_the_index_answers_as_a_look_at_everything(
    policies: Policies, questions: list[tuple[Subject, Action]]
) -> None:
    index = RbacIndex(policies)
    for subject, action in questions:
        assert index.admits(subject, action) is naive(policies, subject, action)
