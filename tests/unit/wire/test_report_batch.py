"""What a client's batch makes of bags: deltas, chains, bounds."""

import re
from collections.abc import Iterator, Sequence
from enum import Enum, IntEnum

import pytest

from remixer.attributes.bag import PlainBag, TrackedBag, plain_bag
from remixer.attributes.values import Duration, PlainStringMap, Timestamp, Value
from remixer.foundation.errors import InvalidRequestError
from remixer.frontends.mixer_v1.codec import decode_report_call
from remixer.wire._pb.istio.mixer.v1.report_pb2 import ReportRequest
from remixer.wire.client_codec import encode_report_request
from remixer.wire.report_batch import (
    AT_ONCE,
    BatchLimits,
    EncodedReport,
    ReportBatch,
    with_fewer_words,
)

A = plain_bag({"request.path": "/a", "response.code": 200, "app.tier": "gold"})
B = plain_bag({"request.path": "/b", "response.code": 200, "app.tier": "gold"})
C = plain_bag({"request.path": "/b", "response.code": 503})


def added(batch: ReportBatch, *bags: PlainBag) -> list[int]:
    """How many records each finished report has."""
    return [report.records for bag in bags for report in encoded(batch, bag)]


def encoded(batch: ReportBatch, bag: PlainBag) -> Sequence[EncodedReport]:
    """What a bag finishes that does not wait for others."""
    batch.add(bag)
    return batch.encode()


def only(reports: Sequence[EncodedReport]) -> EncodedReport:
    (report,) = reports
    return report


def bags_of(report: EncodedReport) -> list[dict[str, object]]:
    return [
        {name: bag[name] for name in bag.names()} for bag in decode_report_call(report.payload).bags
    ]


def test_the_bytes_are_those_of_the_protocol() -> None:
    batch = ReportBatch()
    added(batch, A, B)
    elements = "0a13 12040822 1003 1a05083c 10c801 12040801 1005 0a06 12040822 1007"
    assert only(batch.finish()).payload == (
        bytes.fromhex(elements)
        # A chain's names come first.
        + b"\x12\x08app.tier\x12\x02/a\x12\x04gold\x12\x02/b"
        + bytes.fromhex("18de01")
    )


def test_an_element_says_only_what_changed() -> None:
    batch = ReportBatch()
    added(batch, A, B, B)
    message = ReportRequest.FromString(only(batch.finish()).payload)
    first, second, third = message.attributes
    assert (len(first.strings), len(first.int64s)) == (2, 1)
    assert (len(second.strings), len(second.int64s)) == (1, 0)
    assert third.ByteSize() == 0
    assert message.repeated_attributes_semantics == ReportRequest.DELTA_ENCODING


def test_each_set_of_names_has_a_chain_of_its_own() -> None:
    batch = ReportBatch()
    added(batch, A, C, B)
    first, second = batch.finish()
    assert bags_of(first) == [A, B]
    assert bags_of(second) == [C]


def test_the_order_of_names_makes_no_difference() -> None:
    batch = ReportBatch()
    added(batch, A, plain_bag(dict(reversed(B.items()))))
    assert bags_of(only(batch.finish())) == [A, B]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (True, 1),
        (1, 1.0),
        (Timestamp(5), 5),
        (Timestamp(5), Duration(5)),
        (0.0, -0.0),
        ("a", b"a"),
        (0, False),
        ("1", 1),
    ],
)
def test_values_of_another_type_or_sign_are_sent(before: Value, after: Value) -> None:
    batch = ReportBatch()
    added(batch, plain_bag({"v": before}), plain_bag({"v": after}), plain_bag({"v": before}))
    found = [bag["v"] for bag in bags_of(only(batch.finish()))]
    assert [repr(value) for value in found] == [repr(before), repr(after), repr(before)]


@pytest.mark.parametrize(
    "value", ["text", 1, 2.5, True, b"raw", Timestamp(10**18 + 7), Duration(-5), {"k": "v"}, {}]
)
def test_equal_values_are_not_sent_again(value: Value) -> None:
    batch = ReportBatch()
    for _ in range(2):
        batch.add(plain_bag({"v": value if not isinstance(value, str) else "".join(value)}))
    second = ReportRequest.FromString(only(batch.finish()).payload).attributes[1]
    assert second.ByteSize() == 0


