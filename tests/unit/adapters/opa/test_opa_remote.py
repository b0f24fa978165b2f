"""`opa` with a server: what it is asked, what its answers mean, and servers in trouble."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from remixer.adapters.opa import INFO, Params
from remixer.adapters.opa.remote import RemotePolicy
from remixer.attributes.values import Duration
from remixer.drivers.http import AioHttpClient
from remixer.drivers.rego.results import Decided, Failed, PolicyFaultError, Undecided
from remixer.sdk import Action, Authorization, CheckResult, Code, Subject
from remixer.testing.adapters import AdapterHarness
from remixer.testing.clock import in_virtual_time
from remixer.testing.http import Answer

_URL = "http://opa.test/v1/data/shop/authz/allow"
_ANN = Authorization("a", Subject("ann"), Action("shop", "cart", "GET", "/items"))


def _params(**changes: Any) -> Params:
    values = {"server_url": "http://opa.test/", "check_method": "data.shop.authz.allow"}
    return Params(**(values | changes))


@in_virtual_time
async def test_the_rule_is_the_path_and_the_input_the_body() -> None:
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, b'{"result": true}')
        handler = await harness.build(INFO, _params())
        assert await handler.check(_ANN) == CheckResult()
        (posted,) = harness.http.posted
        assert posted.url == _URL
        assert posted.headers == {"Content-Type": "application/json"}
        assert json.loads(posted.body)["input"]["subject"] == {"user": "ann"}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(b"{}"), ""),
        (Answer(b'{"result": "yes"}'), ""),
        (Answer(b'{"result": [true]}'), ""),
        (Answer(b"[true]"), "the answer is not an object"),
        (Answer(b"<html>"), "the answer is not JSON"),
        (Answer(b"[" * 500_000), "the answer is not JSON"),
        (Answer(b"{}", status=404), "HTTP status 404, wanted 200"),
        (Answer(b'{"result": true}', status=500), "HTTP status 500, wanted 200"),
        (Answer(b'{"result": true}', status=302), "HTTP status 302, wanted 200"),
        (Answer(b" " * (1 << 20) + b"{}"), "body is longer than"),
        (Answer(b"", after_s=9), "no answer within 1 s"),
        (Answer(error="connection refused"), "connection refused"),
    ],
    ids=lambda value: repr(value)[:40],
)
@in_virtual_time
async def test_anything_but_true_and_false_is_a_failure(answer: Answer, reason: str) -> None:
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, answer)
        opened = await harness.build(INFO, _params())
        assert await opened.check(_ANN) == CheckResult()
        closed = await harness.build(INFO, _params(fail_close=True))
        result = await closed.check(_ANN)
        assert result.status.code is Code.PERMISSION_DENIED
        assert reason in result.status.message
        assert (". err: " in result.status.message) is bool(reason)


@in_virtual_time
async def test_false_denies_however_failures_are_taken() -> None:
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, b'{"result": false}')
        handler = await harness.build(INFO, _params(timeout=Duration(5)))
        assert (await handler.check(_ANN)).status.message == "opa: request was rejected"


@in_virtual_time
async def test_the_token_is_read_again_and_kept_when_it_cannot_be(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first\n")
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, b'{"result": true}')
        handler = await harness.build(INFO, _params(bearer_token_file=str(path)))
        await handler.check(_ANN)
        path.write_text("second\n")
        await harness.advance(11)
        await handler.check(_ANN)
        path.unlink()
        await harness.advance(11)
        await handler.check(_ANN)
        sent = [posted.headers["Authorization"] for posted in harness.http.posted]
        assert sent == ["Bearer first", "Bearer second", "Bearer second"]


@pytest.mark.parametrize("content", [None, b"", b"two\nlines", b"\xff", b"x" * 70_000])
@in_virtual_time
async def test_a_file_without_a_token_keeps_the_handler_from_being_built(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    async with AdapterHarness() as harness:
        with pytest.raises(PolicyFaultError, match="bearer_token_file"):
            await harness.build(INFO, _params(bearer_token_file=str(tmp_path / "token")))


async def test_a_server_that_speaks_opas_data_api_is_understood() -> None:
    """Source: OPA REST API, `POST /v1/data/{path}`."""

    async def data(request: web.Request) -> web.Response:
        user = (await request.json())["input"]["subject"].get("user")
        match request.match_info["path"], user:
            case "shop/authz/allow", "ann":
                return web.json_response({"decision_id": "1", "result": True})
            case "shop/authz/allow", "bob":
                return web.json_response({"result": False})
            case "shop/authz/allow", _:
                error = {"code": "internal_error", "message": "error(s) occurred"}
                return web.json_response(error, status=500)
            case _:
                return web.json_response({})

    application = web.Application()
    application.router.add_post("/v1/data/{path:.+}", data)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    client = AioHttpClient()
    await client.start()
    try:
        policy = RemotePolicy(url, "data.shop.authz.allow", http=client, timeout_s=5)
        other = RemotePolicy(url, "data.shop.authz.other", http=client, timeout_s=5)
        document = b'{"action": {}, "subject": {"user": "%s"}}'
        assert await policy.evaluate(document % b"ann") == Decided(is_allowed=True)
        assert await policy.evaluate(document % b"bob") == Decided(is_allowed=False)
        assert isinstance(await policy.evaluate(document % b"eve"), Failed)
        assert await other.evaluate(document % b"ann") == Undecided()
    finally:
        await client.aclose()
        await runner.cleanup()
