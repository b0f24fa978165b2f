"""Calls of one out-of-process adapter: instances out, verdicts, grants and attributes back.

Requests carry the adapter's parameters, or the id of a session, or nothing, and an id by which the
back end can tell repeated calls: the caller's own for quotas, else a number that counts up.

Source: sections on adapter calls of Mixer 1.3's protocol. The status inside a quota's answer, which
Mixer 1.3 did not look at, counts here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from remixer.adapters.remote.session import FORGOTTEN, Session
from remixer.attributes.values import Value
from remixer.foundation.clock import Clock
from remixer.sdk.call_time import call_time_left_s
from remixer.sdk.params import DirectHttpResponse
from remixer.sdk.results import CheckOutput, CheckResult, QuotaRequest, QuotaResult
from remixer.templates.dynamic import DynamicInstance
from remixer.transport.remote_port import RemoteChannel, RpcFailed
from remixer.wire.adapter_answers import decode_allotment, decode_verdict, split_response
from remixer.wire.adapter_calls import handle_request, quota_field, report_request
from remixer.wire.adapter_outputs import OutputDecoder

Encode: TypeAlias = Callable[[bytes], bytes]
"""A request with the given field `adapter_config`."""

_LONGEST_CALL_S: Final = 60.0  # outside of the guard, which knows the request's own deadline


@dataclass(frozen=True, slots=True)
class Method:
    """How instances of one template are handed over."""

    path: str
    outputs: OutputDecoder


class RemoteHandler:
    """A handler whose work another process does."""

    def __init__(
        self,
        *,
        channel: RemoteChannel,
        methods: Mapping[str, Method],
        config: bytes,
        session: Session | None,
        call_ids: Iterator[int],
        clock: Clock,
    ) -> None:
        """`methods` by instance name; `config`: field `adapter_config` of every call, or empty."""
        self._channel = channel
        self._methods = methods
        self._config = config
        self._session = session
        self._call_ids = call_ids
        self._clock = clock
        # Most answers of a back end are alike; one decoded already is given again.
        self._last_verdict: tuple[bytes, CheckResult] = (b"", CheckResult())

    async def check(self, instance: DynamicInstance, /) -> CheckResult:
        method = self._methods[instance.name]
        return self._verdict(await self._ask(method.path, instance.payload))

    async def check_with_output(self, instance: DynamicInstance, /) -> CheckOutput:
        method = self._methods[instance.name]
        result, output = split_response(await self._ask(method.path, instance.payload))
        return CheckOutput(self._verdict(result), method.outputs.decode(output))

    async def generate(self, instance: DynamicInstance, /) -> Mapping[str, Value]:
        method = self._methods[instance.name]
        return method.outputs.decode(await self._ask(method.path, instance.payload))

    async def allocate(self, instance: DynamicInstance, request: QuotaRequest, /) -> QuotaResult:
        # A caller without an id must not be taken for another one.
        call_id = request.deduplication_id or str(next(self._call_ids))
        asked = quota_field(instance.name, request.amount, best_effort=request.best_effort)

        def encode(config: bytes) -> bytes:
            return handle_request(instance.payload, config, call_id) + asked

        path = self._methods[instance.name].path
        answer = await self._send(path, encode, is_safe_to_retry=False)
        found = decode_allotment(answer, instance.name)
        return QuotaResult(found.granted, found.valid_duration, found.status)

    async def report(self, instances: Sequence[DynamicInstance], /) -> None:
        if not instances:
            return
        call_id = str(next(self._call_ids))
        payloads = [each.payload for each in instances]
        path = self._methods[instances[0].name].path
        await self._send(
            path,
            lambda config: report_request(payloads, config, call_id),
            is_safe_to_retry=False,
        )

    async def aclose(self) -> None:
        try:
            if self._session is not None:
                await self._session.aclose()
        finally:
            await self._channel.aclose()

    async def _ask(self, path: str, instance: bytes) -> bytes:
        """A question that may be asked twice."""
        call_id = str(next(self._call_ids))
        if self._session is None:
            return await self._channel.unary(
                path,
                handle_request(instance, self._config, call_id),
                timeout_s=self._time_left_s(),
                is_safe_to_retry=True,
            )
        return await self._send(
            path, lambda config: handle_request(instance, config, call_id), is_safe_to_retry=True
        )

    async def _send(self, path: str, encode: Encode, *, is_safe_to_retry: bool) -> bytes:
        if self._session is None:
            return await self._call(path, encode(self._config), is_safe_to_retry=is_safe_to_retry)
        config = await self._session.config()
        try:
            return await self._call(path, encode(config), is_safe_to_retry=is_safe_to_retry)
        except RpcFailed as error:
            if error.code not in FORGOTTEN:
                raise
        # The back end did nothing but say that it does not know the session; so once more.
        self._session.lose(config)
        config = await self._session.config()
        return await self._call(path, encode(config), is_safe_to_retry=is_safe_to_retry)

    async def _call(self, path: str, request: bytes, *, is_safe_to_retry: bool) -> bytes:
        return await self._channel.unary(
            path, request, timeout_s=self._time_left_s(), is_safe_to_retry=is_safe_to_retry
        )

    def _time_left_s(self) -> float:
        return call_time_left_s(now_s=self._clock.monotonic_s(), at_most_s=_LONGEST_CALL_S)

    def _verdict(self, payload: bytes) -> CheckResult:
        known, result = self._last_verdict
        if payload == known:
            return result
        result = _check_result(payload)
        self._last_verdict = (payload, result)
        return result


def _check_result(payload: bytes) -> CheckResult:
    found = decode_verdict(payload)
    direct = None
    if found.direct is not None:
        direct = DirectHttpResponse(found.direct.code, found.direct.body, found.direct.headers)
    return CheckResult(found.status, found.valid_duration, found.valid_use_count, direct)
