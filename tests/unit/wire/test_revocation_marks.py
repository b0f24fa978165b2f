"""Marks in answers by which clients learn of revocations."""

import pytest

from remixer.wire._pb.istio.mixer.v1.check_pb2 import CheckResponse
from remixer.wire._pb.istio.mixer.v1.report_pb2 import ReportResponse
from remixer.wire.client_codec import decode_check_response
from remixer.wire.revocation_marks import MetMarks, RevocationMark


def marked(answer: bytes, name: str) -> bytes:
    mark = RevocationMark()
    mark.renew(name)
    return answer + mark.field


def check_response(text: str = "no") -> bytes:
    response = CheckResponse()
    response.precondition.status.code = 7
    response.precondition.status.message = text
    response.quotas["q"].granted_amount = 3
    return response.SerializeToString()


def test_before_the_first_revocation_nothing_is_added() -> None:
    assert RevocationMark().field == b""


def test_a_mark_is_new_once() -> None:
    met = MetMarks()
    assert met.new_in(marked(b"", "a")) == "a"
    assert met.new_in(marked(b"", "a")) is None
    assert met.new_in(marked(b"", "b")) == "b"
    assert met.new_in(marked(b"", "a")) is None


def test_the_last_revocation_counts() -> None:
    mark = RevocationMark()
    mark.renew("a")
    mark.renew("b")
    assert MetMarks().new_in(mark.field) == "b"


@pytest.mark.parametrize("answer", [b"", check_response()], ids=["report", "check"])
def test_other_clients_skip_it(answer: bytes) -> None:
    whole = marked(answer, "a")
    parsed = CheckResponse.FromString(whole)
    parsed.DiscardUnknownFields()
    assert parsed.SerializeToString() == answer
    ReportResponse.FromString(whole)
    assert MetMarks().new_in(whole) == "a"


def test_an_answer_that_quotes_a_mark_has_none() -> None:
    quoting = check_response("remixer-revoked a")
    assert MetMarks().new_in(quoting) is None
    assert MetMarks().new_in(marked(quoting, "b")) == "b"
    assert decode_check_response(quoting).status.message == "remixer-revoked a"


@pytest.mark.parametrize("answer", [b"remixer-revoked a", b"\x7a\xff", marked(b"", "a" * 100)])
def test_what_is_no_mark_of_ours_counts_for_nothing(answer: bytes) -> None:
    assert MetMarks().new_in(answer) is None


def test_so_many_are_known_and_those_met_last_stay() -> None:
    met = MetMarks()
    for number in range(255):
        assert met.new_in(marked(b"", str(number))) is not None
    assert met.new_in(marked(b"", "0")) is None
    assert met.new_in(marked(b"", "more")) == "more"
    assert met.new_in(marked(b"", "and more")) == "and more"
    assert met.new_in(marked(b"", "0")) is None
    assert met.new_in(marked(b"", "1")) == "1"
