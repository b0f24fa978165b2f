"""What may be told of a revision, in which encoding, within which bounds."""

import math

import pytest

from remixer.wire.knative_stats import (
    GOB_RELEASES,
    LAYOUTS,
    Encoding,
    RevisionKey,
    Stat,
    StatError,
    decode_message,
    encode_messages,
    encoding_for,
    layout_named,
    needs_time,
    protobuf,
)
from remixer.wire.knative_stats import gob_decoder as decoder
from remixer.wire.knative_stats.encoding import STATS_PER_MESSAGE
from remixer.wire.knative_stats.gob_bytes import GobReader, counted, signed
from remixer.wire.knative_stats.gob_encoder import definitions, encode
from remixer.wire.knative_stats.stat import MOST_NAME_BYTES

_KEY = RevisionKey("shop", "cart-00001")
_STRUCT_KEY = layout_named("0.8")
_STRING_KEY = layout_named("0.6")


@pytest.mark.parametrize(
    "name",
    [
        "concurrency",
        "proxied_concurrency",
        "request_count",
        "proxied_request_count",
        "process_uptime_s",
    ],
)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.5])
def test_a_number_that_would_poison_a_window_makes_no_stat(name: str, value: float) -> None:
    with pytest.raises(StatError, match=f"shop/cart-00001: {name} is"):
        Stat(_KEY, **{name: value})  # type: ignore[arg-type]  # only numbers are named


def test_a_poisoned_message_is_refused_when_read() -> None:
    payload = bytearray(protobuf.encode([Stat(_KEY, concurrency=1.0)]))
    payload[-8:] = b"\0\0\0\0\0\0\xf8\x7f"
    with pytest.raises(StatError, match="concurrency is nan"):
        protobuf.decode(bytes(payload))


@pytest.mark.parametrize("key", [RevisionKey("\udc80", "a"), RevisionKey("a", "\udc80")])
def test_what_utf_8_cannot_hold_makes_no_stat(key: RevisionKey) -> None:
    with pytest.raises(StatError, match="UTF-8"):
        Stat(key)


def test_names_are_as_long_as_the_limit_and_no_longer() -> None:
    longest = "n" * MOST_NAME_BYTES
    stat = Stat(RevisionKey(longest, longest), longest, 1.0)
    for layout in LAYOUTS:
        assert decoder.decode(encode(stat, layout), layout) == stat
    with pytest.raises(StatError, match="at most 4096"):
        Stat(RevisionKey("a", longest + "n"))


@pytest.mark.parametrize("size", [113, 114, 127, 128, 255, 256])
def test_lengths_around_a_byte_s_end_are_right(size: int) -> None:
    stat = Stat(RevisionKey("s", "n" * size), "p" * size, 1.0)
    for layout in LAYOUTS:
        assert decoder.decode(encode(stat, layout), layout) == stat


def test_a_count_of_less_than_one_stays_a_request_where_counts_are_integers() -> None:
    stat = Stat(_KEY, concurrency=0.5, request_count=0.25)
    assert decoder.decode(encode(stat, _STRING_KEY), _STRING_KEY).request_count == 1


def test_a_count_beyond_an_int32_is_refused_where_counts_are_integers() -> None:
    encode(Stat(_KEY, request_count=2**31 - 1), _STRING_KEY)
    with pytest.raises(StatError, match="more than an int32 holds"):
        encode(Stat(_KEY, request_count=2**31), _STRING_KEY)


def test_the_time_is_go_s() -> None:
    layout = layout_named("0.5")
    payload = encode(Stat(_KEY, time_ns=1_500_000_000), layout)
    assert "0f010000000e7791f7011dcd6500ffff" in payload.hex()


def test_releases_before_0_6_need_a_time_and_later_ones_do_not() -> None:
    needing = {name for name in GOB_RELEASES if needs_time(encoding_for("gob", release=name))}
    assert needing == {"0.4", "0.5"}
    assert not needs_time(Encoding())


def test_every_layout_is_some_release_s() -> None:
    assert set(GOB_RELEASES.values()) == {each.name for each in LAYOUTS}


@pytest.mark.parametrize(
    ("name", "release", "wanted"),
    [
        ("protobuf", "", "protobuf"),
        ("protobuf", "0.6", "protobuf"),
        ("gob", "", "gob 0.6"),
        ("gob", "0.9", "gob 0.8"),
        ("gob", "minimal-struct", "gob minimal-struct"),
        ("auto", "", "protobuf"),
        ("auto", "0.15", "gob 0.12"),
        ("auto", "0.16", "gob 0.16"),
        ("auto", "0.17", "protobuf"),
        ("auto", "v1.23.0", "protobuf"),
        ("auto", "minimal-string", "gob minimal-string"),
    ],
)
def test_an_encoding_follows_name_and_release(name: str, release: str, wanted: str) -> None:
    assert encoding_for(name, release=release).name == wanted


@pytest.mark.parametrize(
    ("name", "release", "reason"),
    [
        ("json", "", "no encoding is named `json`. Known: protobuf, gob, auto."),
        ("gob", "0.17", "no release that reads gob is `0.17`"),
        ("auto", "0.3", "no release that reads gob is `0.3`"),
    ],
)
def test_an_unknown_encoding_is_told_with_what_there_is(
    name: str, release: str, reason: str
) -> None:
    with pytest.raises(StatError, match=reason):
        encoding_for(name, release=release)


