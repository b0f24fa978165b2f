"""The core messages of `istio.policy.v1beta1`, as configuration decodes them.

Source: field names of release 1.3. `name` of Handler and Instance is accepted and not read: the
resource's metadata name is the name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from remixer.attributes.values import ValueType
from remixer.foundation.documents.nodes import MapNode, Node
from remixer.mixer.outcome import HeaderOperationKind


@dataclass(frozen=True, slots=True)
class Handler:
    """A configured adapter. `params` stays a tree until the adapter is known."""

    name: str = ""
    compiled_adapter: str = ""
    adapter: str = ""
    params: MapNode | None = None
    connection: MapNode | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """Expressions for a template's fields. Trees stay trees until the template is known."""

    name: str = ""
    compiled_template: str = ""
    template: str = ""
    params: MapNode | None = None
    attribute_bindings: MapNode | None = None


@dataclass(frozen=True, slots=True)
class AdapterResource:
    """An out-of-process adapter (`Info`)."""

    name: str = ""
    description: str = ""
    templates: tuple[str, ...] = ()
    config: str = ""
    """A descriptor set in base64 that defines `Params`; empty: no parameters."""
    session_based: bool = False


@dataclass(frozen=True, slots=True)
class TemplateResource:
    """A template of an out-of-process adapter."""

    descriptor: str = ""
    """A descriptor set in base64."""


@dataclass(frozen=True, slots=True)
class Action:
    """Instances for a handler."""

    handler: str = ""
    instances: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class HeaderOperationTemplate:
    """A header operation whose values are expressions."""

    name: str = ""
    values: tuple[str, ...] = ()
    operation: HeaderOperationKind = HeaderOperationKind.REPLACE


@dataclass(frozen=True, slots=True)
class Rule:
    """What to do when. `sampling` was never read by Mixer."""

    match: str = ""
    actions: tuple[Action, ...] = ()
    request_header_operations: tuple[HeaderOperationTemplate, ...] = ()
    response_header_operations: tuple[HeaderOperationTemplate, ...] = ()
    sampling: MapNode | None = None


@dataclass(frozen=True, slots=True)
class AttributeInfo:
    """Declaration of one attribute."""

    description: str = ""
    value_type: ValueType = ValueType.VALUE_TYPE_UNSPECIFIED


@dataclass(frozen=True, slots=True)
class AttributeManifest:
    """Declarations. Each attribute stays a tree, so that a bad one does not spoil the rest."""

    revision: str = ""
    name: str = ""
    attributes: Mapping[str, Node] = field(default_factory=dict)
