"""From an outcome to Envoy's CheckResponse, and from a CheckRequest to what the Mixer needs."""

from dataclasses import replace

import pytest
from google.protobuf.json_format import MessageToDict

from remixer.attributes.bag import Condition, Reference
from remixer.attributes.values import Duration, PlainStringMap
from remixer.attributes.vocabulary import Vocabulary
from remixer.foundation.errors import CheckFailedError, InvalidRequestError, UnavailableError
from remixer.foundation.status import OK, Code, Status
from remixer.frontends.envoy.decision_metadata import HTTP_NAMESPACE, forwarded_in
from remixer.frontends.envoy.ext_authz.codec import CheckDecoder, OutcomeEncoder, encode_outcome
from remixer.mixer.outcome import (
    UNKNOWN_REFERENCES,
    CheckOutcome,
    Decision,
    HeaderOperation,
    HeaderOperationKind,
    Provenance,
    QuotaOutcome,
    RouteDirective,
)
from remixer.wire._pb.envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse

SECOND = 1_000_000_000
DENIED = Status(Code.PERMISSION_DENIED, "deny.shop:not today")
DENIER = Decision("deny.rule.shop", "deny.shop", "nothing.instance.shop", DENIED)
LISTER = Decision("list.rule.shop", "list.shop", "user.instance.shop", OK)


def outcome(
    status: Status = OK,
    *,
    directive: RouteDirective | None = None,
    quotas: dict[str, QuotaOutcome] | None = None,
    decisions: tuple[Decision, ...] = (),
) -> CheckOutcome:
    return CheckOutcome(
        status,
        Duration(5 * SECOND),
        1000,
        frozenset(),
        directive=directive,
        quotas=quotas or {},
        decisions=decisions,
    )


def quota(granted: int, status: Status = OK, decision: Decision | None = None) -> QuotaOutcome:
    return QuotaOutcome(granted, Duration(SECOND), frozenset(), status, decision)


def answer(given: CheckOutcome, headers: PlainStringMap | None = None) -> CheckResponse:
    return CheckResponse.FromString(encode_outcome(given, headers))


def headers_of(response: CheckResponse) -> dict[str, str]:
    return {each.header.key: each.header.value for each in response.denied_response.headers}


def metadata_of(response: CheckResponse) -> dict[str, object]:
    metadata = MessageToDict(response.dynamic_metadata)
    assert isinstance(metadata, dict)
    return metadata


def test_ok_lets_the_request_pass() -> None:
    response = answer(outcome())
    assert response.status.code == 0
    assert response.WhichOneof("http_response") == "ok_response"


def test_ok_carries_header_operations() -> None:
    directive = RouteDirective(
        request_header_operations=(
            HeaderOperation("x-user", "ann"),
            HeaderOperation("cookie", kind=HeaderOperationKind.REMOVE),
        ),
        response_header_operations=(HeaderOperation("x-served", "1", HeaderOperationKind.APPEND),),
    )
    ok = answer(outcome(directive=directive)).ok_response
    assert [(each.header.key, each.header.value) for each in ok.headers] == [("x-user", "ann")]
    assert list(ok.headers_to_remove) == ["cookie"]
    assert [each.header.key for each in ok.response_headers_to_add] == ["x-served"]


def test_a_response_header_that_envoy_cannot_remove_is_named_in_the_metadata() -> None:
    directive = RouteDirective(
        response_header_operations=(HeaderOperation("server", kind=HeaderOperationKind.REMOVE),)
    )
    metadata = metadata_of(answer(outcome(directive=directive)))
    assert metadata["response_headers_to_remove"] == ["server"]


def test_a_denial_answers_with_its_http_status_and_text() -> None:
    response = answer(outcome(DENIED))
    assert response.status.code == Code.PERMISSION_DENIED
    assert response.denied_response.status.code == 403
    assert response.denied_response.body == "deny.shop:not today"
    assert headers_of(response) == {"content-type": "text/plain"}