def test_an_unknown_layout_is_told_with_what_there_is() -> None:
    with pytest.raises(StatError, match=r"Known: 0\.4, "):
        layout_named("0.3")


def test_protobuf_tells_many_revisions_at_once_and_gob_one_by_one() -> None:
    stats = [Stat(RevisionKey("shop", f"r{n}"), concurrency=1.0) for n in range(STATS_PER_MESSAGE)]
    gob = Encoding(_STRUCT_KEY)
    assert len(list(encode_messages(stats, Encoding()))) == 1
    assert len(list(encode_messages([*stats, *stats[:1]], Encoding()))) == 2
    one_by_one = list(encode_messages(stats[:3], gob))
    assert [decode_message(each, gob) for each in one_by_one] == [(each,) for each in stats[:3]]
    assert list(encode_messages([], Encoding())) == []


# ---------------------------------------------------------------- protobuf's reader


def test_a_protobuf_message_without_a_stat_is_skipped_and_unknown_fields_too() -> None:
    stat = protobuf.encode([Stat(_KEY, concurrency=1.0)])
    without = bytes.fromhex("0a060a0473686f70")
    unknown = bytes.fromhex("1201ff1805")
    assert protobuf.decode(without + unknown + stat) == (Stat(_KEY, concurrency=1.0),)


@pytest.mark.parametrize(
    ("hex_", "reason"),
    [
        ("0a", "no WireStatMessages"),
        ("0a05", "no WireStatMessages"),
        ("0a051a030a01ff", "not UTF-8"),
    ],
)
def test_a_broken_protobuf_message_is_refused(hex_: str, reason: str) -> None:
    with pytest.raises(StatError, match=reason):
        protobuf.decode(bytes.fromhex(hex_))


def test_a_protobuf_message_has_a_largest_size_and_number() -> None:
    assert len(protobuf.decode(b"\x0a\x02\x1a\x00" * protobuf.MOST_STATS)) == protobuf.MOST_STATS
    with pytest.raises(StatError, match="more than 10000 stats"):
        protobuf.decode(b"\x0a\x02\x1a\x00" * (protobuf.MOST_STATS + 1))
    assert protobuf.decode(b"\x18\x01" * (protobuf.MOST_BYTES // 2)) == ()
    with pytest.raises(StatError, match="at most 1048576"):
        protobuf.decode(b"\x18\x01" * (protobuf.MOST_BYTES // 2 + 1))


# ---------------------------------------------------------------- gob's reader


def _refusal(payload: bytes) -> str:
    with pytest.raises(StatError) as caught:
        decoder.decode(payload, _STRUCT_KEY)
    return str(caught.value)


def test_a_message_without_its_definitions_is_refused() -> None:
    whole = encode(Stat(_KEY, concurrency=1.0), _STRUCT_KEY)
    assert "unknown type id 65" in _refusal(whole.removeprefix(definitions(_STRUCT_KEY)))


def test_bytes_after_the_value_are_refused() -> None:
    assert "bytes after the value" in _refusal(encode(Stat(_KEY), _STRUCT_KEY) + b"\0")


def test_a_type_that_is_defined_twice_is_refused() -> None:
    front = definitions(_STRUCT_KEY)
    assert "defined already" in _refusal(front + front)


def test_more_types_than_the_limit_are_refused() -> None:
    def own(type_id: int) -> bytes:
        return counted(signed(-type_id) + b"\x05\x00\x00")

    types = b"".join(own(65 + n) for n in range(decoder.MOST_TYPES))
    assert "bytes wanted" in _refusal(types)
    assert "more than 16 types" in _refusal(types + own(200))


def test_a_struct_of_more_fields_than_the_limit_is_refused() -> None:
    huge = counted(signed(-65) + b"\x03\x02\xfe\xff\xff")
    assert "at most 64 are read" in _refusal(huge)


def test_a_struct_that_holds_itself_ends_at_the_limit() -> None:
    layout = layout_named("minimal-struct")
    front = definitions(layout).replace(b"\x07PodName\x01\x0c", b"\x06Unknow\x01\xff\x86")
    nested = b"\xff\x82" + b"\x02" + b"\x01" * 20
    with pytest.raises(StatError, match="nested deeper than 8"):
        decoder.decode(front + counted(nested), layout)


def test_a_number_of_more_than_eight_bytes_is_refused() -> None:
    with pytest.raises(StatError, match="a number of 9 bytes"):
        GobReader(b"\xf7" + bytes(9)).unsigned()


def test_a_larger_message_than_the_limit_is_refused() -> None:
    assert "at most 65536 are read" in _refusal(bytes(decoder.MOST_BYTES + 1))
    assert "at most" not in _refusal(bytes(decoder.MOST_BYTES))


def test_a_sender_of_nothing_that_is_known_is_refused() -> None:
    payload = encode(Stat(_KEY), _STRUCT_KEY).replace(b"\x03Key", b"\x03Kez", 1)
    payload = payload.replace(b"\x04Stat\x01", b"\x04Stax\x01", 1)
    assert "no field of StatMessage is known" in _refusal(payload)


def test_a_time_of_another_form_is_refused() -> None:
    layout = layout_named("0.10")
    payload = encode(Stat(_KEY, time_ns=1), layout)
    broken = payload.replace(b"\x0f\x01\x00\x00\x00\x0e", b"\x0f\x02\x00\x00\x00\x0e", 1)
    with pytest.raises(StatError, match="version 02 are no time"):
        decoder.decode(broken, layout)
