"""Decides by roles and bindings, without looking at most of them.

Theory of operation. A namespace's roles can be found from two sides: by what an action names (its
service, exact; roles with a pattern are always candidates), and by what a subject has (its user,
its group, a property; a bound subject is filed under the first of these that it gives, and under
"anyone" if all it gives is `*`). A decision takes the side with fewer candidates and puts each to
the full question, which `AccessRule.admits` and `BoundSubject.admits` answer. So the index only
leaves out what those would refuse.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from remixer.adapters.rbac.model import (
    ANY,
    AccessRule,
    BoundSubject,
    Policies,
    is_complete,
)
from remixer.sdk import Action, Subject

_SubjectKey: TypeAlias = tuple[str, ...]
_ANYONE: Final[_SubjectKey] = ("anyone",)


@dataclass(frozen=True, slots=True)
class _Role:
    rules: Sequence[AccessRule]
    subjects: Mapping[_SubjectKey, Sequence[BoundSubject]]

    def admits(self, subject: Subject, keys: Iterable[_SubjectKey], action: Action) -> bool:
        return any(rule.admits(action) for rule in self.rules) and any(
            bound.admits(subject) for key in keys for bound in self.subjects.get(key, ())
        )


@dataclass(frozen=True, slots=True)
class _Namespace:
    by_service: Mapping[str, Sequence[_Role]]
    with_pattern: Sequence[_Role]
    by_subject: Mapping[_SubjectKey, Sequence[_Role]]

    def admits(self, subject: Subject, action: Action) -> bool:
        keys = tuple(_keys_of(subject))
        by_service = self.by_service.get(action.service, ())
        by_subject = [self.by_subject[key] for key in keys if key in self.by_subject]
        if len(by_service) + len(self.with_pattern) < sum(map(len, by_subject)):
            sides: Iterable[Sequence[_Role]] = (by_service, self.with_pattern)
        else:
            sides = by_subject
        return any(role.admits(subject, keys, action) for side in sides for role in side)


class RbacIndex:
    """Immutable; a change makes another one."""

    def __init__(self, policies: Policies) -> None:
        roles: dict[str, list[_Role]] = {}
        for key, rules in policies.rules.items():
            filed = _filed(policies.subjects.get(key, ()))
            if rules and filed:
                roles.setdefault(key.namespace, []).append(_Role(rules, filed))
        self._namespaces = {name: _namespace(each) for name, each in roles.items()}

    def admits(self, subject: Subject, action: Action) -> bool:
        """Whether a role of the action's namespace lets this subject do it."""
        if not is_complete(action):
            return False
        namespace = self._namespaces.get(action.namespace)
        return namespace is not None and namespace.admits(subject, action)


def _namespace(roles: Iterable[_Role]) -> _Namespace:
    by_service: dict[str, list[_Role]] = {}
    with_pattern: list[_Role] = []
    by_subject: dict[_SubjectKey, list[_Role]] = {}
    for role in roles:
        services = {service for rule in role.rules for service in rule.services}
        if any(_is_pattern(service) for service in services):
            with_pattern.append(role)
        else:
            for service in services:
                by_service.setdefault(service, []).append(role)
        for key in role.subjects:
            by_subject.setdefault(key, []).append(role)
    return _Namespace(by_service, with_pattern, by_subject)


def _is_pattern(service: str) -> bool:
    return service.startswith(ANY) or service.endswith(ANY)


def _filed(subjects: Iterable[BoundSubject]) -> dict[_SubjectKey, tuple[BoundSubject, ...]]:
    """By key, each once; one that gives nothing is left out."""
    filed: dict[_SubjectKey, dict[BoundSubject, None]] = {}
    for subject in subjects:
        if subject.user or subject.group or subject.properties:
            filed.setdefault(_key_of(subject), {})[subject] = None
    return {key: tuple(each) for key, each in filed.items()}


def _key_of(bound: BoundSubject) -> _SubjectKey:
    """Where a bound subject is filed: something that whoever matches it has."""
    if bound.user not in {"", ANY}:
        return ("user", bound.user)
    if bound.group not in {"", ANY}:
        return ("group", bound.group)
    if bound.properties:
        return ("property", *bound.properties[0])
    return _ANYONE


def _keys_of(subject: Subject) -> Iterator[_SubjectKey]:
    """Where bound subjects that match this one can be filed."""
    yield ("user", subject.user)
    yield ("group", subject.groups)
    for key, value in subject.properties.items():
        if type(value) is str:
            yield ("property", key, value)
    yield _ANYONE