def test_an_empty_map_is_there() -> None:
    batch = ReportBatch()
    added(batch, plain_bag({"m": {"k": "v"}}), plain_bag({"m": {}}))
    assert bags_of(only(batch.finish())) == [{"m": {"k": "v"}}, {"m": {}}]


def test_what_changes_after_the_hand_over_changes_nothing() -> None:
    labels = PlainStringMap({"version": "1"})
    bag = PlainBag({"labels": labels, "path": "/a"})
    batch = ReportBatch()
    batch.add(bag)
    labels["version"] = "2"
    bag["path"] = "/b"
    batch.add(bag)
    labels.clear()
    bag.clear()
    assert bags_of(only(batch.finish())) == [
        {"labels": {"version": "1"}, "path": "/a"},
        {"labels": {"version": "2"}, "path": "/b"},
    ]


def test_of_tracked_maps_all_is_sent() -> None:
    """Such a map holds only what was read of it so far."""
    batch = ReportBatch()
    for version in "12":
        tracked = TrackedBag(plain_bag({"m": {"a": "1", "b": version}}))
        assert tracked["m"]["a"] == "1"  # type: ignore[index,call-overload] # a string map
        batch.add(tracked)
    assert bags_of(only(batch.finish())) == [
        {"m": {"a": "1", "b": "1"}},
        {"m": {"a": "1", "b": "2"}},
    ]


class _Undecodable(PlainBag):
    """Names an attribute whose value cannot be decoded."""

    def names(self) -> Iterator[str]:
        return iter(["request.path", "broken"])


def test_an_attribute_without_a_value_is_absent() -> None:
    batch = ReportBatch()
    added(batch, _Undecodable({"request.path": "/a"}), plain_bag({"request.path": "/b"}))
    assert bags_of(only(batch.finish())) == [{"request.path": "/a"}, {"request.path": "/b"}]


class _Failing(PlainBag):
    def names(self) -> Iterator[str]:
        return iter(A)

    def __getitem__(self, name: str) -> Value:
        if name == "app.tier":
            message = "gone"
            raise LookupError(message)
        return super().__getitem__(name)


def test_a_bag_that_fails_leaves_its_chain_as_it_was() -> None:
    batch = ReportBatch()
    added(batch, A)
    with pytest.raises(LookupError, match="gone"):
        batch.add(_Failing({"request.path": "/lost", "response.code": 1}))
    added(batch, B)
    assert bags_of(only(batch.finish())) == [A, B]


def test_a_bag_that_fails_first_leaves_nothing() -> None:
    batch = ReportBatch()
    with pytest.raises(LookupError, match="gone"):
        batch.add(_Failing())
    assert (batch.records, batch.finish()) == (0, [])


class _Code(IntEnum):
    OK = 200


class _Tier(str, Enum):  # noqa: UP042 - the kind whose `str` is not its value
    GOLD = "gold"


def test_enums_are_their_values() -> None:
    batch = ReportBatch()
    added(batch, plain_bag({"code": _Code.OK, "tier": _Tier.GOLD}))
    assert bags_of(only(batch.finish())) == [{"code": 200, "tier": "gold"}]


def test_numbers_beyond_int64_become_its_ends() -> None:
    batch = ReportBatch()
    added(batch, plain_bag({"n": 2**70}), plain_bag({"n": -(2**70)}))
    assert bags_of(only(batch.finish())) == [{"n": 2**63 - 1}, {"n": -(2**63)}]


def test_texts_that_are_no_unicode_get_through() -> None:
    batch = ReportBatch()
    added(batch, plain_bag({"path": "/\udcff", "other": "/?"}))
    report = only(batch.finish())
    assert bags_of(report) == [{"path": "/?", "other": "/?"}]
    assert len(ReportRequest.FromString(report.payload).default_words) == 3


# ------------------------------------------------------------ bounds


def test_a_report_ends_with_its_last_record() -> None:
    batch = ReportBatch(limits=BatchLimits(most_records=2))
    assert added(batch, A) == []
    assert added(batch, B) == [2]
    assert added(batch, A) == []


def test_a_report_may_be_as_large_as_the_bound_and_no_larger() -> None:
    whole = ReportBatch()
    added(whole, A, B)
    size = whole.size_bytes
    fits = ReportBatch(limits=BatchLimits(most_bytes=size))
    assert added(fits, A, B) == []
    assert len(only(fits.finish()).payload) == size
    splits = ReportBatch(limits=BatchLimits(most_bytes=size - 1))
    first = only([*encoded(splits, A), *encoded(splits, B)])
    assert bags_of(first) == [A]
    assert b"/b" not in first.payload
    assert bags_of(only(splits.finish())) == [B]


