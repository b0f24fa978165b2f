"""Instance resources to `InstanceConfig`: expressions typed against the template's fields."""

from dataclasses import dataclass, field

from remixer.config import bindings, codes, kinds
from remixer.config.context import Context
from remixer.config.dynamic_instances import is_dynamic, resolve_dynamic_instance
from remixer.config.expressions import semantics_for
from remixer.config.messages import Instance
from remixer.config.references import short_name
from remixer.config.resources import Resource
from remixer.config.signature import SignedInstance
from remixer.config.snapshot import Bindings, InstanceConfig
from remixer.expr.compile import Expression
from remixer.expr.semantics import Semantics
from remixer.foundation.documents.nodes import (
    MapEntry,
    MapNode,
    Node,
    ScalarNode,
    describe,
    is_null,
    locate,
)
from remixer.foundation.field_names import lower_camel
from remixer.foundation.findings import Findings, hint_for
from remixer.templates.build import instance_builder
from remixer.templates.schema import (
    Field,
    InstanceType,
    Message,
    Template,
    Variety,
)
from remixer.wire.proto_json.decode import Place, decode


@dataclass(frozen=True, slots=True)
class ResolvedInstance:
    """A usable instance, and what its handlers' signatures take from it."""

    config: InstanceConfig
    signed: SignedInstance


def resolve_instance(resource: Resource, context: Context) -> ResolvedInstance | None:
    """The instance; None after any problem in it."""
    if is_dynamic(resource, context):
        found = resolve_dynamic_instance(resource, context)
        return None if found is None else ResolvedInstance(*found)
    findings = context.findings(resource.name)
    semantics = semantics_for(resource, context.semantics, findings)
    parts = _parts(resource, context, findings)
    if semantics is None or parts is None:
        return None
    template = parts.template
    reader = _FieldReader(context, semantics)
    reader.read_message(parts.params, template.message, "", parts.place)
    bound = _bindings(parts, context, semantics)
    if findings.error_count:
        return None
    expressions = reader.expressions
    types = {path: each.type for path, each in expressions.items()}
    instance_type = InstanceType(resource.name, template.name, types)
    config = InstanceConfig(
        name=resource.name,
        short_name=short_name(resource.name),
        template=template,
        type=instance_type,
        build=instance_builder(template, resource.name, expressions),
        location=resource.location,
        bindings=bound,
        expressions=expressions,
    )
    texts = {path: each.text for path, each in expressions.items()}
    return ResolvedInstance(config, SignedInstance(instance_type, texts, semantics.value))


@dataclass(frozen=True, slots=True)
class _Parts:
    """What an instance consists of, as trees, and the path where the fields stand."""

    template: Template
    params: MapNode | None
    bindings: Node | None
    place: Place


def _parts(resource: Resource, context: Context, findings: Findings) -> _Parts | None:
    place = Place("spec", findings)
    if resource.key.kind != kinds.INSTANCE:
        template = context.templates[resource.key.kind]
        params, bound = _split_off_bindings(resource.spec, template)
        return _Parts(template, params, bound, place)
    instance = decode(resource.spec, Instance(), place)
    if instance is None:
        return None
    found = _template(resource, instance, context, findings)
    if found is None:
        return None
    params, bound = _split_off_bindings(instance.params, found)
    return _Parts(found, params, instance.attribute_bindings or bound, place.field("params"))


def _split_off_bindings(
    params: MapNode | None, template: Template
) -> tuple[MapNode | None, Node | None]:
    """The template's own fields, and the bindings that older files have among them.

    Source: `attribute_bindings` is a field of a generating template's `InstanceParam`.
    """
    if params is None or template.variety is not Variety.ATTRIBUTE_GENERATOR:
        return params, None
    keys = {bindings.FIELD, lower_camel(bindings.FIELD)}
    entries = tuple(each for each in params if each.key not in keys)
    found = next((each.value for each in params if each.key in keys), None)
    return MapNode(entries, params.location), found


