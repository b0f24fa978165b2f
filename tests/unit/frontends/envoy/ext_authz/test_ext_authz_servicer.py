"""Authorization/Check: one call on the Mixer per call of Envoy."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from remixer.attributes.bag import Bag
from remixer.attributes.values import Duration
from remixer.attributes.vocabulary import Vocabulary
from remixer.foundation.deadline import Deadline
from remixer.foundation.errors import CheckFailedError, PolicyError
from remixer.foundation.status import Code, Status
from remixer.frontends.envoy.ext_authz import ext_authz_methods
from remixer.mixer.outcome import REPORTED, CheckOutcome, ReportOutcome
from remixer.mixer.request import CheckRequest, MatchingQuotas
from remixer.transport.port import Peer, RpcError
from remixer.wire._pb.envoy.service.auth.v3 import external_auth_pb2

DENIAL = CheckOutcome(Status(Code.NOT_FOUND, "gone"), Duration(0), 0, frozenset())


@dataclass
class Call:
    """The context of one call."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    deadline: Deadline | None = None
    peer: Peer = field(default_factory=lambda: Peer("unix:"))

    def set_trailing_metadata(self, metadata: Mapping[str, str]) -> None:
        raise AssertionError(metadata)


class ScriptedMixer:
    """Answers with one outcome or error, at once or later, and keeps what it was asked."""

    def __init__(self, answer: CheckOutcome | PolicyError, *, is_slow: bool = False) -> None:
        self._answer = answer
        self._is_slow = is_slow
        self.asked: list[CheckRequest] = []

    def check_now(self, request: CheckRequest) -> CheckOutcome | None:
        return None if self._is_slow else self._give(request)

    async def check(self, request: CheckRequest) -> CheckOutcome:
        return self._give(request)

    def report(self, bags: Sequence[Bag]) -> ReportOutcome:
        raise AssertionError(bags)
        return REPORTED

    def _give(self, request: CheckRequest) -> CheckOutcome:
        self.asked.append(request)
        if isinstance(self._answer, PolicyError):
            raise self._answer
        return self._answer


def envoy_call(mixer: ScriptedMixer, context: Call | None = None) -> bytes | Awaitable[bytes]:
    (method,) = ext_authz_methods(mixer, vocabulary=Vocabulary)
    assert method.path == "/envoy.service.auth.v3.Authorization/Check"
    request = external_auth_pb2.CheckRequest()
    request.attributes.request.http.id = "1"
    request.attributes.request.http.path = "/a"
    return method.handle(request.SerializeToString(), context or Call())


def denied_with(response: object) -> int:
    assert isinstance(response, bytes)
    return external_auth_pb2.CheckResponse.FromString(response).denied_response.status.code


def test_what_the_mixer_knows_is_answered_without_waiting() -> None:
    assert denied_with(envoy_call(ScriptedMixer(DENIAL))) == 404


async def test_what_the_mixer_does_not_know_is_awaited() -> None:
    response = envoy_call(ScriptedMixer(DENIAL, is_slow=True))
    assert isinstance(response, Awaitable)
    assert denied_with(await response) == 404


def test_the_mixer_is_asked_for_every_matching_quota_and_gets_the_deadline() -> None:
    mixer = ScriptedMixer(DENIAL)
    envoy_call(mixer, Call(deadline=Deadline(7.0)))
    (request,) = mixer.asked
    assert request.bag["request.path"] == "/a"
    assert request.quotas == MatchingQuotas()
    assert request.once == "/1"
    assert request.deadline == Deadline(7.0)


def test_no_verdict_is_a_grpc_error_so_that_envoy_decides() -> None:
    with pytest.raises(RpcError, match="broken") as caught:
        envoy_call(ScriptedMixer(CheckFailedError("broken")))
    assert caught.value.code == Code.INTERNAL


async def test_no_verdict_later_is_a_grpc_error_too() -> None:
    response = envoy_call(ScriptedMixer(CheckFailedError("broken"), is_slow=True))
    assert isinstance(response, Awaitable)
    with pytest.raises(RpcError, match="broken"):
        await response


def test_a_request_that_cannot_be_read_is_invalid() -> None:
    (method,) = ext_authz_methods(ScriptedMixer(DENIAL), vocabulary=Vocabulary)
    with pytest.raises(RpcError) as caught:
        method.handle(b"\xff", Call())
    assert caught.value.code == Code.INVALID_ARGUMENT