def test_a_denial_without_text_says_its_code() -> None:
    response = answer(outcome(Status(Code.UNAUTHENTICATED)))
    assert response.denied_response.body == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("code", "http"),
    [
        (Code.UNAUTHENTICATED, 401),
        (Code.PERMISSION_DENIED, 403),
        (Code.NOT_FOUND, 404),
        (Code.RESOURCE_EXHAUSTED, 429),
        (Code.INVALID_ARGUMENT, 400),
        (Code.DEADLINE_EXCEEDED, 504),
        (Code.UNIMPLEMENTED, 501),
        (Code.UNAVAILABLE, 503),
        (Code.UNKNOWN, 500),
        (Code.INTERNAL, 500),
        (Code.DATA_LOSS, 500),
        (Code.ALREADY_EXISTS, 409),
        (Code.ABORTED, 409),
        (Code.OUT_OF_RANGE, 400),
        # The two that Mixer's client and server saw differently: the client's way.
        (Code.CANCELLED, 499),
        (Code.FAILED_PRECONDITION, 400),
        (77, 500),
    ],
)
def test_http_status_of_a_denial(code: int, http: int) -> None:
    response = answer(outcome(Status(code, "x")))
    assert response.denied_response.status.code == http
    assert response.status.code == code


def test_a_refusal_without_a_direct_response_leaves_header_operations_out() -> None:
    directive = RouteDirective(response_header_operations=(HeaderOperation("x", "1"),))
    response = answer(outcome(DENIED, directive=directive))
    assert headers_of(response) == {"content-type": "text/plain"}


def test_a_direct_response_gives_code_body_and_headers() -> None:
    directive = RouteDirective(
        direct_response_code=418,
        direct_response_body="<h1>teapot</h1>",
        response_header_operations=(
            HeaderOperation("Content-Type", "text/html"),
            HeaderOperation("set-cookie", "a=1", HeaderOperationKind.APPEND),
        ),
    )
    response = answer(outcome(DENIED, directive=directive))
    assert response.denied_response.status.code == 418
    assert response.denied_response.body == "<h1>teapot</h1>"
    assert headers_of(response) == {"content-type": "text/html", "set-cookie": "a=1"}


def test_a_direct_response_stands_in_for_the_upstream_though_the_status_is_ok() -> None:
    directive = RouteDirective(
        direct_response_code=301,
        response_header_operations=(HeaderOperation("location", "/new"),),
    )
    response = answer(outcome(directive=directive))
    assert response.status.code != 0
    assert response.denied_response.status.code == 301
    assert headers_of(response)["location"] == "/new"
    assert metadata_of(response)["decision"] == "allow"


def test_an_exhausted_quota_is_a_429_that_names_it() -> None:
    limit = Decision("limit.rule.shop", "mem.shop", "b.instance.shop", OK)
    response = answer(
        outcome(
            quotas={"b": quota(0, decision=limit), "a": quota(0), "c": quota(1)},
            decisions=(LISTER,),
        )
    )
    assert response.denied_response.status.code == 429
    assert response.denied_response.body == "Quota is exhausted for: a,b"
    metadata = metadata_of(response)
    assert metadata["rule"] == "limit.rule.shop"
    assert metadata["handler"] == "mem.shop"


def test_an_exhausted_quota_wins_over_a_direct_response_of_an_ok_status() -> None:
    directive = RouteDirective(direct_response_code=200)
    response = answer(outcome(directive=directive, quotas={"a": quota(0)}))
    assert response.denied_response.status.code == 429


def test_a_granted_quota_passes() -> None:
    response = answer(outcome(quotas={"a": quota(1)}))
    assert response.status.code == 0
    assert metadata_of(response)["quotas"] == {"a": {"granted": 1.0, "valid_duration_s": 1.0}}


def test_a_refusal_by_a_store_that_says_exhausted_is_a_429() -> None:
    response = answer(outcome(quotas={"a": quota(0, Status(Code.RESOURCE_EXHAUSTED, "x"))}))
    assert response.denied_response.status.code == 429


def test_a_quota_whose_store_is_away_is_no_verdict() -> None:
    with pytest.raises(UnavailableError, match="quota a failed: no store"):
        encode_outcome(outcome(quotas={"a": quota(0, Status(Code.UNAVAILABLE, "no store"))}), None)


