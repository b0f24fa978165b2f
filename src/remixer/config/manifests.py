"""Attribute manifests to the vocabulary: the union over all namespaces."""

from collections.abc import Iterable

from remixer.attributes.values import ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.config import codes
from remixer.config.messages import AttributeInfo, AttributeManifest
from remixer.config.resources import Resource
from remixer.foundation.documents.nodes import Node
from remixer.foundation.findings import Findings
from remixer.foundation.problems import Problem
from remixer.wire.proto_json.decode import Place, decode


def build_vocabulary(manifests: Iterable[Resource], problems: list[Problem]) -> Vocabulary:
    """All declared attributes; `manifests` in the order in which conflicts are decided.

    A bad declaration is left out alone, not the manifest around it.
    """
    types: dict[str, ValueType] = {}
    declared_in: dict[str, str] = {}
    for resource in manifests:
        findings = Findings(resource.name, problems)
        manifest = decode(resource.spec, AttributeManifest(), Place("spec", findings))
        if manifest is None:
            continue
        for name, node in manifest.attributes.items():
            place = Place(f"spec.attributes[{name}]", findings)
            type_ = _declared_type(name, node, place)
            if type_ is None:
                continue
            if types.setdefault(name, type_) is not type_:
                _warn_of_conflict(name, types[name], declared_in[name], node, place)
            declared_in.setdefault(name, resource.name)
    return Vocabulary(types)


def _declared_type(name: str, node: Node, place: Place) -> ValueType | None:
    declaration = decode(node, AttributeInfo(), place)
    if declaration is None:
        return None
    if declaration.value_type is ValueType.VALUE_TYPE_UNSPECIFIED:
        message = f"the attribute `{name}` has no type"
        hint = "Add `value_type: STRING` or another type."
        place.error(codes.ATTRIBUTE_UNTYPED, message, node, hint)
        return None
    return declaration.value_type


def _warn_of_conflict(name: str, kept: ValueType, owner: str, node: Node, place: Place) -> None:
    place.findings.warning(
        codes.ATTRIBUTE_CONFLICT,
        f"`{name}` is already declared as {kept.name} by {owner}, which counts",
        node.location,
        field=place.path,
        hint="Declare it once.",
    )
