"""Outcomes as statuses and headers: what lets a request pass, and what never may."""

from collections.abc import Sequence

import pytest

from remixer.attributes.http_bag import HttpFacts
from remixer.attributes.values import Duration, PlainStringMap
from remixer.foundation.errors import (
    CheckFailedError,
    InvalidRequestError,
    PolicyError,
    UnavailableError,
)
from remixer.foundation.status import OK, Code, Status
from remixer.frontends.forward_auth.codec import encode_failure, encode_outcome
from remixer.frontends.forward_auth.told import Asking, Question
from remixer.mixer.outcome import (
    CheckOutcome,
    HeaderOperation,
    HeaderOperationKind,
    Provenance,
    QuotaOutcome,
    RouteDirective,
)
from remixer.transport.http1.port import HttpResponse, Line

REPLACE, REMOVE, APPEND = (
    HeaderOperationKind.REPLACE,
    HeaderOperationKind.REMOVE,
    HeaderOperationKind.APPEND,
)
EVERY = pytest.mark.parametrize("asking", list(Asking))


def outcome(
    status: Status = OK,
    directive: RouteDirective | None = None,
    *,
    provenance: Provenance = Provenance.COMPUTED,
) -> CheckOutcome:
    return CheckOutcome(
        status, Duration(0), 0, frozenset(), directive=directive, provenance=provenance
    )


def told(
    found: CheckOutcome, asking: Asking = Asking.BY_HEADERS, lines: Sequence[Line] = ()
) -> HttpResponse:
    facts = HttpFacts("GET", "/", headers=PlainStringMap(lines))
    return encode_outcome(found, Question(asking, facts, lines))


def changed(lines: Sequence[Line], *operations: HeaderOperation) -> dict[str, str]:
    directive = RouteDirective(request_header_operations=operations)
    response = told(outcome(directive=directive), lines=lines)
    assert response.status == 200
    assert len(dict(response.lines)) == len(response.lines), "one line for each header"
    return dict(response.lines)


@EVERY
def test_an_allowed_request_is_a_bare_200(asking: Asking) -> None:
    assert told(outcome(), asking) == HttpResponse(200)


# ------------------------------------------------------------------ header operations


def test_request_operations_are_told_as_the_headers_are_afterwards() -> None:
    before = [("x-a", "old"), ("x-b", "one"), ("x-b", "two"), ("cookie", "a=1"), ("x-gone", "1")]
    assert changed(
        before,
        HeaderOperation("X-A", "new"),
        HeaderOperation("x-b", "three", APPEND),
        HeaderOperation("x-new", "v", APPEND),
        HeaderOperation("cookie", "b=2", APPEND),
        HeaderOperation("x-gone", kind=REMOVE),
        HeaderOperation("x-never", kind=REMOVE),
    ) == {
        "x-a": "new",
        "x-b": "one, two, three",
        "x-new": "v",
        "cookie": "a=1; b=2",
        "x-envoy-auth-headers-to-remove": "x-gone,x-never",
    }


def test_only_what_operations_touch_is_told() -> None:
    assert changed([("x-a", "1")], HeaderOperation("x-b", "2")) == {"x-b": "2"}


@pytest.mark.parametrize(
    "name",
    ["content-length", "Transfer-Encoding", "connection", ":path", "a b", "X-Remixer-Status"],
)
def test_operations_on_the_answers_own_headers_are_left_out(name: str) -> None:
    assert changed([], HeaderOperation(name, "1"), HeaderOperation("x-b", "2")) == {"x-b": "2"}


def test_a_rule_cannot_name_removals_by_the_header_for_them() -> None:
    header = "x-envoy-auth-headers-to-remove"
    assert changed([], HeaderOperation(header, "authorization")) == {}


def test_what_the_caller_said_of_itself_goes_no_further() -> None:
    response = told(outcome(), lines=[("x-istio-attributes", "abc")])
    assert response.lines == [("x-envoy-auth-headers-to-remove", "x-istio-attributes")]


def test_what_is_handed_on_takes_the_place_of_what_the_caller_said() -> None:
    operations = (HeaderOperation("x-istio-attributes", "ours"),)
    directive = RouteDirective(request_header_operations=operations)
    response = told(outcome(directive=directive), lines=[("x-istio-attributes", "abc")])
    assert response.lines == [("x-istio-attributes", "ours")]


def test_response_operations_never_get_into_the_request() -> None:
    directive = RouteDirective(
        request_header_operations=(HeaderOperation("x-user", "ann"),),
        response_header_operations=(
            HeaderOperation("x-user", "leak"),
            HeaderOperation("x-policy", "v1"),
            HeaderOperation("content-length", "9"),
            HeaderOperation("x-gone", kind=REMOVE),
        ),
    )
    response = told(outcome(directive=directive))
    assert response.lines == [("x-user", "ann"), ("x-policy", "v1")]


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("code", "status", "nginx", "envoy"),
    [
        (Code.PERMISSION_DENIED, 403, 403, 403),
        (Code.UNAUTHENTICATED, 401, 401, 401),
        (Code.RESOURCE_EXHAUSTED, 429, 403, 429),
        (Code.NOT_FOUND, 404, 403, 404),
        (Code.FAILED_PRECONDITION, 400, 403, 400),
        (Code.CANCELLED, 499, 403, 499),
        (Code.UNAVAILABLE, 503, 403, 403),
        (Code.INTERNAL, 500, 403, 403),
        (99, 500, 403, 403),
    ],
)
def test_a_refusal_has_a_status_that_the_proxy_takes(
    code: int, status: int, nginx: int, envoy: int
) -> None:
    found = outcome(Status(code, "no"))
    for asking, sent in zip(Asking, (status, nginx, envoy), strict=True):
        response = told(found, asking)
        assert response.status == sent
        lines = dict(response.lines)
        assert lines["x-remixer-status"] == str(status)
        assert lines["content-type"] == "text/plain; charset=utf-8"
        assert response.body == f"{lines['x-remixer-code']}:no".encode()


