"""Resources of kinds `template` and `adapter`: descriptors decoded, references resolved.

Source: steps D and E of Mixer 1.3's snapshot; an adapter with a missing template is left out.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Final, TypeVar

from remixer.config import codes, kinds
from remixer.config.context import Context
from remixer.config.dynamic import Dynamic, DynamicAdapter, DynamicTemplate
from remixer.config.messages import AdapterResource, TemplateResource
from remixer.config.references import Directory
from remixer.config.resource_index import ResourceIndex
from remixer.config.resources import Resource
from remixer.foundation.documents.nodes import locate
from remixer.foundation.findings import Findings
from remixer.foundation.problems import Location
from remixer.sdk.remote import RemoteAdapterFactory
from remixer.templates.dynamic import dynamic_template
from remixer.wire.descriptor_schema import ParamsSchema, ServiceSchema
from remixer.wire.descriptors import (
    DescriptorError,
    DescriptorFault,
    decode_params,
    decode_template,
    fields_without_encoder,
)
from remixer.wire.proto_json.decode import Place, decode

T = TypeVar("T")

SESSIONS_ANNOTATION: Final = "remixer.dev/sessions"
"""On an `adapter` resource with `sessionBased: true`; `"true"`: Validate, CreateSession, …"""
_INCLUDE: Final = "Make the set with `protoc --include_imports --descriptor_set_out=FILE`."

_CODES: Final[Mapping[DescriptorFault, str]] = {
    DescriptorFault.NOT_BASE64: codes.BAD_BASE64,
    DescriptorFault.NOT_A_SET: codes.NOT_A_DESCRIPTOR_SET,
    DescriptorFault.NO_TEMPLATE: codes.NO_TEMPLATE_FILE,
    DescriptorFault.SEVERAL_TEMPLATES: codes.SEVERAL_TEMPLATE_FILES,
    DescriptorFault.BAD_NAME: codes.BAD_TEMPLATE_NAME,
    DescriptorFault.UNKNOWN_VARIETY: codes.UNKNOWN_VARIETY,
    DescriptorFault.INCOMPLETE: codes.DESCRIPTOR_INCOMPLETE,
    DescriptorFault.IMPORT_LOOP: codes.IMPORT_LOOP,
    DescriptorFault.MISSING_IMPORT: codes.MISSING_IMPORT,
    DescriptorFault.NO_PARAMS: codes.NO_PARAMS_MESSAGE,
}
_HINTS: Final[Mapping[DescriptorFault, str]] = {
    DescriptorFault.NOT_BASE64: "Write `base64 < FILE` of the set here.",
    DescriptorFault.NOT_A_SET: _INCLUDE,
    DescriptorFault.NO_TEMPLATE: (
        "Make the set from the generated `…_handler_service.proto`, not from the adapter's config."
    ),
    DescriptorFault.SEVERAL_TEMPLATES: "One resource describes one template.",
    DescriptorFault.BAD_NAME: 'Give the file the option `template_name = "letters"`.',
    DescriptorFault.INCOMPLETE: (
        "Make the set from the generated `…_handler_service.proto`, not from the template's source."
    ),
    DescriptorFault.MISSING_IMPORT: _INCLUDE,
    DescriptorFault.NO_PARAMS: "Leave `config` empty if the adapter takes no parameters.",
}


def read_dynamic(index: ResourceIndex, context: Context, factory: RemoteAdapterFactory) -> Dynamic:
    """All usable templates and adapters; problems go to the context."""
    templates = _directory(kinds.TEMPLATE, index, context, partial(_template, context=context))
    known = replace(context, dynamic=Dynamic(factory, templates))
    reader = partial(_adapter, context=known, factory=factory)
    return Dynamic(factory, templates, _directory(kinds.ADAPTER, index, context, reader))


def _directory(
    kind: str, index: ResourceIndex, context: Context, read: Callable[[Resource], T | None]
) -> Directory[T]:
    found: dict[str, T] = {}
    for resource in index.of_kinds({kind}):
        each = context.walled(resource.name, resource.location, partial(read, resource))
        if each is not None:
            found[resource.name] = each
    return Directory(kind, found, index.names_of({kind}) - found.keys())


@lru_cache(maxsize=128)  # pure; a configuration has a dozen, and most reloads change none
def _decoded_template(text: str) -> ServiceSchema | DescriptorError:
    try:
        return decode_template(text)
    except DescriptorError as error:
        return error.with_traceback(None)


@lru_cache(maxsize=128)  # as above
def _decoded_params(text: str) -> ParamsSchema | DescriptorError:
    try:
        return decode_params(text)
    except DescriptorError as error:
        return error.with_traceback(None)


def _template(resource: Resource, context: Context) -> DynamicTemplate | None:
    findings = context.findings(resource.name)
    message = decode(resource.spec, TemplateResource(), Place("spec", findings))
    if message is None:
        return None
    at = locate(resource.spec, "descriptor", resource.location)
    found = _decoded_template(message.descriptor)
    if isinstance(found, DescriptorError):
        _report(found, findings, at, "spec.descriptor")
        return None
    for field, reason in fields_without_encoder(found):
        text = f"`{field}` {reason}, which configuration cannot set"
        findings.warning(codes.NO_ENCODER, text, at, field="spec.descriptor")
    return DynamicTemplate(dynamic_template(resource.name, found), found)


def _adapter(
    resource: Resource, context: Context, factory: RemoteAdapterFactory
) -> DynamicAdapter | None:
    findings = context.findings(resource.name)
    message = decode(resource.spec, AdapterResource(), Place("spec", findings))
    if message is None:
        return None
    params = None
    if message.config.strip():
        found = _decoded_params(message.config)
        if isinstance(found, DescriptorError):
            at = locate(resource.spec, "config", resource.location)
            _report(found, findings, at, "spec.config")
        else:
            params = found
    templates = dict(_templates(resource, message, context, findings))
    uses_sessions = _uses_sessions(resource, findings)
    if findings.error_count:
        return None
    info = factory(resource.name, description=message.description, templates=frozenset(templates))
    is_session_based = message.session_based
    return DynamicAdapter(
        info, templates, params, is_session_based, is_session_based and uses_sessions
    )


def _templates(
    resource: Resource, message: AdapterResource, context: Context, findings: Findings
) -> Iterator[tuple[str, DynamicTemplate]]:
    for index, text in enumerate(message.templates):
        found = find_or_report(
            context.dynamic.templates,
            text,
            Referrer(resource, f"templates[{index}]", codes.UNKNOWN_TEMPLATE),
            context,
            findings,
        )
        if found is not None:
            yield found.name, found


def _uses_sessions(resource: Resource, findings: Findings) -> bool:
    setting = resource.annotations.get(SESSIONS_ANNOTATION)
    if setting is None or setting.text.strip() == "false":
        return False
    if setting.text.strip() == "true":
        return True
    message = f"found `{setting.text}`; wanted `true` or `false`"
    field = f"metadata.annotations[{SESSIONS_ANNOTATION}]"
    findings.error(codes.UNKNOWN_SETTING, message, setting.location, field=field)
    return False


def _report(error: DescriptorError, findings: Findings, at: Location, field: str) -> None:
    hint = _HINTS.get(error.fault, "")
    findings.error(_CODES[error.fault], error.message, at, field=field, hint=hint)


@dataclass(frozen=True, slots=True)
class Referrer:
    """Who refers: a field below `spec`, and the code for a name that does not exist."""

    resource: Resource
    path: str
    missing: str


def find_or_report(
    directory: Directory[T], text: str, referrer: Referrer, context: Context, findings: Findings
) -> T | None:
    """What `text` refers to from the referrer's namespace; None after a problem."""
    namespace = referrer.resource.key.namespace
    found = directory.find(text, namespace=namespace)
    if found is not None:
        return found
    at = locate(referrer.resource.spec, referrer.path, referrer.resource.location)
    field = f"spec.{referrer.path}"
    if directory.is_left_out(text, namespace=namespace):
        message = f"{directory.kind} `{text}` was left out because of its own problems"
        hint = f"Repair that {directory.kind}."
        findings.error(codes.TARGET_LEFT_OUT, message, at, field=field, hint=hint)
        return None
    hint = directory.hint(text, namespace=namespace, default_namespace=context.default_namespace)
    message = f"there is no {directory.kind} `{text}`"
    findings.error(referrer.missing, message, at, field=field, hint=hint)
    return None
