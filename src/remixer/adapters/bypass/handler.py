"""Instances of built-in templates to another process, and its answers back.

With `session_based` the back end gets the parameters once, when the session opens; its calls carry
neither parameters nor an id, as in Mixer 1.3. Without, each call carries the parameters.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final, TypeAlias
from zlib import crc32

from remixer.adapters.bypass.params import Params, connection_of, validate
from remixer.adapters.bypass.session import Opening, Session
from remixer.foundation.clock import Clock
from remixer.sdk import (
    AdapterInfo,
    CheckNothing,
    CheckResult,
    DirectHttpResponse,
    Environment,
    HandlerContext,
    Metric,
    Quota,
    QuotaRequest,
    QuotaResult,
    ReportNothing,
    Template,
)
from remixer.sdk.call_time import call_time_left_s
from remixer.templates.instances import BUILTIN_TEMPLATES
from remixer.transport.remote_port import RemoteChannel
from remixer.wire.adapter_answers import decode_allotment, decode_verdict
from remixer.wire.adapter_calls import config_field, handle_request, quota_field, report_request
from remixer.wire.adapter_model import TYPE_URL_PREFIX, handle_path, interface_name
from remixer.wire.inferred_types import encode_inferred_types
from remixer.wire.instance_messages import InstanceCodec

Reported: TypeAlias = ReportNothing | Metric

_TEMPLATE_NAMES: Final = frozenset({"checknothing", "metric", "quota", "reportnothing"})
_TEMPLATES: Final[Mapping[str, Template]] = {
    each.name: each for each in BUILTIN_TEMPLATES if each.name in _TEMPLATE_NAMES
}
_LONGEST_CALL_S: Final = 60.0  # outside of the guard, which knows the request's own deadline
_CLOSE_S: Final = 1.0  # for calls under way; a handler has 2 s in all
_ID_MASK: Final = (1 << 62) - 1


@dataclass(frozen=True, slots=True)
class _Service:
    """How instances of one template are sent."""

    path: str
    codec: InstanceCodec


def _service(template: Template) -> _Service:
    interface = interface_name(template.message.carrier.__name__, template.name)
    return _Service(handle_path(template.package, interface), InstanceCodec(template.message))


_SERVICES: Final[Mapping[type, _Service]] = {
    each.message.carrier: _service(each) for each in _TEMPLATES.values()
}


class Bypass:
    """A handler whose work another process does."""

    def __init__(
        self,
        *,
        channel: RemoteChannel,
        config: bytes,
        session: Session | None,
        context: HandlerContext,
        clock: Clock,
    ) -> None:
        """`config`: field `adapter_config` of every call, or empty."""
        self._channel = channel
        self._config = config
        self._session = session
        self._types = {each.name: each.types for each in context.instances}
        self._clock = clock
        self._ids = _call_ids(context.name, clock)

    async def check(self, instance: CheckNothing, /) -> CheckResult:
        request = handle_request(self._encoded(instance), self._config, next(self._ids))
        answer = await self._send(type(instance), request, is_safe_to_retry=True)
        found = decode_verdict(answer)
        direct = None
        if found.direct is not None:
            direct = DirectHttpResponse(found.direct.code, found.direct.body, found.direct.headers)
        return CheckResult(found.status, found.valid_duration, found.valid_use_count, direct)

    async def allocate(self, instance: Quota, request: QuotaRequest, /) -> QuotaResult:
        # A caller without an id must not be taken for another one.
        call_id = request.deduplication_id or next(self._ids)
        payload = handle_request(self._encoded(instance), self._config, call_id)
        payload += quota_field(instance.name, request.amount, best_effort=request.best_effort)
        answer = await self._send(Quota, payload, is_safe_to_retry=False)
        found = decode_allotment(answer, instance.name)
        return QuotaResult(found.granted, found.valid_duration, found.status)

    async def report(self, instances: Sequence[Reported], /) -> None:
        for kind in (ReportNothing, Metric):
            encoded = [self._encoded(each) for each in instances if type(each) is kind]
            if encoded:
                payload = report_request(encoded, self._config, next(self._ids))
                await self._send(kind, payload, is_safe_to_retry=False)

    async def aclose(self) -> None:
        try:
            if self._session is not None:
                await self._session.aclose()
        finally:
            await self._channel.aclose()

    def _encoded(self, instance: CheckNothing | Quota | Reported) -> bytes:
        types = self._types.get(instance.name, {})
        return _SERVICES[type(instance)].codec.encode(instance, types)

    async def _send(self, kind: type, request: bytes, *, is_safe_to_retry: bool) -> bytes:
        if self._session is not None:
            await self._session.opened()
        return await self._channel.unary(
            _SERVICES[kind].path,
            request,
            timeout_s=call_time_left_s(now_s=self._clock.monotonic_s(), at_most_s=_LONGEST_CALL_S),
            is_safe_to_retry=is_safe_to_retry,
        )


def _call_ids(handler: str, clock: Clock) -> Iterator[str]:
    # Not from zero: a back end that remembers ids must not take us for our predecessor.
    first = (clock.unix_ns() ^ crc32(handler.encode())) & _ID_MASK
    return map(str, count(first))


async def _build(params: Params, context: HandlerContext, environment: Environment) -> Bypass:
    # A server without this adapter does without gRPC's own stack, and its 8 MB.
    from remixer.transport.remote_channel import (  # noqa: PLC0415 - see above
        ChannelLimits,
        open_remote_channel,
    )

    channel = await open_remote_channel(
        connection_of(params),
        clock=environment.clock,
        tasks=environment.tasks,
        http=environment.http,
        limits=ChannelLimits(close_s=_CLOSE_S),
    )
    session = None
    packed = params.params
    if params.session_based:
        session = Session(
            channel,
            Opening(
                type_url="" if packed is None else packed.type_url,
                params=b"" if packed is None else packed.value,
                types=dict(_types_of(context)),
            ),
        )
        environment.tasks.spawn(session.open_at_last(), name="open session")
    is_sent = packed is not None and session is None
    return Bypass(
        channel=channel,
        config=config_field(packed.type_url, packed.value) if packed and is_sent else b"",
        session=session,
        context=context,
        clock=environment.clock,
    )


def _types_of(context: HandlerContext) -> Iterator[tuple[str, tuple[str, bytes]]]:
    for each in context.instances:
        template = _TEMPLATES[each.template]
        url = f"{TYPE_URL_PREFIX}{template.package}.Type"
        yield each.name, (url, encode_inferred_types(template.message, each.types))


INFO = AdapterInfo(
    name="bypass",
    description="Hands checks, quotas and reports to another process over gRPC.",
    templates=_TEMPLATE_NAMES,
    defaults=Params(),
    build=_build,
    validate=validate,
)