@EVERY
@pytest.mark.parametrize("code", [200, 204, 206, 299])
@pytest.mark.parametrize("status", [OK, Status(Code.PERMISSION_DENIED, "no")])
def test_an_answer_in_place_of_the_services_is_never_a_2xx(
    asking: Asking, code: int, status: Status
) -> None:
    directive = RouteDirective(direct_response_code=code, direct_response_body="instead")
    response = told(outcome(status, directive), asking)
    assert response.status == 403
    assert dict(response.lines)["x-remixer-status"] == str(code)


@pytest.mark.parametrize(
    ("asking", "sent"),
    [(Asking.BY_HEADERS, 302), (Asking.BY_ITSELF, 302), (Asking.AUTH_REQUEST, 401)],
)
def test_a_redirect_keeps_its_location(asking: Asking, sent: int) -> None:
    directive = RouteDirective(
        direct_response_code=302,
        response_header_operations=(
            HeaderOperation("location", "https://login.example/"),
            HeaderOperation("set-cookie", "a=1", APPEND),
            HeaderOperation("set-cookie", "b=2", APPEND),
        ),
    )
    response = told(outcome(directive=directive), asking)
    assert response.status == sent
    assert ("location", "https://login.example/") in response.lines
    assert [value for name, value in response.lines if name == "set-cookie"] == ["a=1", "b=2"]
    assert ("x-remixer-status", "302") in response.lines


def test_a_refusal_carries_no_operations_without_a_direct_response() -> None:
    directive = RouteDirective(response_header_operations=(HeaderOperation("x-a", "1"),))
    response = told(outcome(Status(Code.NOT_FOUND), directive))
    assert "x-a" not in dict(response.lines)


def test_operations_cannot_change_what_is_said_of_the_verdict() -> None:
    operations = tuple(
        HeaderOperation(name, "1")
        for name in ("x-remixer-status", "X-Remixer-Code", "content-length", "x-remixer-cache")
    )
    directive = RouteDirective(direct_response_code=429, response_header_operations=operations)
    assert sorted(told(outcome(directive=directive)).lines) == [
        ("content-type", "text/plain; charset=utf-8"),
        ("x-remixer-code", "OK"),
        ("x-remixer-status", "429"),
    ]


def test_nginx_gets_the_body_as_a_header() -> None:
    found = outcome(Status(Code.RESOURCE_EXHAUSTED, "a" * 2_000))
    message = dict(told(found, Asking.AUTH_REQUEST).lines)["x-remixer-message"]
    assert message == "RESOURCE_EXHAUSTED:" + "a" * 981
    assert "x-remixer-message" not in dict(told(found).lines)


def test_an_exhausted_quota_is_a_refusal_and_takes_back_what_the_verdict_gave() -> None:
    found = CheckOutcome(
        OK,
        Duration(0),
        0,
        frozenset(),
        directive=RouteDirective(request_header_operations=(HeaderOperation("x-a", "1"),)),
        quotas={"hits": QuotaOutcome(0, Duration(0), frozenset())},
    )
    response = told(found)
    assert response.status == 429
    assert response.body == b"RESOURCE_EXHAUSTED:Quota is exhausted for: hits"
    assert "x-a" not in dict(response.lines)


@EVERY
@pytest.mark.parametrize("status", [OK, Status(Code.PERMISSION_DENIED)])
def test_a_stale_answer_says_so(asking: Asking, status: Status) -> None:
    response = told(outcome(status, provenance=Provenance.STALE), asking)
    assert ("x-remixer-cache", "stale") in response.lines


# ------------------------------------------------------------------ failures


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnavailableError("away"), 503),
        (CheckFailedError("broken"), 500),
        (InvalidRequestError("what?"), 400),
        (PolicyError("odd"), 503),
    ],
)
def test_a_failure_to_decide_is_no_verdict(error: PolicyError, status: int) -> None:
    response = encode_failure(error)
    assert response.status == status
    assert dict(response.lines)["x-remixer-code"] == error.code.name
    assert response.body == f"{error.code.name}:{error.message}\n".encode()


def test_a_quota_that_could_not_be_asked_is_a_failure() -> None:
    refused = QuotaOutcome(0, Duration(0), frozenset(), Status(Code.UNAVAILABLE, "away"))
    found = CheckOutcome(OK, Duration(0), 0, frozenset(), quotas={"hits": refused})
    with pytest.raises(UnavailableError):
        told(found)
