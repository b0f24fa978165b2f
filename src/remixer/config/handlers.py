"""Handler resources to `HandlerConfig`: adapter found, params decoded, validated, signed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from remixer.config import codes, kinds
from remixer.config.context import Context
from remixer.config.dynamic_handlers import read_remote_handler
from remixer.config.instances import ResolvedInstance
from remixer.config.messages import Handler
from remixer.config.resources import Resource
from remixer.config.signature import handler_signature
from remixer.config.snapshot import HandlerConfig
from remixer.foundation.documents.nodes import MapNode, locate
from remixer.foundation.findings import Findings, hint_for
from remixer.foundation.problems import Location
from remixer.sdk.adapter import AnyAdapterInfo, HandlerContext
from remixer.wire.proto_json.decode import Place, decode
from remixer.wire.proto_json.schema import SchemaError, check_schema

_LISTED: Final = (
    "`remixer adapter list` shows those that are installed; "
    "an `adapter` resource is named by `adapter`."
)


@dataclass(frozen=True, slots=True)
class HandlerDraft:
    """A handler whose params are decoded; which instances it gets is not known yet."""

    name: str
    display_name: str
    adapter: AnyAdapterInfo
    params: object
    params_node: MapNode | None
    params_path: str
    location: Location


def draft_handler(resource: Resource, context: Context) -> HandlerDraft | None:
    """The handler; None after any problem in it. Half-decoded params are never used."""
    findings = context.findings(resource.name)
    place = Place("spec", findings)
    key = resource.key
    if key.kind != kinds.HANDLER:
        adapter, params = context.adapters[key.kind], resource.spec
        display_name = resource.name
    else:
        message = decode(resource.spec, Handler(), place)
        if message is not None and _is_remote(message, context):
            return _remote_draft(resource, message, context)
        found = None if message is None else _adapter(resource, message, context, findings)
        if message is None or found is None:
            return None
        adapter, params = found, message.params
        place = place.field("params")
        display_name = f"{key.name}.{key.namespace}"
    try:
        defaults: object = adapter.defaults
        check_schema(type(defaults))
        decoded = decode(params, defaults, place)
    except SchemaError as error:
        fault = f"adapter `{adapter.name}` cannot be configured: {error}"
        findings.error(
            codes.BROKEN_PLUGIN, fault, resource.location, hint="Report it to its author."
        )
        return None
    if decoded is None:
        return None
    return HandlerDraft(
        resource.name, display_name, adapter, decoded, params, place.path, resource.location
    )


def _is_remote(handler: Handler, context: Context) -> bool:
    """Whether the adapter is a resource, and this process calls other ones."""
    is_named = bool(handler.adapter) and not handler.compiled_adapter
    return is_named and context.dynamic.factory is not None


def _remote_draft(resource: Resource, handler: Handler, context: Context) -> HandlerDraft | None:
    found = read_remote_handler(resource, handler, context)
    if found is None:
        return None
    adapter, params = found
    # Source: both names of such a handler have three parts.
    name = resource.name
    return HandlerDraft(
        name, name, adapter, params, handler.params, "spec.params", resource.location
    )


def _adapter(
    resource: Resource, handler: Handler, context: Context, findings: Findings
) -> AnyAdapterInfo | None:
    name = handler.compiled_adapter
    key = "compiled_adapter" if name else "adapter"
    adapter = context.adapters.get(name)
    if adapter is not None:
        return adapter
    if name in kinds.MIXER_ADAPTERS:
        code, message = codes.NOT_SUPPORTED, f"adapter `{name}` is not supported in this version"
        hint = kinds.successor_hint(name) or hint_for("", context.adapters)
    elif name:
        code, message = codes.UNKNOWN_ADAPTER, f"there is no adapter `{name}`"
        hint = hint_for(name, context.adapters) or _LISTED
    elif handler.adapter:
        code = codes.NOT_SUPPORTED
        message = "adapters in other processes are not called here"
        hint = "Name a built-in or installed adapter with `compiledAdapter`."
    else:
        code, message = codes.UNKNOWN_ADAPTER, "the handler names no adapter"
        hint = "Add `compiledAdapter`, or `adapter` with the name of an `adapter` resource."
    at = locate(resource.spec, key, resource.location)
    findings.error(code, message, at, field=f"spec.{key}", hint=hint)
    return None


def finish_handler(
    draft: HandlerDraft, routed: Iterable[ResolvedInstance], context: Context
) -> HandlerConfig | None:
    """The handler with the instances that rules send to it; None if the adapter refuses it."""
    by_name = {each.config.name: each for each in routed}
    ordered = [by_name[name] for name in sorted(by_name)]
    instances = tuple(each.config.type for each in ordered)
    findings = context.findings(draft.name)
    _validate(draft, HandlerContext(draft.display_name, instances), findings)
    if findings.error_count:
        return None
    signed = (each.signed for each in ordered)
    return HandlerConfig(
        name=draft.name,
        display_name=draft.display_name,
        adapter=draft.adapter,
        params=draft.params,
        instances=instances,
        varieties=frozenset(each.config.template.variety for each in ordered),
        signature=handler_signature(draft.adapter.name, draft.params, signed),
        location=draft.location,
    )


def _validate(draft: HandlerDraft, handler: HandlerContext, findings: Findings) -> None:
    """Asks the adapter. Its findings and its own failure both refuse the handler."""
    try:
        found = tuple(draft.adapter.validate(draft.params, handler))
    except Exception as error:  # noqa: BLE001 - the wall around third parties' code
        message = f"adapter `{draft.adapter.name}` failed to validate: {error!r}"
        hint = "Report it to the adapter's author."
        findings.error(
            codes.BROKEN_PLUGIN, message, draft.location, field=draft.params_path, hint=hint
        )
        return
    for each in found:
        findings.error(
            codes.PARAMS_REJECTED,
            each.message,
            locate(draft.params_node, each.path, draft.location),
            field=f"{draft.params_path}.{each.path}" if each.path else draft.params_path,
            hint=each.hint,
        )
