"""The client's half of the protocol: what the answers mean."""

import pytest

from remixer.attributes.bag import plain_bag
from remixer.attributes.values import Duration
from remixer.foundation.status import Code, Status
from remixer.mixer.outcome import UNKNOWN_REFERENCES
from remixer.mixer.request import MATCHING, CheckRequest, MatchingQuotas, QuotaArgs
from remixer.wire._pb.istio.mixer.v1 import check_pb2
from remixer.wire.client_codec import (
    FOREVER,
    UnreadableAnswerError,
    decode_check_response,
    encode_check_request,
)


def answer(text: str) -> bytes:
    return bytes.fromhex(text)


def test_answer_without_precondition_is_an_error() -> None:
    with pytest.raises(UnreadableAnswerError, match="no precondition") as caught:
        decode_check_response(b"")
    assert caught.value.code is Code.INTERNAL


def test_answer_that_is_no_message_is_an_error() -> None:
    with pytest.raises(UnreadableAnswerError, match="of 3 bytes is no protobuf message"):
        decode_check_response(b"\xff\xff\xff")


def test_unset_duration_is_for_ever_and_an_empty_one_is_zero() -> None:
    assert decode_check_response(answer("12 00")).valid_duration == FOREVER
    assert decode_check_response(answer("12 04 0a 00 12 00")).valid_duration == Duration(0)


def test_unset_duration_of_a_quota_is_sixty_seconds() -> None:
    untouched = "1a 10 0a 0c 52 65 71 75 65 73 74 43 6f 75 6e 74 12 00"
    as_go_writes_it = "1a 16 0a 0c 52 65 71 75 65 73 74 43 6f 75 6e 74 12 06 0a 00 2a 00 32 00"
    quotas = [
        decode_check_response(answer("12 00" + each)).quotas["RequestCount"]
        for each in (untouched, as_go_writes_it)
    ]
    assert [quota.valid_duration for quota in quotas] == [Duration(60_000_000_000), Duration(0)]
    assert [(quota.granted, quota.status) for quota in quotas] == [(0, Status()), (0, Status())]


def test_negative_grant_is_none() -> None:
    quota = "1a 10 0a 01 71 12 0b 10 ff ff ff ff ff ff ff ff ff 01"
    assert decode_check_response(answer("12 00" + quota)).quotas["q"].granted == 0


def test_answer_with_a_regex_reference_is_used_once() -> None:
    outcome = decode_check_response(answer("12 0e 12 02 08 3c 18 0a 2a 06 12 04 08 26 10 03"))
    assert (outcome.valid_duration, outcome.valid_use_count) == (Duration(0), 0)
    assert outcome.references == frozenset()


def test_header_operation_of_a_kind_nobody_defined_is_left_out() -> None:
    outcome = decode_check_response(answer("12 09 32 07 0a 05 0a 01 61 18 09"))
    assert outcome.directive is not None
    assert outcome.directive.request_header_operations == ()


def test_quotas_that_apply_are_asked_for_by_their_name() -> None:
    request = CheckRequest(plain_bag({}), MatchingQuotas(QuotaArgs(3, best_effort=True)))
    message = check_pb2.CheckRequest.FromString(encode_check_request(request))
    ((name, params),) = message.quotas.items()
    assert (name, params.amount, params.best_effort) == (MATCHING, 3, True)


@pytest.mark.parametrize(
    "references",
    ["2a 06 12 04 08 26 10 03", "2a 06 12 04 08 01 10 02"],
    ids=["regex", "no such word"],
)
def test_grant_that_nobody_can_tell_the_key_of_lasts_and_fits_no_request(references: str) -> None:
    payload = answer("12 00 1a 0f 0a 01 71 12 0a 10 05" + references)
    outcome = decode_check_response(payload).quotas["q"]
    assert outcome.references == UNKNOWN_REFERENCES
    assert (outcome.granted, outcome.valid_duration) == (5, Duration(60_000_000_000))
