"""The operator's files of a new adapter: handler, instance, rule. Pure.

Each field of the template gets an expression over attributes that every proxy sends, with a
default, so that the instance never fails. Instants are left to reports: with one, no two checks are
alike, and none could be answered from memory.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import yaml

from remixer.attributes.values import ValueType
from remixer.templates.schema import Message, Template, Variety

Yaml: TypeAlias = "str | int | bool | Sequence[Yaml] | Mapping[str, Yaml]"

API_VERSION: Final = "config.istio.io/v1alpha2"
MODEL_NAMESPACE: Final = "istio-system"
"""Where `template` and `adapter` resources live, as in Istio."""
NAMESPACE: Final = "shop"
_WIDTH: Final = 100

_EXPRESSIONS: Final[Mapping[ValueType, str]] = {
    ValueType.VALUE_TYPE_UNSPECIFIED: 'request.path | "unknown"',
    ValueType.STRING: 'request.path | "unknown"',
    ValueType.INT64: "request.size | 0",
    ValueType.DOUBLE: "1.5",
    ValueType.BOOL: "connection.mtls | false",
    ValueType.TIMESTAMP: 'request.time | timestamp("1970-01-01T00:00:00Z")',
    ValueType.DURATION: 'response.duration | "0s"',
    ValueType.IP_ADDRESS: 'source.ip | ip("0.0.0.0")',
    ValueType.EMAIL_ADDRESS: 'email("nobody@example.com")',
    ValueType.URI: 'uri("http://example.com/")',
    ValueType.DNS_NAME: 'dnsName("example.com")',
    ValueType.STRING_MAP: "request.headers",
}
_BOUND_ATTRIBUTE: Final = "source.name"


def resource(kind: str, name: str, namespace: str, spec: Mapping[str, Yaml]) -> dict[str, Yaml]:
    """One document."""
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def yaml_text(documents: Sequence[Mapping[str, Yaml]]) -> str:
    """Documents as a file, keys in the order given."""
    return str(
        yaml.safe_dump_all(
            documents, sort_keys=False, allow_unicode=True, width=_WIDTH, default_flow_style=False
        )
    )


def handler(name: str, params: Mapping[str, Yaml], *, address: str | None) -> dict[str, Yaml]:
    """`address` None: an adapter in Remixer's own process."""
    if address is None:
        spec: dict[str, Yaml] = {"compiledAdapter": name}
    else:
        spec = {
            "adapter": f"{name}.adapter.{MODEL_NAMESPACE}",
            "connection": {"address": address},
        }
    return resource("handler", name, NAMESPACE, {**spec, "params": params})


def instance(name: str, template: Template, *, in_process: bool) -> dict[str, Yaml]:
    """The template's fields with expressions."""
    if in_process:
        spec: dict[str, Yaml] = {"compiledTemplate": template.name}
    else:
        spec = {"template": f"{template.name}.template.{MODEL_NAMESPACE}"}
    params = _expressions(template.message, with_time=template.variety is Variety.REPORT)
    if params:
        spec["params"] = params
    if template.variety is Variety.ATTRIBUTE_GENERATOR:
        prefix = "$out" if in_process else "output"
        spec["attribute_bindings"] = {_BOUND_ATTRIBUTE: f"{prefix}.{first_text_output(template)}"}
    return resource("instance", name, NAMESPACE, spec)


def rule(name: str) -> dict[str, Yaml]:
    """Everything in the namespace goes to the adapter."""
    actions: list[Yaml] = [{"handler": name, "instances": [name]}]
    return resource("rule", name, NAMESPACE, {"actions": actions})


def first_text_output(template: Template) -> str:
    """Name of an output that is a text; empty if there is none."""
    for field in template.output.fields if template.output is not None else ():
        if field.type is ValueType.STRING and not field.is_map:
            return field.name
    return ""


def _expressions(message: Message, *, with_time: bool) -> dict[str, Yaml]:
    found: dict[str, Yaml] = {}
    for field in message.fields:
        if field.message is not None:
            found[field.name] = _expressions(field.message, with_time=with_time)
            continue
        if field.type is ValueType.TIMESTAMP and not with_time:
            continue
        expression = _EXPRESSIONS[field.type or ValueType.STRING]
        found[field.name] = {"example": expression} if field.is_map else expression
    return found