def test_a_quota_that_failed_otherwise_is_no_verdict() -> None:
    with pytest.raises(CheckFailedError, match="quota a failed: bug"):
        encode_outcome(outcome(quotas={"a": quota(0, Status(Code.INTERNAL, "bug"))}), None)


def test_an_exhausted_quota_wins_over_one_that_could_not_be_asked() -> None:
    quotas = {"a": quota(0, Status(Code.UNAVAILABLE, "no store")), "b": quota(0), "c": quota(1)}
    response = answer(outcome(quotas=quotas))
    assert response.denied_response.status.code == 429
    assert response.denied_response.body == "Quota is exhausted for: b"


def test_a_text_that_utf8_cannot_carry_loses_no_verdict() -> None:
    directive = RouteDirective(direct_response_code=403, direct_response_body="b\udc80")
    for given in (
        outcome(Status(7, "a\udc80")),
        outcome(Status(7, "a\udc80"), directive=directive),
    ):
        response = answer(given)
        assert response.status.message == "a?"
        assert response.denied_response.body in {"a?", "b?"}


@pytest.mark.parametrize(("code", "sent"), [(2**31, 2**31 - 1), (-(2**40), -(2**31))])
def test_a_code_beyond_int32_loses_no_verdict(code: int, sent: int) -> None:
    assert answer(outcome(Status(code))).status.code == sent


@pytest.mark.parametrize("code", [204, 304])
def test_an_answer_that_has_no_body_gets_none(code: int) -> None:
    directive = RouteDirective(direct_response_code=code, direct_response_body="text")
    response = answer(outcome(DENIED, directive=directive))
    assert response.denied_response.status.code == code
    assert not response.denied_response.body


@pytest.mark.parametrize("code", [1, 100, 199, 600, 2**31])
def test_a_direct_response_that_is_no_answer_gives_way_to_the_statuss_own(code: int) -> None:
    directive = RouteDirective(direct_response_code=code, direct_response_body="text")
    response = answer(outcome(DENIED, directive=directive))
    assert response.denied_response.status.code == 403


def test_metadata_of_a_denial_names_who_denied() -> None:
    metadata = metadata_of(answer(outcome(DENIED, decisions=(LISTER, DENIER))))
    assert metadata == {
        "decision": "deny",
        "code": 7.0,
        "code_name": "PERMISSION_DENIED",
        "message": "deny.shop:not today",
        "rule": "deny.rule.shop",
        "handler": "deny.shop",
        "instance": "nothing.instance.shop",
        "valid_duration_s": 5.0,
        "valid_use_count": 1000.0,
        "referenced": [],
    }


def referenced(given: CheckOutcome, forwarded: dict[str, str] | None = None) -> object:
    response = CheckResponse.FromString(OutcomeEncoder().encode(given, None, forwarded))
    return metadata_of(response).get("referenced")


def test_metadata_names_what_the_answer_depends_on() -> None:
    references = frozenset(
        {
            Reference("request.path", None, Condition.EXACT),
            Reference("request.headers", "x-user", Condition.ABSENCE),
            Reference("request.headers", "x-user", Condition.EXACT),
        }
    )
    told = referenced(replace(outcome(), references=references))
    assert told == ['request.headers["x-user"]', "request.path"]


@pytest.mark.parametrize(
    "given",
    [
        replace(outcome(), references=UNKNOWN_REFERENCES),
        replace(outcome(), provenance=Provenance.STALE),
        replace(outcome(), provenance=Provenance.SUBSTITUTE),
        outcome(directive=RouteDirective(direct_response_code=418)),
        outcome(quotas={"a": quota(1)}),
    ],
)
def test_an_answer_for_one_request_alone_does_not_say_what_it_depends_on(
    given: CheckOutcome,
) -> None:
    assert referenced(given) is None


def test_an_answer_that_counted_forwarded_attributes_does_not_either() -> None:
    assert referenced(outcome(), forwarded={}) is None


def test_metadata_of_an_ok_names_everyone_once() -> None:
    again = Decision("list.rule.shop", "other.shop", "user.instance.shop", OK)
    metadata = metadata_of(answer(outcome(decisions=(LISTER, again))))
    assert metadata["decision"] == "allow"
    assert metadata["rule"] == "list.rule.shop"
    assert metadata["handler"] == "list.shop,other.shop"
    assert "message" not in metadata


