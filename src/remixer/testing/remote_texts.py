"""Configuration texts of out-of-process adapters for tests, one document per call.

Names, namespaces, params and settings go into flow-style YAML as they are.
"""

import base64

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet

from remixer.attributes.values import ValueType
from remixer.templates.schema import Field, Message, Template, Variety
from remixer.wire.template_descriptors import template_descriptor_set


class Keyval:
    """Instances of `KEYVAL`; configuration makes none of them."""


KEYVAL = Template(
    name="keyval",
    variety=Variety.CHECK_WITH_OUTPUT,
    package="keyval",
    message=Message("Template", Keyval, (Field("key", 1, type=ValueType.STRING),)),
    output=Message("OutputTemplate", dict, (Field("value", 1, type=ValueType.STRING),)),
)
"""A template of the variety that no built-in one has."""


def params_descriptor_set(package: str, **fields: str) -> bytes:
    """A message `Params` of texts and maps of texts: `table="map"`, `host="string"`.

    Fields are numbered from 1 in order of writing.
    """
    files = FileDescriptorSet()
    file = files.file.add(name=f"{package}/config.proto", package=package, syntax="proto3")
    params = file.message_type.add(name="Params")
    for number, (name, kind) in enumerate(fields.items(), start=1):
        field = params.field.add(name=name, number=number, type=FieldDescriptorProto.TYPE_STRING)
        field.label = FieldDescriptorProto.LABEL_OPTIONAL
        if kind == "map":
            entry = params.nested_type.add(name=f"{name.title()}Entry")
            entry.options.map_entry = True
            for key_number, key in enumerate(("key", "value"), start=1):
                entry.field.add(
                    name=key,
                    number=key_number,
                    type=FieldDescriptorProto.TYPE_STRING,
                    label=FieldDescriptorProto.LABEL_OPTIONAL,
                )
            field.type = FieldDescriptorProto.TYPE_MESSAGE
            field.type_name = f".{package}.Params.{entry.name}"
            field.label = FieldDescriptorProto.LABEL_REPEATED
    return files.SerializeToString()


def template_resource(
    name: str, template: Template | bytes, *, namespace: str = "istio-system"
) -> str:
    """A `template` resource from one of our templates, or from a descriptor set."""
    descriptor = template if isinstance(template, bytes) else template_descriptor_set(template)
    text = base64.b64encode(descriptor).decode()
    return _document("template", name, namespace, f"{{descriptor: {text}}}")


def adapter_resource(
    name: str,
    *templates: str,
    config: bytes = b"",
    is_session_based: bool = False,
    annotations: str = "",
    namespace: str = "istio-system",
) -> str:
    spec = (
        f"{{sessionBased: {str(is_session_based).lower()}, templates: [{', '.join(templates)}], "
        f'config: "{base64.b64encode(config).decode()}"}}'
    )
    return _document("adapter", name, namespace, spec, annotations)


def remote_handler(
    name: str,
    adapter: str,
    address: str,
    params: str = "",
    *,
    more: str = "",
    namespace: str = "istio-system",
) -> str:
    """`more`: further fields of `connection`."""
    connection = f'{{address: "{address}"{", " + more if more else ""}}}'
    given = f", params: {{{params}}}" if params else ""
    spec = f"{{adapter: {adapter}, connection: {connection}{given}}}"
    return _document("handler", name, namespace, spec)


def remote_instance(
    name: str,
    template: str,
    params: str = "",
    *,
    bindings: str = "",
    namespace: str = "istio-system",
) -> str:
    bound = f", attributeBindings: {{{bindings}}}" if bindings else ""
    spec = f"{{template: {template}, params: {{{params}}}{bound}}}"
    return _document("instance", name, namespace, spec)


def _document(kind: str, name: str, namespace: str, spec: str, annotations: str = "") -> str:
    noted = f", annotations: {{{annotations}}}" if annotations else ""
    return f"""
kind: {kind}
metadata: {{name: {name}, namespace: {namespace}{noted}}}
spec: {spec}
---
"""
