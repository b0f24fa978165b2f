"""Back ends that misbehave: each gives a guarded result, and other rules keep deciding."""

import asyncio
from typing import Any

import grpc
import pytest

from remixer.adapters import denier
from remixer.attributes.bag import plain_bag
from remixer.foundation.errors import CheckFailedError
from remixer.foundation.status import Code
from remixer.mixer.outcome import CheckOutcome
from remixer.mixer.request import CheckRequest, QuotaArgs
from remixer.templates.instances import BUILTIN_TEMPLATES
from remixer.testing.remote_texts import (
    KEYVAL,
    adapter_resource,
    remote_handler,
    remote_instance,
    template_resource,
)
from remixer.testing.texts import VOCABULARY, action, handler, instance, rule
from remixer.wire.template_descriptors import template_descriptor_set

pytestmark = pytest.mark.integration

TEMPLATES = {template.name: template for template in (*BUILTIN_TEMPLATES, KEYVAL)}
DENIAL = "status: {code: 7, message: closed}"
UNCLOSED = b"\x0a\xff"


def files(template: str, address: str, *, with_denial: bool = True) -> str:
    """A rule for the remote adapter, and one that denies everything by itself."""
    texts = [
        VOCABULARY,
        template_resource("t", TEMPLATES[template]),
        adapter_resource("bad", "t"),
        remote_handler("h", "bad", address),
        remote_instance("i", "t"),
        rule("ask", action("h", "i"), namespace="istio-system"),
    ]
    if with_denial:
        texts += [
            handler("deny", DENIAL, adapter="denier", namespace="istio-system"),
            instance("nothing", "checknothing", namespace="istio-system"),
            rule("deny", action("deny", "nothing"), namespace="istio-system"),
        ]
    return "".join(texts)


async def garbage(_asked: Any, _response: Any) -> bytes:
    return UNCLOSED


async def hang(_asked: Any, _response: Any) -> bytes:
    await asyncio.Event().wait()
    return b""


async def flood(_asked: Any, _response: Any) -> bytes:
    return b"\x1a" + b"\xff\xff\xff\x0f" + bytes(32 << 20)


@pytest.mark.parametrize("answer", [garbage, hang, flood])
async def test_fault_of_an_adapter_fails_the_check_and_a_denial_stands(
    serve: Any, run: Any, describe: Any, answer: Any
) -> None:
    described = describe(template_descriptor_set(TEMPLATES["checknothing"]), answer)
    address = await serve(described)
    running = await run(
        files("checknothing", address), adapters=[denier.INFO], adapter_timeout_s=2.0
    )
    outcome = await check(running)
    assert outcome.status.message == "deny.istio-system:closed"
    assert described.requests
    await running.apply({"rules.yaml": files("checknothing", address, with_denial=False)})
    with pytest.raises(CheckFailedError):
        await check(running)


async def check(running: Any, **quotas: QuotaArgs) -> CheckOutcome:
    outcome: CheckOutcome = await running.engine.check(
        CheckRequest(bag=plain_bag({}), quotas=quotas)
    )
    return outcome


async def test_adapter_that_dies_in_the_call_fails_the_check(
    run: Any,
) -> None:
    died = asyncio.Event()

    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()
        died.set()

    server = await asyncio.start_server(die, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        running = await run(files("checknothing", f"{host}:{port}", with_denial=False))
        with pytest.raises(CheckFailedError):
            await check(running)
        assert died.is_set()


async def test_refusal_by_grpc_status_is_no_verdict(
    serve: Any, run: Any, describe: Any, refusal: Any
) -> None:
    async def refuse(_asked: Any, _response: Any) -> bytes:
        raise refusal(grpc.StatusCode.PERMISSION_DENIED, "not you")

    described = describe(template_descriptor_set(TEMPLATES["checknothing"]), refuse)
    running = await run(files("checknothing", await serve(described), with_denial=False))
    with pytest.raises(CheckFailedError, match="not you"):
        await check(running)


async def test_code_that_nobody_knows_denies_as_it_is(
    serve: Any, run: Any, describe: Any, always: Any
) -> None:
    described = describe(
        template_descriptor_set(TEMPLATES["checknothing"]), always(status={"code": 99})
    )
    running = await run(files("checknothing", await serve(described), with_denial=False))
    assert (await check(running)).status.code == 99


async def test_quota_answer_without_our_key_grants_nothing(
    serve: Any, run: Any, describe: Any
) -> None:
    async def other_key(_asked: Any, response: Any) -> Any:
        answer = response()
        answer.quotas["somebody.else"].granted_amount = 10
        return answer

    described = describe(template_descriptor_set(TEMPLATES["quota"]), other_key)
    running = await run(files("quota", await serve(described), with_denial=False))
    outcome = await check(running, i=QuotaArgs(amount=1))
    assert outcome.quotas["i"].granted == 0
    assert outcome.quotas["i"].status.code == Code.UNAVAILABLE


async def test_status_of_a_quota_is_told(serve: Any, run: Any, describe: Any) -> None:
    async def exhausted(asked: Any, response: Any) -> Any:
        answer = response()
        (name,) = asked.quota_request.quotas
        answer.quotas[name].status.code = 8
        return answer

    described = describe(template_descriptor_set(TEMPLATES["quota"]), exhausted)
    running = await run(files("quota", await serve(described), with_denial=False))
    outcome = await check(running, i=QuotaArgs(amount=1))
    assert outcome.quotas["i"].status.code == Code.RESOURCE_EXHAUSTED


async def test_unknown_field_of_an_output_response_is_garbage(
    serve: Any, run: Any, describe: Any
) -> None:
    async def third_field(_asked: Any, _response: Any) -> bytes:
        return b"\x1a\x00"

    described = describe(template_descriptor_set(KEYVAL), third_field)
    running = await run(files("keyval", await serve(described), with_denial=False))
    with pytest.raises(CheckFailedError, match="unknown field 3"):
        await check(running)


async def test_unreachable_adapter_does_not_fail_the_configuration(
    run: Any,
) -> None:
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    server.close()
    await server.wait_closed()
    running = await run(files("checknothing", f"{host}:{port}"), adapters=[denier.INFO])
    assert not running.engine.generation.snapshot.problems
    assert (await check(running)).status.message == "deny.istio-system:closed"