def test_metadata_of_an_ok_that_nobody_decided_names_nobody() -> None:
    assert "rule" not in metadata_of(answer(outcome()))


def test_deduplication_id_joins_the_request_id_and_envoys_own() -> None:
    request = CheckRequest()
    request.attributes.request.http.id = "42"
    request.attributes.request.http.headers["x-request-id"] = "7c0c"
    decoded = CheckDecoder().decode(request.SerializeToString(), Vocabulary())
    assert decoded.deduplication_id() == "7c0c/42"


def test_a_client_that_repeats_its_request_id_gets_no_second_grant() -> None:
    ids = set()
    for stream in ("1", "2"):
        request = CheckRequest()
        request.attributes.request.http.id = stream
        request.attributes.request.http.headers["x-request-id"] = "same"
        ids.add(CheckDecoder().decode(request.SerializeToString(), Vocabulary()).deduplication_id())
    assert len(ids) == 2


def test_a_long_request_id_makes_no_long_deduplication_id() -> None:
    request = CheckRequest()
    request.attributes.request.http.id = "42"
    request.attributes.request.http.headers["x-request-id"] = "x" * 60_000
    decoded = CheckDecoder().decode(request.SerializeToString(), Vocabulary())
    assert decoded.deduplication_id() == "x" * 64 + "/42"


def test_without_envoys_own_number_calls_are_not_deduplicated() -> None:
    request = CheckRequest()
    request.attributes.request.http.headers["x-request-id"] = "7c0c"
    decoded = CheckDecoder().decode(request.SerializeToString(), Vocabulary())
    assert not decoded.deduplication_id()


def test_a_connection_has_no_headers() -> None:
    assert not CheckDecoder().decode(b"", Vocabulary()).open().headers


def test_bytes_that_are_no_check_request_are_an_invalid_request() -> None:
    with pytest.raises(InvalidRequestError, match=r"service\.auth\.v3\.CheckRequest"):
        CheckDecoder().decode(b"\xff\xff", Vocabulary())


@pytest.mark.parametrize(
    "given",
    [
        outcome(),
        outcome(DENIED, decisions=(DENIER,)),
        outcome(decisions=(LISTER,)),
        outcome(quotas={"a": quota(1)}),
        outcome(decisions=(LISTER,), quotas={"a": quota(1), "b": quota(5)}),
        outcome(quotas={"a": quota(1), "b": replace(quota(1), decision=LISTER)}),
        outcome(quotas={"a": quota(0), "b": quota(1)}),
        outcome(DENIED, decisions=(DENIER,), quotas={"a": quota(1)}),
        outcome(directive=RouteDirective((HeaderOperation("x", "1"),))),
    ],
    ids=[
        "ok",
        "denied",
        "decided",
        "quota",
        "quotas",
        "a quota's decision",
        "exhausted",
        "denied with quota",
        "directive",
    ],
)
def test_a_kept_answer_is_the_one_that_would_be_made(given: CheckOutcome) -> None:
    encoder = OutcomeEncoder()
    made = CheckResponse.FromString(encode_outcome(given, None))
    for _ in range(2):
        assert CheckResponse.FromString(encoder.encode(given, None)) == made


def test_an_outcome_that_is_given_again_carries_its_answer() -> None:
    given = outcome(DENIED, decisions=(DENIER,))
    answer = OutcomeEncoder().encode(given, None)
    assert OutcomeEncoder().encode(given, None) is answer
    assert OutcomeEncoder().encode(given, None, {}) is not answer


@pytest.mark.parametrize(
    "given",
    [
        outcome(Status(7, "x" * 257)),
        outcome(quotas={"a": quota(0)}),
        outcome(directive=RouteDirective((HeaderOperation("x", "1"),))),
    ],
    ids=["a long text", "an exhausted quota", "header operations"],
)
def test_an_outcome_carries_no_answer_that_is_told_to_one_request_only(given: CheckOutcome) -> None:
    OutcomeEncoder().encode(given, None)
    assert not given.prepared


