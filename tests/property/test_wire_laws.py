"""Laws of the wire format."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remixer.attributes.bag import Condition, PlainBag, Reference, plain_bag
from remixer.attributes.values import Duration, Timestamp, Value
from remixer.foundation.errors import PolicyError
from remixer.foundation.http_fields import field_value
from remixer.foundation.status import Status
from remixer.frontends.mixer_v1.codec import ResponseEncoder, decode_check_call, decode_report_call
from remixer.mixer.outcome import (
    CheckOutcome,
    HeaderOperation,
    HeaderOperationKind,
    QuotaOutcome,
    RouteDirective,
)
from remixer.mixer.request import CheckRequest, QuotaArgs
from remixer.wire.bag import CompressedBag
from remixer.wire.client_codec import (
    decode_check_response,
    encode_check_request,
    encode_report_request,
)
from remixer.wire.compression import compress
from remixer.wire.dictionary import GLOBAL_WORD_COUNT
from remixer.wire.forwarded import decode_forwarded, encode_forwarded
from remixer.wire.global_words import GLOBAL_WORDS
from remixer.wire.references import decode_references, encode_references

# What a request's presence of a map decides is told to nobody: it has no place on the wire.
WIRE_CONDITIONS = (Condition.ABSENCE, Condition.EXACT)

int64s = st.integers(-(2**63), 2**63 - 1)
durations = st.integers(-(2**63) + 1, 2**63 - 1).map(Duration)
words = st.sampled_from(GLOBAL_WORDS) | st.text(st.characters(codec="utf-8"))
word_counts = st.integers(0, GLOBAL_WORD_COUNT)
values: st.SearchStrategy[Value] = st.one_of(
    words,
    int64s,
    st.floats(allow_nan=False),
    st.booleans(),
    st.binary(),
    st.integers(-(2**63) + 1, 2**63 - 1).map(Timestamp),
    durations,
)
bags = st.dictionaries(words, values | st.dictionaries(words, words)).map(plain_bag)
references = st.frozensets(
    st.builds(Reference, words, st.none() | words.filter(bool), st.sampled_from(WIRE_CONDITIONS))
)
statuses = st.builds(Status, st.integers(-(2**31), 2**31 - 1), words)
# Others are not sent as they are: one value must not become several headers.
header_names = st.sampled_from([":path", "x-user", "Set-Cookie"])
header_values = words.filter(lambda text: field_value(text) == text)
operations = st.lists(
    st.builds(HeaderOperation, header_names, header_values, st.sampled_from(HeaderOperationKind))
).map(tuple)
outcomes = st.builds(
    CheckOutcome,
    status=statuses,
    valid_duration=durations,
    valid_use_count=st.integers(-(2**31), 2**31 - 1),
    references=references,
    directive=st.none()
    | st.builds(RouteDirective, operations, operations, st.integers(0, 2**32 - 1), words),
    quotas=st.dictionaries(
        words, st.builds(QuotaOutcome, st.integers(0, 2**63 - 1), durations, references, statuses)
    ),
)


def content(bag: CompressedBag | PlainBag) -> dict[str, tuple[type, Value | None]]:
    return {name: (type(bag[name]), bag[name]) for name in bag.names()}


@given(bags, word_counts)
def test_attributes_come_back_as_they_were(bag: PlainBag, count: int) -> None:
    assert content(CompressedBag(compress(bag, global_word_count=count))) == content(bag)


@given(bags, word_counts)
def test_no_index_beyond_the_dictionary_is_sent(bag: PlainBag, count: int) -> None:
    message = compress(bag, global_word_count=count)
    indices = {*message.strings, *message.strings.values(), *message.int64s, *message.string_maps}
    for entries in message.string_maps.values():
        indices |= {*entries.entries, *entries.entries.values()}
    assert all(-len(message.words) <= index < count for index in indices)
    assert len(set(message.words)) == len(message.words)


@given(
    bags,
    st.dictionaries(words, st.builds(QuotaArgs, int64s, best_effort=st.booleans())),
    words,
    word_counts,
)
def test_check_requests_come_back(
    bag: PlainBag, quotas: dict[str, QuotaArgs], deduplication_id: str, count: int
) -> None:
    request = CheckRequest(bag, quotas, deduplication_id)
    call = decode_check_call(encode_check_request(request, global_word_count=count), None)
    assert content(CompressedBag(compress(call.request.bag))) == content(bag)
    assert (call.request.quotas, call.request.deduplication_id) == (quotas, deduplication_id)


@given(st.lists(bags, max_size=5), word_counts)
def test_reports_come_back(sent: list[PlainBag], count: int) -> None:
    report = decode_report_call(encode_report_request(sent, global_word_count=count))
    assert report.errors == ()
    assert [content(CompressedBag(compress(bag))) for bag in report.bags] == [
        content(bag) for bag in sent
    ]


@given(references, word_counts)
def test_references_come_back(sent: frozenset[Reference], count: int) -> None:
    assert decode_references(encode_references(sent, global_word_count=count)) == sent


@given(outcomes, word_counts)
def test_outcomes_come_back(outcome: CheckOutcome, count: int) -> None:
    written = ResponseEncoder().encode(outcome, global_word_count=count)
    assert decode_check_response(written) == outcome


@given(bags)
def test_forwarded_attributes_come_back(bag: PlainBag) -> None:
    assert content(decode_forwarded(encode_forwarded(bag))) == content(bag)


def read_all(payload: bytes) -> None:
    for bag in (decode_check_call(payload, None).request.bag, *decode_report_call(payload).bags):
        for name in bag.names():
            bag[name]


@pytest.mark.parametrize("read", [decode_check_response, decode_report_call, read_all])
@given(payload=st.binary())
def test_any_bytes_are_a_message_or_the_documented_error(
    read: Callable[[bytes], object], payload: bytes
) -> None:
    with suppress(PolicyError):
        read(payload)


@given(bags, st.data())
def test_damaged_requests_are_read_or_refused(bag: PlainBag, data: st.DataObject) -> None:
    payload = bytearray(encode_check_request(CheckRequest(bag)))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    with suppress(PolicyError):
        read_all(bytes(payload))
