"""Roles, bindings, and what a role or a subject admits.

Source: `rbac.istio.io/v1alpha1` as Mixer 1.0 decided by it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from remixer.attributes.values import Value
from remixer.sdk import Action, Subject

ANY = "*"


@dataclass(frozen=True, slots=True)
class Constraint:
    """A property of the action that must be one of these."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AccessRule:
    """What may be done. No paths mean every path; no services or methods mean none."""

    services: tuple[str, ...]
    methods: tuple[str, ...]
    paths: tuple[str, ...] = ()
    constraints: tuple[Constraint, ...] = ()

    def admits(self, action: Action) -> bool:
        return (
            is_listed(action.service, self.services)
            and (not self.paths or is_listed(action.path, self.paths))
            and is_listed(action.method, self.methods)
            and all(_holds(constraint, action.properties) for constraint in self.constraints)
        )


@dataclass(frozen=True, slots=True)
class BoundSubject:
    """Who is bound. Each given part must match; "" and no properties are not given."""

    user: str = ""
    group: str = ""
    properties: tuple[tuple[str, str], ...] = ()

    def admits(self, subject: Subject) -> bool:
        if not (self.user or self.group or self.properties):
            return False
        return (
            self.user in {"", ANY, subject.user}
            and self.group in {"", ANY, subject.groups}
            and all(_is_text(subject.properties.get(k), value) for k, value in self.properties)
        )


@dataclass(frozen=True, slots=True)
class RoleKey:
    """Identity of a role."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Policies:
    """Everything that was read, by role. A role without subjects admits nobody."""

    rules: Mapping[RoleKey, Sequence[AccessRule]]
    subjects: Mapping[RoleKey, Sequence[BoundSubject]]


def is_complete(action: Action) -> bool:
    """Whether the action can be decided at all; anything less is denied."""
    return bool(action.namespace and action.service and action.path and action.method)


def is_listed(text: str, patterns: Iterable[str]) -> bool:
    """Equal, `*`, `abc*` or `*abc`; one star counts, at one end."""
    return any(matches(text, pattern) for pattern in patterns)


def matches(text: str, pattern: str) -> bool:
    return (
        pattern in {text, ANY}
        or (pattern.endswith(ANY) and text.startswith(pattern[:-1]))
        or (pattern.startswith(ANY) and text.endswith(pattern[1:]))
    )


def _holds(constraint: Constraint, properties: Mapping[str, Value]) -> bool:
    value = properties.get(constraint.key)
    return type(value) is str and is_listed(value, constraint.values)


def _is_text(value: Value | None, wanted: str) -> bool:
    return type(value) is str and value == wanted
