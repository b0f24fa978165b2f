"""`adapter` and `template` resources with their descriptors, as Mixers load them."""

from collections.abc import Mapping

from remixer.cli.scaffold.resources import Yaml, resource
from remixer.frontends.adapter_model.descriptions import describe_adapter, describe_template
from remixer.sdk.adapter import AnyAdapterInfo
from remixer.templates.schema import Template


def adapter_resource(
    info: AnyAdapterInfo, *, namespace: str, session_based: bool
) -> Mapping[str, Yaml]:
    """Raises `SchemaError` for parameters that no message can carry."""
    found = describe_adapter(info, session_based=session_based)
    spec: dict[str, Yaml] = {
        "description": found.description,
        "session_based": found.session_based,
        "templates": list(found.templates),
    }
    if found.config:
        spec["config"] = found.config
    return resource("adapter", found.name, namespace, spec)


def template_resource(template: Template, *, namespace: str) -> Mapping[str, Yaml]:
    """The template's generated service."""
    found = describe_template(template)
    return resource("template", found.name, namespace, {"descriptor": found.descriptor})