@pytest.mark.parametrize("forwarded", [None, {}])
def test_whatever_quotas_one_verdict_gets_each_answer_says_its_own(
    forwarded: dict[str, str] | None,
) -> None:
    encoder, verdict = OutcomeEncoder(), outcome(decisions=(LISTER,))
    grants: list[dict[str, QuotaOutcome]] = [
        {},
        {"a": quota(1)},
        {"a": quota(2)},
        {"b": quota(1)},
        {"a": replace(quota(1), valid_duration=Duration(7))},
        {"a": replace(quota(1), decision=LISTER)},
        {"a": replace(quota(1), decision=DENIER), "b": quota(3)},
        {"a": quota(0), "b": quota(1)},
        {"x" * 300: quota(1)},
        *({"a": replace(quota(1), decision=LISTER._replace(rule=str(rule)))} for rule in range(9)),
    ]
    for quotas in grants * 2:
        given = verdict.with_quotas(quotas)
        made = CheckResponse.FromString(encode_outcome(given, None, forwarded))
        assert CheckResponse.FromString(encoder.encode(given, None, forwarded)) == made
    assert len(verdict.prepared) == 8


def test_an_answer_with_a_long_text_is_made_anew_and_not_kept() -> None:
    encoder = OutcomeEncoder()
    short, long = (Status(7, "x" * length) for length in (256, 257))
    assert encoder.encode(outcome(short), None) is encoder.encode(outcome(short), None)
    assert encoder.encode(outcome(long), None) is not encoder.encode(outcome(long), None)


def test_answers_that_differ_in_what_they_say_are_kept_apart() -> None:
    encoder = OutcomeEncoder()
    answers = {
        encoder.encode(each, None)
        for each in (outcome(), outcome(DENIED), outcome(DENIED, decisions=(DENIER,)))
    }
    assert len(answers) == 3


def test_an_append_depends_on_the_request_and_is_never_kept() -> None:
    append = HeaderOperation("x", "1", HeaderOperationKind.APPEND)
    given = outcome(directive=RouteDirective((append,)))
    encoder = OutcomeEncoder()
    with_header = CheckResponse.FromString(encoder.encode(given, PlainStringMap(x="0")))
    without = CheckResponse.FromString(encoder.encode(given, PlainStringMap()))
    assert with_header.ok_response.headers[0].append.value
    assert not without.ok_response.headers[0].append.value


# ------------------------------------------------------------------ x-istio-attributes


def removed(response: bytes) -> list[str]:
    return list(CheckResponse.FromString(response).ok_response.headers_to_remove)


@pytest.mark.parametrize("forwarded", [{}, {"source.uid": "kubernetes://web-1.shop"}])
def test_the_upstream_never_sees_a_forwarded_header(forwarded: dict[str, str]) -> None:
    for _ in range(2):  # the second is the kept answer, if it is kept
        assert removed(OutcomeEncoder().encode(outcome(), None, forwarded)) == [
            "x-istio-attributes"
        ]


def test_an_answer_to_a_request_with_the_header_is_not_given_to_one_without() -> None:
    encoder = OutcomeEncoder()
    with_header = encoder.encode(outcome(), None, {})
    without = encoder.encode(outcome(), None, None)
    assert (removed(with_header), removed(without)) == (["x-istio-attributes"], [])


def test_what_counted_is_in_the_metadata_of_every_answer_for_the_report() -> None:
    forwarded = {"source.uid": "kubernetes://web-1.shop"}
    for status in (Status(), DENIED):
        response = OutcomeEncoder().encode(outcome(status), None, forwarded)
        metadata = CheckResponse.FromString(response).dynamic_metadata
        assert forwarded_in({HTTP_NAMESPACE: metadata}) == forwarded


def test_a_rule_may_write_the_header_that_the_client_s_is_removed_for() -> None:
    operation = HeaderOperation("x-istio-attributes", "ours", HeaderOperationKind.REPLACE)
    given = replace(outcome(), directive=RouteDirective((operation,)))
    ok = CheckResponse.FromString(encode_outcome(given, None, {})).ok_response
    # Envoy sets first, then removes: what is set must not be among what is removed.
    assert list(ok.headers_to_remove) == []
    assert [option.header.value for option in ok.headers] == ["ours"]
