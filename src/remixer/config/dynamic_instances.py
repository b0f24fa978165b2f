"""Instances whose template is a resource."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, cast

from remixer.attributes.bag import Bag
from remixer.config import codes, kinds
from remixer.config.bindings import FIELD as BINDINGS_FIELD
from remixer.config.bindings import BindingReader
from remixer.config.context import Context
from remixer.config.dynamic_fields import FieldReader
from remixer.config.dynamic_parts import Encode, Part
from remixer.config.dynamic_resources import Referrer, find_or_report
from remixer.config.dynamic_values import ValueReader
from remixer.config.expressions import semantics_for
from remixer.config.messages import Instance
from remixer.config.references import short_name
from remixer.config.resources import Resource
from remixer.config.signature import SignedInstance
from remixer.config.snapshot import InstanceConfig
from remixer.expr.compile import Expression
from remixer.expr.errors import EvaluationError
from remixer.templates.build import InstanceError, go_path
from remixer.templates.dynamic import DynamicInstance
from remixer.templates.schema import InstanceType
from remixer.wire.proto_json.decode import Place, decode
from remixer.wire.typed_payloads import PayloadError

Build: TypeAlias = Callable[[Bag], DynamicInstance]

_STATIC_KEYS: Final = ("compiled_template", "compiledTemplate")
OUTPUT_PREFIX: Final = "output."
"""What stands before the output's fields in bindings. Source: Mixer 1.3 knows no `$out` here."""


def is_dynamic(resource: Resource, context: Context) -> bool:
    """Whether the instance names a `template` resource, and this process calls other ones."""
    if resource.key.kind != kinds.INSTANCE or resource.spec is None:
        return False
    is_static = any(resource.spec.get(key) for key in _STATIC_KEYS)
    return not is_static and bool(resource.spec.get("template")) and bool(context.dynamic.factory)


def resolve_dynamic_instance(
    resource: Resource, context: Context
) -> tuple[InstanceConfig, SignedInstance] | None:
    """The instance; None after any problem in it. Missing `params` are empty ones."""
    findings = context.findings(resource.name)
    place = Place("spec", findings)
    instance = decode(resource.spec, Instance(), place)
    if instance is None:
        return None
    semantics = semantics_for(resource, context.semantics, findings)
    referrer = Referrer(resource, "template", codes.UNKNOWN_TEMPLATE)
    template = find_or_report(
        context.dynamic.templates, instance.template, referrer, context, findings
    )
    if template is None or semantics is None:
        return None
    values = ValueReader(context.expressions, semantics)
    reader = FieldReader(template.service.schema, values)
    part = reader.instance(
        instance.params, template.service.instance, resource.name, place.field("params")
    )
    bindings = BindingReader(
        context, template.template, (OUTPUT_PREFIX,), semantics, is_lenient=True
    ).read(instance.attribute_bindings, place.field(BINDINGS_FIELD))
    if findings.error_count:
        return None
    instance_type = InstanceType(resource.name, template.name, values.types)
    config = InstanceConfig(
        name=resource.name,
        short_name=short_name(resource.name),
        template=template.template,
        type=instance_type,
        build=_builder(resource.name, part, values.used),
        location=resource.location,
        bindings=bindings,
    )
    return config, SignedInstance(instance_type, values.texts, semantics.value)


def _builder(name: str, part: Part, used: Mapping[str, Expression]) -> Build:
    if part.constant is not None:
        known = DynamicInstance(name, part.constant)
        return lambda _bag: known
    encode = cast("Encode", part.encode)

    def build(bag: Bag) -> DynamicInstance:
        try:
            return DynamicInstance(name, encode(bag))
        except (EvaluationError, PayloadError) as error:
            raise _failure(name, used, bag, error) from error

    return build


def _failure(
    name: str, used: Mapping[str, Expression], bag: Bag, known: EvaluationError | PayloadError
) -> InstanceError:
    """Expressions are pure, so the one that failed fails again and tells where it stands."""
    for path, expression in used.items():
        try:
            expression.evaluate(bag)
        except EvaluationError as error:
            return InstanceError(instance=name, path=go_path(path), cause=str(error))
    # A value that its field cannot hold; the error says of which type the field is.
    return InstanceError(instance=name, path="", cause=str(known))