def test_a_record_that_is_too_large_goes_alone() -> None:
    large = plain_bag({**A, "request.path": "x" * 500})
    batch = ReportBatch(limits=BatchLimits(most_bytes=100))
    assert added(batch, A, large, B) == [1, 1]
    assert bags_of(only(batch.finish())) == [B]


def test_the_shortest_chain_ends_for_another_set() -> None:
    batch = ReportBatch(limits=BatchLimits(most_chains=2))
    added(batch, A, A, C)
    other = plain_bag({"request.path": "/other"})
    assert bags_of(only(encoded(batch, other))) == [C]
    assert [bags_of(report) for report in batch.finish()] == [[A, A], [other]]


def test_an_idle_batch_has_nothing() -> None:
    batch = ReportBatch()
    assert (batch.records, batch.size_bytes, batch.finish()) == (0, 0, [])


def test_records_that_are_too_much_together_go_apart() -> None:
    whole = ReportBatch()
    added(whole, A, B)
    size = whole.size_bytes
    splits = ReportBatch(limits=BatchLimits(most_bytes=size - 1))
    splits.add(A)
    splits.add(B)
    first = only(splits.encode())
    assert bags_of(first) == [A]
    assert bags_of(only(splits.finish())) == [B]


def test_records_go_to_the_next_report_when_one_is_full() -> None:
    batch = ReportBatch(limits=BatchLimits(most_records=2))
    for bag in (A, B, A, A, B):
        batch.add(bag)
    assert [bags_of(report) for report in batch.encode()] == [[A, B], [A, A]]
    assert bags_of(only(batch.finish())) == [B]


# ------------------------------------------------------------ waiting


def test_what_waits_longest_is_encoded_first() -> None:
    batch = ReportBatch(limits=BatchLimits(most_records=1))
    batch.add(A)
    batch.add(B)
    assert bags_of(only(batch.encode(1))) == [A]
    assert (batch.waiting, batch.records) == (1, 1)
    assert bags_of(only(batch.encode(1))) == [B]
    assert (batch.waiting, batch.waiting_bytes) == (0, 0)


def test_it_is_time_to_encode_when_many_wait() -> None:
    batch = ReportBatch()
    for _ in range(AT_ONCE - 1):
        batch.add(A)
    assert not batch.is_pressing
    batch.add(A)
    assert batch.is_pressing


def test_it_is_time_to_encode_when_a_few_large_ones_wait() -> None:
    batch = ReportBatch()
    for _ in range(16):
        batch.add(plain_bag({"request.path": "x" * 100_000}))
    assert batch.waiting_bytes > 1_600_000
    assert batch.is_pressing
    batch.encode()
    assert batch.waiting_bytes == 0


def test_many_sets_of_names_and_types_are_forgotten_in_time() -> None:
    batch = ReportBatch()
    for number in range(300):
        added(batch, plain_bag({f"n{number}": 1}), A)
    assert len(batch._rows._layouts) <= 256
    assert bags_of(batch.finish()[0])[-1] == A


# ------------------------------------------------------------ another dictionary


def test_records_are_encoded_again_with_fewer_words() -> None:
    batch = ReportBatch()
    bag = plain_bag({"destination.port": 80, "request.path": "/a"})
    added(batch, bag, bag)
    again = only(with_fewer_words(only(batch.finish()).payload, global_word_count=111))
    assert bags_of(again) == [bag, bag]
    assert b"destination.port" in again.payload
    assert ReportRequest.FromString(again.payload).global_word_count == 111


def test_what_is_no_report_cannot_be_encoded_again() -> None:
    with pytest.raises(InvalidRequestError, match=re.escape("ReportRequest of 1 bytes")):
        with_fewer_words(b"\xff", global_word_count=111)


def test_deltas_are_smaller_than_independent_elements() -> None:
    bags = [plain_bag({**A, "request.path": f"/{number}"}) for number in range(100)]
    batch = ReportBatch()
    added(batch, *bags)
    assert len(only(batch.finish()).payload) < 0.65 * len(encode_report_request(bags))
