"""Adapters with sessions, both ways: as Mixer 1.3 did it, and as its protocol says."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc
import pytest

from remixer.attributes.bag import plain_bag
from remixer.foundation.errors import CheckFailedError
from remixer.foundation.status import Code
from remixer.mixer.outcome import CheckOutcome
from remixer.mixer.request import CheckRequest
from remixer.runtime.handlers import HANDLER_NOT_BUILT
from remixer.templates.instances import BUILTIN_TEMPLATES
from remixer.testing.remote_texts import (
    adapter_resource,
    params_descriptor_set,
    remote_handler,
    remote_instance,
    template_resource,
)
from remixer.testing.texts import VOCABULARY, action, rule
from remixer.wire._pb.istio.mixer.adapter.model.v1beta1 import infrastructure_backend_pb2 as pb
from remixer.wire.template_descriptors import template_descriptor_set

pytestmark = pytest.mark.integration

LISTENTRY = next(each for each in BUILTIN_TEMPLATES if each.name == "listentry")
SERVICE: Final = "istio.mixer.adapter.model.v1beta1.InfrastructureBackend"
DENIED: Final = {"status": {"code": 7, "message": "in session"}}
PATIENCE_S: Final = 60.0
SESSIONS: Final = 'remixer.dev/sessions: "true"'


class Backend:
    """The session service of a grpcio server. It may forget, and it may refuse."""

    def __init__(self) -> None:
        self.story: list[str] = []
        self.created: list[Any] = []
        self.known: set[str] = set()
        self.refuses = False
        self.closed = asyncio.Event()

    def handlers(self) -> Any:
        def method(answer: Callable[[Any, Any], Awaitable[Any]], asked: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(
                answer,
                request_deserializer=asked.FromString,
                response_serializer=lambda response: response.SerializeToString(),
            )

        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Validate": method(self.validate, pb.ValidateRequest),
                "CreateSession": method(self.create, pb.CreateSessionRequest),
                "CloseSession": method(self.close, pb.CloseSessionRequest),
            },
        )

    async def validate(self, _asked: Any, _context: Any) -> Any:
        self.story.append("validate")
        response = pb.ValidateResponse()
        if self.refuses:
            response.status.code, response.status.message = 3, "no such host"
        return response

    async def create(self, asked: Any, _context: Any) -> Any:
        self.created.append(asked)
        session = f"s{len(self.created)}"
        self.known.add(session)
        self.story.append(f"create {session}")
        return pb.CreateSessionResponse(session_id=session)

    async def close(self, asked: Any, _context: Any) -> Any:
        self.story.append(f"close {asked.session_id}")
        self.closed.set()
        return pb.CloseSessionResponse()


def files(address: str, *, annotations: str = SESSIONS, host: str = "a") -> str:
    config = params_descriptor_set("config.listing", host="string")
    return "".join(
        (
            VOCABULARY,
            template_resource("listentry", LISTENTRY),
            adapter_resource(
                "listing",
                "listentry",
                config=config,
                is_session_based=True,
                annotations=annotations,
            ),
            remote_handler("h", "listing", address, f"host: {host}"),
            remote_instance("i", "listentry", "value: user"),
            rule("ask", action("h", "i"), namespace="istio-system"),
        )
    )


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
def listing(describe: Any, refusal: Any, backend: Backend) -> Any:
    """Denies whoever comes with a session that the back end knows."""

    async def answer(asked: Any, response: Any) -> Any:
        session = pb.CreateSessionResponse()
        if asked.HasField("adapter_config"):
            assert asked.adapter_config.Unpack(session)
            if session.session_id not in backend.known:
                raise refusal(grpc.StatusCode.NOT_FOUND, "which session?")
            backend.story.append(f"call {session.session_id}")
        return response(**DENIED)

    return describe(template_descriptor_set(LISTENTRY), answer)


async def check(running: Any) -> CheckOutcome:
    outcome: CheckOutcome = await running.engine.check(CheckRequest(bag=plain_bag({"user": "ann"})))
    return outcome


async def test_by_default_calls_carry_neither_parameters_nor_a_session(
    serve: Any, run: Any, listing: Any, backend: Backend
) -> None:
    address = await serve(listing, extra=[backend.handlers()])
    running = await run(files(address, annotations=""))
    assert (await check(running)).status.code == Code.PERMISSION_DENIED
    assert not listing.requests[0].HasField("adapter_config")
    assert backend.story == []


async def test_session_is_opened_used_and_closed(
    serve: Any, run: Any, listing: Any, backend: Backend
) -> None:
    address = await serve(listing, extra=[backend.handlers()])
    running = await run(files(address))
    assert (await check(running)).status.code == Code.PERMISSION_DENIED
    await running.apply({"rules.yaml": ""})
    async with asyncio.timeout(PATIENCE_S):
        await backend.closed.wait()
    assert backend.story == ["validate", "create s1", "call s1", "close s1"]
    (created,) = backend.created
    assert created.adapter_config.value == b"\x0a\x01a"
    (name,) = created.inferred_types
    assert name == "i.instance.istio-system"
    assert created.inferred_types[name].type_url == "type.googleapis.com/listentry.Type"
    assert created.inferred_types[name].value == b"\x08\x01"


async def test_forgotten_session_is_opened_anew_for_the_same_call(
    serve: Any, run: Any, listing: Any, backend: Backend
) -> None:
    address = await serve(listing, extra=[backend.handlers()])
    running = await run(files(address))
    backend.known.clear()
    assert (await check(running)).status.code == Code.PERMISSION_DENIED
    assert backend.story == ["validate", "create s1", "validate", "create s2", "call s2"]


async def test_back_end_that_always_forgets_gets_one_retry(
    serve: Any, run: Any, describe: Any, refusal: Any, backend: Backend
) -> None:
    async def forget(_asked: Any, _response: Any) -> Any:
        raise refusal(grpc.StatusCode.NOT_FOUND, "which session?")

    forgetful = describe(template_descriptor_set(LISTENTRY), forget)
    running = await run(files(await serve(forgetful, extra=[backend.handlers()])))
    with pytest.raises(CheckFailedError, match="which session"):
        await check(running)
    assert len(forgetful.requests) == 2


async def test_refused_parameters_leave_the_handler_out(
    serve: Any, run: Any, listing: Any, backend: Backend
) -> None:
    backend.refuses = True
    address = await serve(listing, extra=[backend.handlers()])
    running = await run(files(address))
    (problem,) = running.engine.generation.snapshot.problems
    assert problem.code == HANDLER_NOT_BUILT
    assert "no such host" in problem.message
