"""Laws of a client's reports: whatever is handed over arrives, whoever decodes it."""

import struct
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping

from hypothesis import given
from hypothesis import strategies as st

from remixer.attributes.bag import Bag, PlainBag, plain_bag
from remixer.attributes.values import Duration, Timestamp, Value
from remixer.frontends.mixer_v1.codec import decode_report_call
from remixer.wire._pb.istio.mixer.v1.attributes_pb2 import CompressedAttributes
from remixer.wire._pb.istio.mixer.v1.report_pb2 import ReportRequest
from remixer.wire.client_codec import encode_report_request
from remixer.wire.dictionary import GLOBAL_WORD_COUNT
from remixer.wire.global_words import GLOBAL_WORDS
from remixer.wire.report_batch import BatchLimits, EncodedReport, ReportBatch, with_fewer_words

QUOTED = [word for word in GLOBAL_WORDS if word[:1] in {"'", '"'}]
# Few names and values: records must meet the same ones again.
names = st.sampled_from(["source.ip", "request.path", "app.tier", "a", "", *QUOTED])
words = st.sampled_from(["", "a", "b", "GET", "app.tier", "0", "é", *QUOTED]) | st.text(
    st.characters(codec="utf-8"), max_size=3
)
instants = st.integers(-(2**63) + 1, 2**63 - 1) | st.sampled_from([0, 1, 10**9, -1])
values: st.SearchStrategy[Value] = st.one_of(
    words,
    st.sampled_from([0, 1, -1, 127, 128, 2**14, 2**28, 2**35, 2**63 - 1, -(2**63)]),
    st.sampled_from([0.0, -0.0, 1.0, 0.5, float("inf"), float("nan")]),
    st.booleans(),
    st.sampled_from([b"", b"a", bytes(4), bytes(200)]),
    instants.map(Timestamp),
    instants.map(Duration),
)
bags = st.dictionaries(names, values | st.dictionaries(words, words, max_size=3), max_size=4).map(
    plain_bag
)
streams = st.lists(bags, max_size=12)
word_counts = st.sampled_from([0, 1, 94, 95, 111, 203, 221, GLOBAL_WORD_COUNT])
limits = st.builds(
    BatchLimits,
    most_records=st.integers(1, 6),
    most_bytes=st.sampled_from([1, 60, 200, 10_000]),
    most_chains=st.integers(1, 3),
)


turns = st.sampled_from([1, 3, 100])
"""Records that are encoded at once."""


def plain(value: object) -> Hashable:
    """Comparable by type and bits."""
    if isinstance(value, dict):
        return ("map", frozenset(value.items()))
    if isinstance(value, float):
        return ("double", struct.pack("<d", value))
    return (type(value).__name__, value)


def content(bag: Bag) -> Hashable:
    return frozenset((name, plain(bag[name])) for name in bag.names())


def encoded(
    stream: list[PlainBag], count: int, bounds: BatchLimits, at_once: int = 1
) -> list[EncodedReport]:
    batch = ReportBatch(global_word_count=count, limits=bounds)
    finished: list[EncodedReport] = []
    for number, bag in enumerate(stream, 1):
        batch.add(bag)
        if number % at_once == 0:
            finished += batch.encode()
    return [*finished, *batch.finish()]


def decoded(report: EncodedReport) -> list[Hashable]:
    found = decode_report_call(report.payload)
    assert found.errors == ()
    assert len(found.bags) == report.records
    return [content(bag) for bag in found.bags]


@given(streams, word_counts, limits, turns)
def test_every_record_arrives_once(
    stream: list[PlainBag], count: int, bounds: BatchLimits, at_once: int
) -> None:
    reports = encoded(stream, count, bounds, at_once)
    arrived = [each for report in reports for each in decoded(report)]
    assert Counter(arrived) == Counter(content(bag) for bag in stream)


@given(streams, word_counts, limits, turns)
def test_records_of_one_set_of_names_arrive_in_order(
    stream: list[PlainBag], count: int, bounds: BatchLimits, at_once: int
) -> None:
    sent: dict[frozenset[str], list[Hashable]] = defaultdict(list)
    for bag in stream:
        sent[frozenset(bag)].append(content(bag))
    arrived: dict[frozenset[str], list[Hashable]] = defaultdict(list)
    for report in encoded(stream, count, bounds, at_once):
        for found in decode_report_call(report.payload).bags:
            arrived[frozenset(found.names())].append(content(found))
    assert arrived == sent


