"""What a Mixer answers, as bytes that old clients understand."""

from dataclasses import replace

import pytest

from remixer.attributes.bag import Condition, Reference
from remixer.attributes.values import Duration
from remixer.foundation.deadline import Deadline
from remixer.foundation.errors import InvalidRequestError
from remixer.foundation.status import Code, Status
from remixer.frontends.mixer_v1.codec import (
    ResponseEncoder,
    decode_check_call,
    decode_report_call,
    report_problem,
)
from remixer.mixer.outcome import (
    CheckOutcome,
    HeaderOperation,
    HeaderOperationKind,
    QuotaOutcome,
    RouteDirective,
)
from remixer.mixer.request import MatchingQuotas, QuotaArgs
from remixer.wire._pb.istio.mixer.v1.check_pb2 import CheckRequest, CheckResponse
from remixer.wire._pb.istio.mixer.v1.report_pb2 import ReportRequest
from remixer.wire.client_codec import decode_check_response

NOTHING = CheckOutcome(Status(), Duration(0), 0, frozenset())
DAY = Reference("request.time", None, Condition.EXACT)


def encoded(outcome: CheckOutcome, *, words: int = 222) -> CheckResponse:
    return CheckResponse.FromString(ResponseEncoder().encode(outcome, global_word_count=words))


def with_quota(quota: QuotaOutcome) -> CheckOutcome:
    return CheckOutcome(Status(), Duration(0), 0, frozenset(), quotas={"RequestCount": quota})


def test_empty_parts_are_present() -> None:
    """Clients read an absent duration as "for ever"."""
    outcome = with_quota(QuotaOutcome(0, Duration(0), frozenset()))
    response = encoded(outcome)
    for result in (response.precondition, response.quotas["RequestCount"]):
        for field in ("status", "valid_duration", "referenced_attributes"):
            assert result.HasField(field)
    assert not response.precondition.HasField("route_directive")


def test_quota_with_nothing_granted_is_as_the_original_wrote_it() -> None:
    wanted = bytes.fromhex(
        "1a 16 0a 0c 52 65 71 75 65 73 74 43 6f 75 6e 74 12 06 0a 00 2a 00 32 00"
    )
    outcome = with_quota(QuotaOutcome(0, Duration(0), frozenset()))
    assert encoded(outcome).quotas == CheckResponse.FromString(wanted).quotas


def test_nothing_to_say_is_status_duration_and_references() -> None:
    wanted = bytes.fromhex("12 06 0a 00 12 00 2a 00")
    assert ResponseEncoder().encode(NOTHING, global_word_count=222) == wanted


def test_every_part_of_an_outcome_arrives() -> None:
    outcome = CheckOutcome(
        Status(Code.PERMISSION_DENIED, "no"),
        Duration(1_500_000_000),
        -1,
        frozenset({DAY, Reference("request.headers", "x-user", Condition.ABSENCE)}),
        RouteDirective((HeaderOperation("a", "b"),), (), 403, "body"),
        {
            "q": QuotaOutcome(7, Duration(1), frozenset({DAY})),
            "r": QuotaOutcome(0, Duration(0), frozenset(), Status(Code.UNAVAILABLE, "store")),
        },
    )
    for words in (0, 111, 222):
        payload = ResponseEncoder().encode(outcome, global_word_count=words)
        assert decode_check_response(payload) == outcome


@pytest.mark.parametrize("size", [0, 127, 128, 16_383, 16_384, 300_000])
def test_parts_of_any_size_are_framed(size: int) -> None:
    outcome = CheckOutcome(Status(7, "x" * size), Duration(0), 0, frozenset())
    assert (
        decode_check_response(ResponseEncoder().encode(outcome, global_word_count=222)) == outcome
    )


def test_answer_keeps_to_the_dictionary_of_each_caller() -> None:
    encoder = ResponseEncoder()
    outcome = CheckOutcome(Status(), Duration(0), 0, frozenset({DAY}))
    names = [
        CheckResponse.FromString(encoder.encode(outcome, global_word_count=words))
        .precondition.referenced_attributes.attribute_matches[0]
        .name
        for words in (222, 0, 24, 25, 222)
    ]
    assert names == [24, -1, -1, 24, 24]


def test_excess_of_an_adapter_does_not_lose_the_verdict() -> None:
    outcome = CheckOutcome(
        Status(2**40, "text \ud800"),
        Duration(0),
        2**40,
        frozenset(),
        RouteDirective((HeaderOperation("h", "\udfff"),), (), -1, "\ud800"),
        {"q\ud800": QuotaOutcome(2**70, Duration(0), frozenset())},
    )
    response = encoded(outcome)
    assert response.precondition.status.code == 2**31 - 1
    assert response.precondition.status.message == "text ?"
    assert response.precondition.valid_use_count == 2**31 - 1
    assert response.quotas["q?"].granted_amount == 2**63 - 1


def test_check_carries_quotas_deduplication_and_deadline() -> None:
    message = CheckRequest(global_word_count=111, deduplication_id="once")
    message.quotas["a"].amount = 5
    message.quotas["b"].best_effort = True
    deadline = Deadline(4.0)
    call = decode_check_call(message.SerializeToString(), deadline)
    assert call.global_word_count == 111
    assert call.request.quotas == {"a": QuotaArgs(5), "b": QuotaArgs(0, best_effort=True)}
    assert (call.request.deduplication_id, call.request.deadline) == ("once", deadline)


