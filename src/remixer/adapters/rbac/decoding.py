"""Documents to roles and bindings, strictly: what is not understood grants nothing.

An unknown field may be a restriction of a later version of the API, so it takes its whole
resource out. Documents of other groups and kinds are someone else's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from remixer.adapters.rbac.model import (
    AccessRule,
    BoundSubject,
    Constraint,
    Policies,
    RoleKey,
)
from remixer.drivers.yaml_files import YamlDocument, YamlFault, YamlValue

GROUP: Final = "rbac.istio.io"
VERSION: Final = "v1alpha1"
ROLE: Final = "ServiceRole"
BINDING: Final = "ServiceRoleBinding"


class _ShapeError(Exception):
    """A field that is not as it should be."""


@dataclass(slots=True)
class _Found:
    roles: dict[RoleKey, tuple[AccessRule, ...]] = field(default_factory=dict)
    bindings: dict[tuple[str, str], tuple[str, tuple[BoundSubject, ...]]] = field(
        default_factory=dict
    )
    places: dict[tuple[str, str], YamlDocument] = field(default_factory=dict)
    faults: list[YamlFault] = field(default_factory=list)


def decode(documents: Iterable[YamlDocument]) -> tuple[Policies, tuple[YamlFault, ...]]:
    """All that is right, and what is wrong with the rest. Of two of one name the last counts."""
    found = _Found()
    for document in documents:
        for value in _unwrapped(document.value):
            _decode_one(document, value, found)
    subjects: dict[RoleKey, list[BoundSubject]] = {}
    for (namespace, name), (role, bound) in found.bindings.items():
        key = RoleKey(namespace, role)
        if key in found.roles:
            subjects.setdefault(key, []).extend(bound)
        else:
            message = f"binding {name}.{namespace}: there is no role `{role}` in `{namespace}`"
            found.faults.append(_fault(found.places[namespace, name], message))
    return Policies(found.roles, subjects), tuple(found.faults)


def _unwrapped(value: YamlValue) -> Iterable[YamlValue]:
    """The items of a `List`, or the document itself."""
    if isinstance(value, dict) and str(value.get("kind", "")).endswith("List"):
        items = value.get("items")
        return items if isinstance(items, list) else ()
    return (value,)


def _decode_one(document: YamlDocument, value: YamlValue, found: _Found) -> None:
    if not isinstance(value, dict) or value.get("kind") not in {ROLE, BINDING}:
        return
    group, _, version = str(value.get("apiVersion", "")).partition("/")
    if group != GROUP:
        return
    title = str(value["kind"])
    try:
        metadata = _mapping(value.get("metadata"), "metadata")
        name, namespace = (_name(metadata, each) for each in ("name", "namespace"))
        title = f"{value['kind']} {name}.{namespace}"
        if version != VERSION:
            message = f"apiVersion is `{group}/{version}`; known is `{GROUP}/{VERSION}`"
            raise _ShapeError(message)  # noqa: TRY301 - one way out for all that is wrong
        spec = _mapping(value.get("spec"), "spec")
        if value["kind"] == ROLE:
            found.roles[RoleKey(namespace, name)] = _rules(spec)
        else:
            found.bindings[namespace, name] = _binding(spec)
            found.places[namespace, name] = document
    except _ShapeError as error:
        found.faults.append(_fault(document, f"{title}: {error}; it grants nothing"))


def _fault(document: YamlDocument, message: str) -> YamlFault:
    return YamlFault(document.file, document.line, message)


def _rules(spec: Mapping[str, YamlValue]) -> tuple[AccessRule, ...]:
    _only(spec, "spec", "rules")
    return tuple(
        _rule(each, f"spec.rules[{index}]")
        for index, each in enumerate(_items(spec.get("rules"), "spec.rules"))
    )


def _rule(value: YamlValue, path: str) -> AccessRule:
    rule = _mapping(value, path)
    _only(rule, path, "services", "methods", "paths", "constraints")
    constraints = _items(rule.get("constraints"), f"{path}.constraints")
    return AccessRule(
        _texts(rule, path, "services"),
        _texts(rule, path, "methods"),
        _texts(rule, path, "paths"),
        tuple(
            _constraint(each, f"{path}.constraints[{index}]")
            for index, each in enumerate(constraints)
        ),
    )


def _constraint(value: YamlValue, path: str) -> Constraint:
    constraint = _mapping(value, path)
    _only(constraint, path, "key", "values")
    return Constraint(_text(constraint, path, "key"), _texts(constraint, path, "values"))


def _binding(spec: Mapping[str, YamlValue]) -> tuple[str, tuple[BoundSubject, ...]]:
    _only(spec, "spec", "subjects", "roleRef", "role_ref")
    reference = _mapping(spec.get("roleRef", spec.get("role_ref")), "spec.roleRef")
    _only(reference, "spec.roleRef", "kind", "name")
    if reference.get("kind") != ROLE:
        message = f"spec.roleRef.kind is not `{ROLE}`"
        raise _ShapeError(message)
    role = _text(reference, "spec.roleRef", "name")
    if not role:
        message = "spec.roleRef.name is missing"
        raise _ShapeError(message)
    subjects = _items(spec.get("subjects"), "spec.subjects")
    return role, tuple(
        _subject(each, f"spec.subjects[{index}]") for index, each in enumerate(subjects)
    )


def _subject(value: YamlValue, path: str) -> BoundSubject:
    subject = _mapping(value, path)
    _only(subject, path, "user", "group", "properties")
    properties = subject.get("properties")
    pairs = {} if properties is None else _mapping(properties, f"{path}.properties")
    return BoundSubject(
        _text(subject, path, "user"),
        _text(subject, path, "group"),
        tuple(sorted((key, _text(pairs, f"{path}.properties", key)) for key in pairs)),
    )


def _only(mapping: Mapping[str, YamlValue], path: str, *known: str) -> None:
    unknown = sorted(mapping.keys() - set(known))
    if unknown:
        message = f"{path}.{unknown[0]} is unknown"
        raise _ShapeError(message)


def _name(metadata: Mapping[str, YamlValue], key: str) -> str:
    name = _text(metadata, "metadata", key)
    if not name:
        message = f"metadata.{key} is missing"
        raise _ShapeError(message)
    return name


def _mapping(value: YamlValue, path: str) -> Mapping[str, YamlValue]:
    if not isinstance(value, dict):
        message = f"{path} is {'missing' if value is None else 'no mapping'}"
        raise _ShapeError(message)
    return value


def _items(value: YamlValue, path: str) -> list[YamlValue]:
    if value is None:
        return []
    if not isinstance(value, list):
        message = f"{path} is no list"
        raise _ShapeError(message)
    return value


def _text(mapping: Mapping[str, YamlValue], path: str, key: str) -> str:
    value = mapping.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        message = f"{path}.{key} is no text; quote it"
        raise _ShapeError(message)
    return value


def _texts(mapping: Mapping[str, YamlValue], path: str, key: str) -> tuple[str, ...]:
    values = _items(mapping.get(key), f"{path}.{key}")
    for index, value in enumerate(values):
        if not isinstance(value, str):
            message = f"{path}.{key}[{index}] is no text; quote it"
            raise _ShapeError(message)
    return tuple(str(value) for value in values)
