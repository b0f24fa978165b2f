"""One question of a proxy, one call on the Mixer; and who may ask."""

import asyncio
import logging
from collections.abc import Mapping, Sequence

import pytest

from remixer.attributes.bag import Bag
from remixer.attributes.values import Duration
from remixer.attributes.vocabulary import Vocabulary
from remixer.foundation.errors import CheckFailedError, PolicyError, UnavailableError
from remixer.foundation.status import OK, Code, Status
from remixer.frontends.forward_auth import Destinations, forward_auth_handler
from remixer.mixer.outcome import CheckOutcome, QuotaOutcome, ReportOutcome
from remixer.mixer.request import CheckRequest, MatchingQuotas
from remixer.testing.clock import VirtualClock, clock_of_running_loop, in_virtual_time
from remixer.transport.http1.port import HttpHandler, HttpRequest, HttpResponse
from remixer.transport.peer_trust import PeerTrust
from remixer.transport.port import Peer

ALLOWED = CheckOutcome(OK, Duration(0), 0, frozenset())
DENIED = CheckOutcome(Status(Code.NOT_FOUND, "gone"), Duration(0), 0, frozenset())


class ScriptedMixer:
    """Answers with one outcome or error, at once or after a while, and keeps what it was asked."""

    def __init__(self, answer: CheckOutcome | PolicyError, *, after_s: float | None = None) -> None:
        self._answer = answer
        self._after_s = after_s
        self.asked: list[CheckRequest] = []

    def check_now(self, request: CheckRequest) -> CheckOutcome | None:
        return self._give(request) if self._after_s is None else None

    async def check(self, request: CheckRequest) -> CheckOutcome:
        assert self._after_s is not None
        await asyncio.sleep(self._after_s)
        return self._give(request)

    def grant_now(self, request: CheckRequest) -> Mapping[str, QuotaOutcome] | None:
        raise AssertionError(request)

    async def grant(self, request: CheckRequest) -> Mapping[str, QuotaOutcome]:
        raise AssertionError(request)

    def report(self, bags: Sequence[Bag]) -> ReportOutcome:
        raise AssertionError(bags)

    def _give(self, request: CheckRequest) -> CheckOutcome:
        self.asked.append(request)
        if isinstance(self._answer, PolicyError):
            raise self._answer
        return self._answer


def handler(
    mixer: ScriptedMixer,
    *,
    trusted: tuple[str, ...] = ("unix",),
    clock: VirtualClock | None = None,
    destinations: Destinations | None = None,
) -> HttpHandler:
    return forward_auth_handler(
        mixer,
        trust=PeerTrust.of(trusted),
        clock=clock or VirtualClock(),
        budget_s=5.0,
        trust_setting="--forward-auth-from",
        destinations=destinations,
    )


def asks(target: str = "/check/a", peer: str = "unix:", **headers: str) -> HttpRequest:
    lines = [("host", "shop"), *headers.items()]
    return HttpRequest("GET", target, lines, Peer(peer))


def at_once(answer: object) -> HttpResponse:
    assert isinstance(answer, HttpResponse)
    return answer


def test_an_answer_that_is_known_is_given_without_a_task() -> None:
    mixer = ScriptedMixer(DENIED)
    assert at_once(handler(mixer)(asks())).status == 404
    (request,) = mixer.asked
    assert request.bag["request.path"] == "/a"
    assert request.quotas == MatchingQuotas()
    assert request.deadline is not None
    assert request.deadline.remaining_s(now_s=0.0) == 5.0
    assert request.deduplication_id == ""


@in_virtual_time
async def test_an_answer_that_takes_time_is_awaited() -> None:
    answer = handler(ScriptedMixer(ALLOWED, after_s=4.9))(asks())
    assert not isinstance(answer, HttpResponse)
    assert (await answer).status == 200


