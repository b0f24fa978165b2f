"""An adapter on a port of its own, called as a Mixer calls it.

    async with served(INFO) as adapter:
        verdict = await adapter.check(ListEntry("test", "bob"), {"overrides": ["alice"]})
        assert verdict.status.code == Code.NOT_FOUND

Parameters are given as an operator writes them.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Final, TypeAlias

from google.protobuf.struct_pb2 import Struct

from remixer.sdk.adapter import AnyAdapterInfo
from remixer.server.adapter_server import AdapterServer, AdapterServerSettings, templates_of
from remixer.server.settings import Transport
from remixer.templates.schema import Template
from remixer.transport.client import GrpcClient
from remixer.wire.adapter_answers import (
    Allotment,
    Verdict,
    decode_allotment,
    decode_verdict,
    split_response,
)
from remixer.wire.adapter_calls import config_field, handle_request, quota_field, report_request
from remixer.wire.adapter_model import TYPE_URL_PREFIX, handle_path, interface_name
from remixer.wire.instance_messages import InstanceCodec, OutputCodec

PATIENCE_S: Final = 60.0
"""No call waits so long unless a test fails."""
Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"


class ServedAdapter:
    """Calls a running adapter. What is the adapter's fault raises `RpcFailed`."""

    def __init__(self, address: str, templates: Sequence[Template]) -> None:
        self.address = address
        self._client = GrpcClient(address)
        self._by_carrier = {each.message.carrier: each for each in templates}
        self._ids = map(str, count(1))

    async def check(self, instance: object, params: Mapping[str, Json] | None = None) -> Verdict:
        return decode_verdict(await self._handle(instance, params))

    async def check_with_output(
        self, instance: object, params: Mapping[str, Json] | None = None
    ) -> tuple[Verdict, dict[str, object]]:
        verdict, output = split_response(await self._handle(instance, params))
        return decode_verdict(verdict), self._output(instance, output)

    async def generate(
        self, instance: object, params: Mapping[str, Json] | None = None
    ) -> dict[str, object]:
        return self._output(instance, await self._handle(instance, params))

    async def allocate(
        self,
        instance: object,
        amount: int,
        params: Mapping[str, Json] | None = None,
        *,
        best_effort: bool = False,
        deduplication_id: str = "",
    ) -> Allotment:
        name: str = getattr(instance, "name")  # noqa: B009 - a carrier of any class
        template = self._by_carrier[type(instance)]
        request = handle_request(
            InstanceCodec(template.message).encode(instance), _config(params), deduplication_id
        )
        request += quota_field(name, amount, best_effort=best_effort)
        return decode_allotment(await self._call(template, request), name)

    async def report(
        self, instances: Sequence[object], params: Mapping[str, Json] | None = None
    ) -> None:
        """All of one template; at least one."""
        template = self._by_carrier[type(instances[0])]
        codec = InstanceCodec(template.message)
        encoded = [codec.encode(each) for each in instances]
        request = report_request(encoded, _config(params), next(self._ids))
        await self._call(template, request)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _handle(self, instance: object, params: Mapping[str, Json] | None) -> bytes:
        template = self._by_carrier[type(instance)]
        encoded = InstanceCodec(template.message).encode(instance)
        request = handle_request(encoded, _config(params), next(self._ids))
        return await self._call(template, request)

    async def _call(self, template: Template, request: bytes) -> bytes:
        interface = interface_name(template.message.carrier.__name__, template.name)
        path = handle_path(template.package, interface)
        return await self._client.unary(path, request, timeout_s=PATIENCE_S)

    def _output(self, instance: object, payload: bytes) -> dict[str, object]:
        message = self._by_carrier[type(instance)].output
        assert message is not None, "the template has no output"  # noqa: S101 - misuse by the test's author
        return OutputCodec(message).decode(payload)


@asynccontextmanager
async def served(
    info: AnyAdapterInfo, *, transport: Transport = Transport.GRPCIO
) -> AsyncIterator[ServedAdapter]:
    """Serve on any free port of the loopback during the block."""
    settings = AdapterServerSettings("127.0.0.1:0", transport=transport, drain_grace_s=1.0)
    async with AdapterServer(info, settings).serving() as server:
        adapter = ServedAdapter(server.address, templates_of(info))
        try:
            yield adapter
        finally:
            await adapter.aclose()


def _config(params: Mapping[str, Json] | None) -> bytes:
    if params is None:
        return b""
    message = Struct()
    message.update(params)
    return config_field(
        TYPE_URL_PREFIX + message.DESCRIPTOR.full_name,
        message.SerializeToString(deterministic=True),
    )
