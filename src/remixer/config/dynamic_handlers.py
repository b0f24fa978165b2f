"""Handlers whose adapter is a resource."""

from collections.abc import Mapping

from remixer.config import codes
from remixer.config.connections import read_connection
from remixer.config.context import Context
from remixer.config.dynamic import DynamicAdapter
from remixer.config.dynamic_params import ParamsEncoder
from remixer.config.dynamic_resources import Referrer, find_or_report
from remixer.config.messages import Handler
from remixer.config.resources import Resource
from remixer.sdk.adapter import AnyAdapterInfo
from remixer.sdk.remote import RemoteParams, RemoteTemplate
from remixer.wire.proto_json.decode import Place


def read_remote_handler(
    resource: Resource, handler: Handler, context: Context
) -> tuple[AnyAdapterInfo, RemoteParams] | None:
    """The adapter and its parameters, encoded; None after a problem."""
    findings = context.findings(resource.name)
    place = Place("spec", findings)
    referrer = Referrer(resource, "adapter", codes.UNKNOWN_ADAPTER)
    adapter = find_or_report(context.dynamic.adapters, handler.adapter, referrer, context, findings)
    connection = read_connection(handler.connection, place.field("connection"), resource.location)
    if adapter is None:
        return None
    config_type, config = _config(handler, adapter, place.field("params"))
    _warn_of_silence(handler, adapter, place.field("params"))
    if findings.error_count or connection is None:
        return None
    params = RemoteParams(
        connection=connection,
        config_type=config_type,
        config=config,
        is_session_based=adapter.is_session_based,
        uses_sessions=adapter.uses_sessions,
        templates=_templates(adapter),
    )
    return adapter.info, params


def _warn_of_silence(handler: Handler, adapter: DynamicAdapter, place: Place) -> None:
    is_silent = adapter.is_session_based and not adapter.uses_sessions
    if is_silent and handler.params is not None and handler.params.entries:
        place.findings.warning(
            codes.PARAMS_NOT_SENT,
            f"adapter `{adapter.info.name}` is `session_based`: parameters are sent to sessions "
            "alone, and none is opened",
            handler.params.location,
            field=place.path,
            hint='Annotate it with `remixer.dev/sessions: "true"`, or remove `session_based`.',
        )


def _config(handler: Handler, adapter: DynamicAdapter, place: Place) -> tuple[str, bytes]:
    """Type and bytes of the adapter's parameters; both empty if it takes none."""
    if adapter.params is None:
        if handler.params is not None and handler.params.entries:
            message = f"adapter `{adapter.info.name}` takes no parameters: its `config` is empty"
            place.error(codes.NO_PARAMS_TAKEN, message, handler.params, "Remove `params`.")
        return "", b""
    message_schema = adapter.params.message
    encoder = ParamsEncoder(adapter.params.schema)
    return message_schema.name, encoder.message(handler.params, message_schema, place)


def _templates(adapter: DynamicAdapter) -> Mapping[str, RemoteTemplate]:
    return {
        name: RemoteTemplate(
            path=each.service.path,
            variety=each.template.variety,
            package=each.service.package,
            output=each.service.output,
            types=each.service.types,
        )
        for name, each in adapter.templates.items()
    }