def _bindings(parts: _Parts, context: Context, semantics: Semantics) -> Bindings:
    reader = bindings.BindingReader(
        context, parts.template, bindings.built_in_prefixes(parts.template), semantics
    )
    return reader.read(parts.bindings, Place(f"spec.{bindings.FIELD}", parts.place.findings))


def _template(
    resource: Resource, instance: Instance, context: Context, findings: Findings
) -> Template | None:
    name = instance.compiled_template
    key = "compiled_template" if name else "template"
    template = context.templates.get(name)
    if template is not None:
        return template
    hint = ""
    if name:
        code, message = codes.UNKNOWN_TEMPLATE, f"there is no template `{name}`"
        hint = hint_for(name, context.templates)
    elif instance.template:
        code = codes.NOT_SUPPORTED
        message = "templates given as resources are not supported in this version"
        hint = "Name a built-in one with `compiledTemplate`."
    else:
        code, message = codes.UNKNOWN_TEMPLATE, "the instance names no template"
        hint = "Add `compiledTemplate`."
    at = locate(resource.spec, key, resource.location)
    findings.error(code, message, at, field=f"spec.{key}", hint=hint)
    return None


@dataclass(slots=True)
class _FieldReader:
    """Collects the expressions of one instance by field path."""

    context: Context
    semantics: Semantics
    expressions: dict[str, Expression] = field(default_factory=dict)

    def read_message(self, node: Node | None, message: Message, prefix: str, place: Place) -> None:
        if node is None or is_null(node):
            return
        if not isinstance(node, MapNode):
            place.error(codes.WRONG_TYPE, f"found {describe(node)}; wanted a mapping", node)
            return
        given: dict[str, str] = {}
        for entry in node:
            known = message.field(entry.key)
            if known is None:
                self._unknown(entry, message, place)
                continue
            inner = place.field(known.name)
            if known.name in given:
                fault = f"the field is given twice, as `{given[known.name]}` and `{entry.key}`"
                inner.error(codes.FIELD_TWICE, fault, entry, "Remove one of them.")
            given[known.name] = entry.key
            self._read_field(entry.value, known, prefix + known.name, inner)

    def _unknown(self, entry: MapEntry, message: Message, place: Place) -> None:
        names = [each.name for each in message.fields]
        fault = f"unknown field `{entry.key}`"
        hint = hint_for(entry.key, names)
        place.field(entry.key).error(codes.UNKNOWN_FIELD, fault, entry, hint)

    def _read_field(self, node: Node, known: Field, path: str, place: Place) -> None:
        if is_null(node):
            return
        if known.is_map:
            self._read_map(node, known, path, place)
        elif known.message is not None:
            self.read_message(node, known.message, f"{path}.", place)
        elif not _is_empty(node):
            self._read_expression(node, known, path, place)

    def _read_map(self, node: Node, known: Field, path: str, place: Place) -> None:
        if not isinstance(node, MapNode):
            hint = "Write one line `name: expression` per entry."
            fault = f"found {describe(node)}; wanted a mapping of expressions"
            place.error(codes.WRONG_TYPE, fault, node, hint)
            return
        for entry in node:
            inner = place.item(entry.key)
            if _is_empty(entry.value):
                hint = "Remove the entry, or write `'\"\"'` for an empty text."
                inner.error(codes.EMPTY_EXPRESSION, "the expression is empty", entry, hint)
            else:
                self._read_expression(entry.value, known, f"{path}[{entry.key}]", inner)

    def _read_expression(self, node: Node, known: Field, path: str, place: Place) -> None:
        expression = self.context.expressions.compile(
            node, place, wanted=None if known.is_dynamic else known.type, semantics=self.semantics
        )
        if expression is not None:
            self.expressions[path] = expression


def _is_empty(node: Node) -> bool:
    return isinstance(node, ScalarNode) and (node.value is None or node.value == "")