def test_the_quota_of_all_that_apply_is_combined() -> None:
    message = CheckRequest()
    message.quotas["*"].amount = 4
    message.quotas["*"].best_effort = True
    asked = decode_check_call(message.SerializeToString(), None).request.quotas
    assert asked == MatchingQuotas(QuotaArgs(4, best_effort=True), is_combined=True)


def test_the_quota_of_all_that_apply_stands_alone() -> None:
    message = CheckRequest()
    for name in ("*", "b", "a"):
        message.quotas[name].amount = 1
    with pytest.raises(InvalidRequestError, match=r"alone, without a, b$"):
        decode_check_call(message.SerializeToString(), None)


def test_newer_dictionary_gets_the_words_that_make_clients_fall_back() -> None:
    for decode, payload in (
        (decode_report_call, ReportRequest(global_word_count=223).SerializeToString()),
        (
            lambda each: decode_check_call(each, None),
            CheckRequest(global_word_count=223).SerializeToString(),
        ),
    ):
        with pytest.raises(InvalidRequestError) as caught:
            decode(payload)
        assert caught.value.message == (
            "Request could not be processed due to invalid global_word_count: inconsistent global"
            " dictionary versions used: mixer knows 222 words, caller knows 223"
        )


@pytest.mark.parametrize("count", [0, 111, 222])
def test_smaller_dictionaries_are_accepted(count: int) -> None:
    payload = CheckRequest(global_word_count=count).SerializeToString()
    assert decode_check_call(payload, None).global_word_count == count


def test_malformed_bytes_do_not_make_clients_shrink_their_dictionary() -> None:
    for decode in (decode_report_call, lambda each: decode_check_call(each, None)):
        with pytest.raises(InvalidRequestError) as caught:
            decode(b"\xff")
        assert not caught.value.message.startswith("Request could not be processed due to invalid")


def test_problems_of_a_report_are_one_text() -> None:
    assert report_problem(["a"]) == "1 error occurred:\n\t* a"
    assert report_problem(["a", "b"]) == "2 errors occurred:\n\t* a\n\t* b"


def test_header_operations_are_of_one_line_and_have_names() -> None:
    operations = (HeaderOperation("x-q", "a\r\nx-evil: 1"), HeaderOperation("no name", "v"))
    directive = RouteDirective(operations, operations)
    found = encoded(replace(NOTHING, directive=directive)).precondition.route_directive
    for side in (found.request_header_operations, found.response_header_operations):
        assert [(each.name, each.value) for each in side] == [("x-q", "a  x-evil: 1")]


def test_header_operations_write_nothing_that_says_where_a_message_ends() -> None:
    removal = HeaderOperation("Upgrade", kind=HeaderOperationKind.REMOVE)
    operations = (HeaderOperation("Content-Length", "1"), removal, HeaderOperation("te", "x"))
    directive = RouteDirective(operations, operations)
    found = encoded(replace(NOTHING, directive=directive)).precondition.route_directive
    for side in (found.request_header_operations, found.response_header_operations):
        assert [each.name for each in side] == ["Upgrade"]


def test_an_outcome_given_again_is_not_encoded_again() -> None:
    encoder = ResponseEncoder()
    outcome = replace(NOTHING)
    first = encoder.encode(outcome, global_word_count=222)
    assert encoder.encode(outcome, global_word_count=222) is first
    assert outcome.prepared == {222: first}
    assert encoder.encode(outcome, global_word_count=0) == first


def test_few_dictionaries_are_prepared_for() -> None:
    encoder = ResponseEncoder()
    outcome = replace(NOTHING)
    for count in range(100):
        encoder.encode(outcome, global_word_count=count)
    assert len(outcome.prepared) == 4


def test_an_outcome_with_quotas_shares_what_is_prepared_of_the_rest() -> None:
    encoder = ResponseEncoder()
    outcome = replace(NOTHING)
    with_quotas = outcome.with_quotas({"q": QuotaOutcome(1, Duration(1), frozenset())})
    whole = encoder.encode(with_quotas, global_word_count=222)
    verdict = encoder.encode(outcome, global_word_count=222)
    assert outcome.prepared == with_quotas.prepared == {222: verdict}
    assert whole.startswith(verdict)
    assert list(CheckResponse.FromString(whole).quotas) == ["q"]


@pytest.mark.parametrize(
    "other",
    [
        QuotaOutcome(2, Duration(1), frozenset()),
        QuotaOutcome(1, Duration(2), frozenset()),
        QuotaOutcome(1, Duration(1), frozenset({Reference("user", None, Condition.EXACT)})),
        QuotaOutcome(1, Duration(1), frozenset(), Status(8, "no more")),
    ],
    ids=["granted", "for how long", "what it depends on", "status"],
)
def test_quotas_that_differ_in_anything_are_told_apart(other: QuotaOutcome) -> None:
    encoder = ResponseEncoder()
    one = QuotaOutcome(1, Duration(1), frozenset())

    def encoded_with(quota: QuotaOutcome) -> bytes:
        return encoder.encode(NOTHING.with_quotas({"q": quota}), global_word_count=222)

    assert encoded_with(one) != encoded_with(other)
    assert encoded_with(other) == ResponseEncoder().encode(
        NOTHING.with_quotas({"q": other}), global_word_count=222
    )
