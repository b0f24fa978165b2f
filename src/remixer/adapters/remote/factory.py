"""Makes the adapter of an `adapter` resource, and its handlers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from typing import Final, TypeAlias
from zlib import crc32

from remixer.adapters.remote.handler import Method, RemoteHandler
from remixer.adapters.remote.session import Session
from remixer.sdk.adapter import AdapterInfo, Environment, Handler, HandlerContext
from remixer.sdk.remote import RemoteParams
from remixer.transport.remote_metrics import ChannelMetrics
from remixer.transport.remote_port import RemoteChannel
from remixer.transport.remote_spec import ConnectionSpec
from remixer.wire.adapter_calls import config_field
from remixer.wire.adapter_model import TYPE_URL_PREFIX
from remixer.wire.adapter_outputs import OutputDecoder
from remixer.wire.adapter_sessions import encode_create_session, encode_validate
from remixer.wire.inferred_types import encode_inferred_types

OpenChannel: TypeAlias = Callable[[ConnectionSpec, Environment], Awaitable[RemoteChannel]]

_CLOSE_S: Final = 1.0  # for calls under way; a handler has 2 s in all
_ID_MASK: Final = (1 << 62) - 1


def remote_adapter(
    name: str, *, description: str, templates: frozenset[str]
) -> AdapterInfo[RemoteParams]:
    """A `RemoteAdapterFactory` on production channels."""
    return RemoteAdapters(open_channel)(name, description=description, templates=templates)


@dataclass(frozen=True, slots=True)
class RemoteAdapters:
    """A `RemoteAdapterFactory` on channels that `open_channel` opens."""

    open_channel: OpenChannel

    def __call__(
        self, name: str, *, description: str, templates: frozenset[str]
    ) -> AdapterInfo[RemoteParams]:
        async def build(
            params: RemoteParams, context: HandlerContext, environment: Environment
        ) -> Handler:
            channel = await self.open_channel(params.connection, environment)
            try:
                return await _build(params, context, environment, channel)
            except BaseException:
                await channel.aclose()
                raise

        return AdapterInfo(name, description, templates, RemoteParams(), build)


async def open_channel(spec: ConnectionSpec, environment: Environment) -> RemoteChannel:
    """Raises `RemoteSetupError`."""
    # A server without such adapters does without gRPC's own stack, and its 8 MB.
    from remixer.transport.remote_channel import (  # noqa: PLC0415 - see above
        ChannelLimits,
        open_remote_channel,
    )

    return await open_remote_channel(
        spec,
        clock=environment.clock,
        tasks=environment.tasks,
        http=environment.http,
        limits=ChannelLimits(close_s=_CLOSE_S),
        metrics=environment.scrape.shared("remote", ChannelMetrics),
    )


async def _build(
    params: RemoteParams, context: HandlerContext, environment: Environment, channel: RemoteChannel
) -> Handler:
    session = _session(params, context, environment, channel)
    if session is not None:
        await session.start()
    type_url = TYPE_URL_PREFIX + params.config_type
    is_sent = bool(params.config_type) and not params.is_session_based
    # Not at zero: a back end that remembers ids must not take us for our predecessor.
    first_id = (environment.clock.unix_ns() ^ crc32(context.name.encode())) & _ID_MASK
    return RemoteHandler(
        channel=channel,
        methods=_methods(params, context),
        config=config_field(type_url, params.config) if is_sent else b"",
        session=session,
        call_ids=count(first_id),
        clock=environment.clock,
    )


def _methods(params: RemoteParams, context: HandlerContext) -> dict[str, Method]:
    by_template = {
        name: Method(template.path, OutputDecoder(template.output))
        for name, template in params.templates.items()
    }
    return {each.name: by_template[each.template] for each in context.instances}


def _session(
    params: RemoteParams, context: HandlerContext, environment: Environment, channel: RemoteChannel
) -> Session | None:
    if not params.uses_sessions:
        return None
    type_url = TYPE_URL_PREFIX + params.config_type if params.config_type else ""
    types: dict[str, tuple[str, bytes]] = {}
    for each in context.instances:
        template = params.templates[each.template]
        url = f"{TYPE_URL_PREFIX}{template.package}.Type"
        types[each.name] = (url, encode_inferred_types(template.types, each.types))
    return Session(
        channel=channel,
        tasks=environment.tasks,
        validate=encode_validate(type_url, params.config, types),
        create=encode_create_session(type_url, params.config, types),
    )
