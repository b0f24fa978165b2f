"""A Mixer whose answers are of no use: a failure of the server's, whatever its library calls it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc import aio

from remixer.foundation.status import Code
from remixer.mixer.http_answer import Answer, http_answer
from remixer.sidecar.client import MixerClient
from remixer.sidecar.settings import ClientSettings
from remixer.tiers.settings import FailPolicy, RemoteSettings
from remixer.wire.client_codec import CHECK_PATH

pytestmark = pytest.mark.integration

Context = aio.ServicerContext[bytes, bytes]
Serve = Callable[[bytes, Context], Awaitable[bytes]]
ALLOWED_BY_NOBODY = b"\x1a\x00"
"""A CheckResponse of quotas alone."""


def saying(answer: bytes) -> Serve:
    async def serve(_request: bytes, _context: Context) -> bytes:
        return answer

    return serve


def failing(message: str) -> Serve:
    async def serve(_request: bytes, context: Context) -> bytes:
        await context.abort(grpc.StatusCode.INTERNAL, message)

    return serve


BROKEN = {
    "no protobuf": saying(b"\xff\xff"),
    "empty": saying(b""),
    "without a verdict": saying(ALLOWED_BY_NOBODY),
    "too large": saying(bytes(5 << 20)),
    "with too long a message": failing("x" * 20_000),
}


class Mixer(grpc.GenericRpcHandler):
    """Serves Check in one way; tells nobody about its health."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve

    def service(
        self,
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        if handler_call_details.method != CHECK_PATH:
            return None
        return grpc.unary_unary_rpc_method_handler(self._serve)


@asynccontextmanager
async def client_of(serve: Serve, failure: FailPolicy) -> AsyncIterator[MixerClient]:
    server = aio.server(options=(("grpc.max_send_message_length", -1),))
    server.add_generic_rpc_handlers((Mixer(serve),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    settings = ClientSettings(failure=failure, remote=RemoteSettings(timeout_s=60.0))
    try:
        async with MixerClient(f"127.0.0.1:{port}", settings) as client:
            yield client
    finally:
        await server.stop(0)


@pytest.mark.parametrize("serve", BROKEN.values(), ids=BROKEN.keys())
async def test_a_request_is_refused_as_the_servers_failure_and_counted_so(serve: Serve) -> None:
    async with client_of(serve, FailPolicy.CLOSED) as client:
        outcome = await client.check({"request.path": "/"})
        answer = http_answer(outcome)
        counts = client.statistics()
    assert outcome.status.code in {Code.INTERNAL, Code.UNAVAILABLE}
    assert isinstance(answer, Answer)
    assert answer.http_status in {500, 503}
    assert counts["total_check_failed_closed"] == 1
    assert counts["total_remote_call_other_errors"] == 1
    assert counts["total_remote_call_successes"] == 0


@pytest.mark.parametrize("serve", BROKEN.values(), ids=BROKEN.keys())
async def test_a_request_passes_if_failures_are_open(serve: Serve) -> None:
    async with client_of(serve, FailPolicy.OPEN) as client:
        assert (await client.check({"request.path": "/"})).status.is_ok
        assert client.statistics()["total_check_failed_open"] == 1