@in_virtual_time
async def test_an_answer_that_takes_too_long_is_a_failure() -> None:
    clock = clock_of_running_loop()
    answer = handler(ScriptedMixer(ALLOWED, after_s=60.0), clock=clock)(asks())
    assert not isinstance(answer, HttpResponse)
    found = await answer
    assert found.status == 503
    assert b"DEADLINE_EXCEEDED" in found.body
    assert clock.monotonic_s() == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("error", "status"), [(UnavailableError("away"), 503), (CheckFailedError("broken"), 500)]
)
@pytest.mark.parametrize("after_s", [None, 0.0])
async def test_a_failure_to_decide_is_never_a_yes(
    error: PolicyError, status: int, after_s: float | None
) -> None:
    answer = handler(ScriptedMixer(error, after_s=after_s))(asks())
    found = answer if isinstance(answer, HttpResponse) else await answer
    assert found.status == status


@pytest.mark.parametrize("target", ["/", "/healthz", "*", "http://a/check", "/checkx"])
def test_elsewhere_nothing_is_asked(target: str) -> None:
    mixer = ScriptedMixer(ALLOWED)
    assert at_once(handler(mixer)(asks(target))).status == 404
    assert not mixer.asked


def test_a_proxy_that_is_not_trusted_is_refused_and_sent_away(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mixer = ScriptedMixer(ALLOWED)
    answers = handler(mixer, trusted=("10.0.0.0/8",))
    for peer in ("unix:", "ipv4:127.0.0.1:4711", "ipv4:11.0.0.1:1"):
        refused = at_once(answers(asks(peer=peer)))
        assert refused.status == 403
        assert refused.ends_connection
    assert at_once(answers(asks(peer="ipv4:10.0.0.1:1"))).status == 200
    assert len(mixer.asked) == 1
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    fields = getattr(record, "fields", {})
    assert fields["peer"] == "unix:"
    assert "--forward-auth-from" in fields["reason"]


def test_a_question_that_says_too_little_is_told_what_to_send(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mixer, clock = ScriptedMixer(ALLOWED), VirtualClock()
    answers = handler(mixer, clock=clock)
    for _ in range(3):
        refused = at_once(answers(asks("/check")))
        assert refused.status == 400
        assert b"x-forwarded-uri" in refused.body
    assert len(caplog.records) == 1
    clock.advance(61.0)
    answers(asks("/check"))
    assert [getattr(each, "fields", {})["held_back"] for each in caplog.records] == [0, 2]
    assert not mixer.asked


def test_what_a_client_says_of_itself_counts_for_nothing() -> None:
    mixer = ScriptedMixer(ALLOWED)
    header = "ChgIARIUCgpzb3VyY2UudWlkEgZ2aWN0aW0="
    answer = at_once(handler(mixer)(asks("/check/a", **{"x-istio-attributes": header})))
    assert ("x-envoy-auth-headers-to-remove", "x-istio-attributes") in answer.lines
    assert mixer.asked[0].bag.get("source.uid") is None


# ------------------------------------------------------------------ destinations

SHOP = Destinations({"shop": {"destination.namespace": "shop"}}, vocabulary=Vocabulary)


def test_nothing_is_known_of_the_destination_unless_somebody_says_it() -> None:
    mixer = ScriptedMixer(ALLOWED)
    at_once(handler(mixer)(asks()))
    assert [name for name in mixer.asked[0].bag.names() if name.startswith("destination.")] == []


def test_the_host_tells_the_destination() -> None:
    mixer = ScriptedMixer(ALLOWED)
    assert at_once(handler(mixer, destinations=SHOP)(asks())).status == 200
    assert mixer.asked[0].bag["destination.namespace"] == "shop"
    told = {"x-forwarded-uri": "/", "x-forwarded-method": "GET", "x-forwarded-host": "SHOP:80"}
    assert at_once(handler(mixer, destinations=SHOP)(asks("/check", **told))).status == 200
    assert mixer.asked[1].bag["destination.namespace"] == "shop"


def test_a_request_for_no_known_service_is_refused_and_told_now_and_then(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mixer = ScriptedMixer(ALLOWED)
    answers = handler(mixer, destinations=SHOP)
    told = {"x-forwarded-uri": "/", "x-forwarded-method": "GET", "x-forwarded-host": "books"}
    for target in ("/check", "/auth_request"):
        refused = at_once(answers(asks(target, **told)))
        assert refused.status == 403
        assert not refused.ends_connection
    assert not mixer.asked
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "add one" in getattr(record, "fields", {})["reason"]