@given(streams, word_counts, turns)
def test_deltas_say_what_independent_elements_say(
    stream: list[PlainBag], count: int, at_once: int
) -> None:
    independent = decode_report_call(encode_report_request(stream, global_word_count=count))
    reports = encoded(stream, count, BatchLimits(), at_once)
    arrived = [each for report in reports for each in decoded(report)]
    assert Counter(arrived) == Counter(content(bag) for bag in independent.bags)


def word_list(message: ReportRequest) -> list[str]:
    return [word.decode() for word in message.default_words]


def as_mixer_1_0(payload: bytes) -> list[dict[str, Hashable]]:
    """Each element's changes laid over all before it; nothing is ever taken away."""
    message = ReportRequest.FromString(payload)
    texts = word_list(message)
    accumulated: dict[str, Hashable] = {}
    found: list[dict[str, Hashable]] = []

    def text(index: int) -> str:
        assert index < message.global_word_count
        return GLOBAL_WORDS[index] if index >= 0 else texts[-index - 1]

    def pairs(entries: Mapping[int, int]) -> frozenset[tuple[str, str]]:
        return frozenset((text(key), text(value)) for key, value in entries.items())

    def nanoseconds(value: object) -> int:
        return value.seconds * 10**9 + value.nanos  # type: ignore[attr-defined,no-any-return] # a Timestamp or Duration message

    def changes(element: CompressedAttributes) -> dict[str, Hashable]:
        return {
            **{text(k): ("str", text(v)) for k, v in element.strings.items()},
            **{text(k): ("int", v) for k, v in element.int64s.items()},
            **{text(k): ("double", struct.pack("<d", v)) for k, v in element.doubles.items()},
            **{text(k): ("bool", v) for k, v in element.bools.items()},
            **{text(k): ("Timestamp", nanoseconds(v)) for k, v in element.timestamps.items()},
            **{text(k): ("Duration", nanoseconds(v)) for k, v in element.durations.items()},
            **{text(k): ("bytes", v) for k, v in element.bytes.items()},
            **{text(k): ("map", pairs(v.entries)) for k, v in element.string_maps.items()},
        }

    for element in message.attributes:
        accumulated |= changes(element)
        found.append(dict(accumulated))
    return found


@given(streams, word_counts, limits, turns)
def test_a_decoder_that_cannot_delete_sees_nothing_stale(
    stream: list[PlainBag], count: int, bounds: BatchLimits, at_once: int
) -> None:
    arrived = [
        frozenset(record.items())
        for report in encoded(stream, count, bounds, at_once)
        for record in as_mixer_1_0(report.payload)
    ]
    assert Counter(arrived) == Counter(content(bag) for bag in stream)


@given(streams, word_counts, limits, turns)
def test_word_lists_hold_no_word_twice_and_none_that_is_known(
    stream: list[PlainBag], count: int, bounds: BatchLimits, at_once: int
) -> None:
    for report in encoded(stream, count, bounds, at_once):
        message = ReportRequest.FromString(report.payload)
        listed = word_list(message)
        assert len(set(listed)) == len(listed)
        assert not set(listed) & set(GLOBAL_WORDS[:count])
        assert message.global_word_count == report.global_word_count == count


@given(streams, limits, turns)
def test_bounds_hold(stream: list[PlainBag], bounds: BatchLimits, at_once: int) -> None:
    batch = ReportBatch(limits=bounds)
    for number, bag in enumerate(stream, 1):
        open_before = batch.records
        batch.add(bag)
        assert batch.records == open_before + 1
        finished = batch.encode() if number % at_once == 0 else ()
        assert batch.records == open_before + 1 - sum(report.records for report in finished)
        for report in finished:
            assert report.records <= bounds.most_records
            assert len(report.payload) <= bounds.most_bytes or report.records == 1
    for report in batch.encode():
        assert report.records <= bounds.most_records
    size_bytes = batch.size_bytes
    rest = batch.finish()
    assert len(rest) <= bounds.most_chains
    if stream:
        assert sum(len(report.payload) for report in rest) == size_bytes
    assert (batch.records, batch.size_bytes) == (0, 0)


@given(streams, limits)
def test_fewer_words_change_no_record(stream: list[PlainBag], bounds: BatchLimits) -> None:
    for report in encoded(stream, GLOBAL_WORD_COUNT, bounds, at_once=3):
        again = with_fewer_words(report.payload, global_word_count=111, limits=bounds)
        assert [each for one in again for each in decoded(one)] == decoded(report)
        assert {one.global_word_count for one in again} == {111}
