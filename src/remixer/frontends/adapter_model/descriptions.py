"""What other people need in order to call an adapter: descriptors and resources.

The `template` and `adapter` resources are those of Mixer 1.3, for the Go Mixer as for this one.
"""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from remixer.frontends.adapter_model.params_schema import has_params, params_descriptor_set
from remixer.sdk.adapter import AnyAdapterInfo
from remixer.templates.schema import Template
from remixer.wire.template_descriptors import template_descriptor_set


@dataclass(frozen=True, slots=True)
class AdapterDescription:
    """The `adapter` resource's content. Descriptors are base64."""

    name: str
    description: str
    templates: tuple[str, ...]
    config: str
    """Empty for an adapter without parameters."""
    session_based: bool = False


@dataclass(frozen=True, slots=True)
class TemplateDescription:
    """The `template` resource's content."""

    name: str
    descriptor: str


def describe_adapter(info: AnyAdapterInfo, *, session_based: bool = False) -> AdapterDescription:
    """Raises `SchemaError` for parameters that no message can carry."""
    params = type(info.defaults)
    config = (
        params_descriptor_set(info.name, params).SerializeToString() if has_params(params) else b""
    )
    return AdapterDescription(
        name=info.name,
        description=info.description,
        templates=tuple(sorted(info.templates)),
        config=_encoded(config),
        session_based=session_based,
    )


def describe_template(template: Template) -> TemplateDescription:
    """Its generated service with all imports."""
    return TemplateDescription(template.name, _encoded(template_descriptor_set(template)))


def service_descriptor_sets(info: AnyAdapterInfo, templates: Iterable[Template]) -> Iterator[bytes]:
    """What a server of this adapter publishes besides the adapter model's own services."""
    for each in templates:
        yield template_descriptor_set(each)
    yield params_descriptor_set(info.name, type(info.defaults)).SerializeToString()


def _encoded(descriptor: bytes) -> str:
    return base64.b64encode(descriptor).decode()
