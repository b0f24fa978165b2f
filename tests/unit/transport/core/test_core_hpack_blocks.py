"""Blocks to fields, and which blocks are remembered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jh2._hazmat import Decoder

from remixer.testing.http2_driver import CALL_FIELDS, block
from remixer.testing.http2_fields import (
    Representation,
    huffman,
    indexed,
    integer,
    literal,
    string,
    table_size_update,
)
from remixer.transport.core.events import CallHead
from remixer.transport.core.faults import ConnectionFaultError
from remixer.transport.core.frames import ErrorCode
from remixer.transport.core.hpack_blocks import BlockReader
from remixer.transport.core.limits import Cause, ConnectionLimits

HEAD = CallHead("/", "", {}, {}, None, "identity", accepts_gzip=False, content_type="")
SIZE = literal("content-length", "10")
INSERT = literal("x-a", "1", written=Representation.INCREMENTAL)


def reader(**limits: int) -> BlockReader:
    return BlockReader(limits=ConnectionLimits(**limits))  # type: ignore[arg-type]  # numbers only


def pairs(blocks: BlockReader, octets: bytes) -> list[tuple[str, str]]:
    return [(field.name, field.value) for field in blocks.fields(octets)]


def seen(blocks: BlockReader, octets: bytes) -> bool:
    """As a connection does: look it up, else decode and remember. True if it was known."""
    if octets in blocks.memo or octets in blocks.sized_memo:
        return True
    blocks.fields(octets)
    # What a real connection would find in it: only "is there a length" matters to the memory.
    blocks.remember(octets, HEAD, len(octets) if SIZE in octets else None)
    return False


def test_each_way_of_writing_a_field_is_read() -> None:
    octets = (
        indexed(3)
        + literal("x-a", "plain")
        + literal("x-b", "huffman", is_huffman=True)
        + literal("x-c", "kept", written=Representation.INCREMENTAL)
        + literal("x-d", "secret", written=Representation.NEVER)
        + indexed(62)
        + integer(62, bits=4)
        + string(b"other")
        + integer(4, bits=6, first=0x40)
        + string(b"/path", is_huffman=True)
    )
    assert pairs(reader(), octets) == [
        (":method", "POST"),
        ("x-a", "plain"),
        ("x-b", "huffman"),
        ("x-c", "kept"),
        ("x-d", "secret"),
        ("x-c", "kept"),
        ("x-c", "other"),
        (":path", "/path"),
    ]


@pytest.mark.parametrize("size", [b"", SIZE])
def test_a_block_of_literals_is_known_when_it_has_come_twice_and_for_ever(size: bytes) -> None:
    blocks = reader()
    assert [seen(blocks, block() + size) for _ in range(3)] == [False, False, True]
    blocks.fields(INSERT)
    assert seen(blocks, block() + size)


@pytest.mark.parametrize("size", [b"", SIZE])
def test_a_block_that_refers_to_the_table_is_known_until_the_table_changes(size: bytes) -> None:
    blocks = reader()
    blocks.fields(INSERT + SIZE)
    assert [seen(blocks, indexed(62) + size) for _ in range(2)] == [False, True]
    blocks.fields(literal("x-a", "2", written=Representation.INCREMENTAL))
    assert not seen(blocks, indexed(62))
    assert pairs(blocks, indexed(62)) == [("x-a", "2")]


@pytest.mark.parametrize("change", [INSERT, table_size_update(4096) + indexed(3)])
def test_a_block_that_changes_the_table_is_never_known(change: bytes) -> None:
    blocks = reader()
    assert [seen(blocks, change) for _ in range(3)] == [False] * 3


def test_a_name_in_the_table_makes_a_block_depend_on_it() -> None:
    blocks = reader()
    blocks.fields(INSERT)
    octets = integer(62, bits=4) + string(b"v")
    assert [seen(blocks, octets) for _ in range(3)] == [False] * 3


def test_blocks_are_remembered_up_to_a_number_and_the_oldest_goes() -> None:
    blocks = reader(memo_entries=2)
    for index in (2, 3, 4):
        assert not seen(blocks, indexed(index))
    assert [octets in blocks.memo for octets in map(indexed, (2, 3, 4))] == [False, True, True]


def test_a_long_block_is_not_remembered() -> None:
    blocks = reader(memo_block_bytes=3)
    assert [seen(blocks, indexed(3) * 3) for _ in range(2)] == [False, True]
    assert [seen(blocks, indexed(3) * 4) for _ in range(2)] == [False, False]


def test_only_what_never_came_before_is_fresh() -> None:
    blocks = reader()
    octets = indexed(3) + literal("x-a", "1") + literal("x-b", "2")
    blocks.fields(octets)
    assert blocks.fresh == [1, 2]
    blocks.fields(indexed(3) + literal("x-b", "2") + literal("x-a", "9"))
    assert blocks.fresh == [2]


def test_values_of_a_name_are_remembered_up_to_a_number() -> None:
    blocks = reader(memo_values=2)
    for value in ("1", "2", "3"):
        blocks.fields(literal("x-a", value))
    blocks.fields(literal("x-a", "3") + literal("x-a", "1"))
    assert blocks.fresh == [1]


def test_names_are_remembered_up_to_a_number() -> None:
    blocks = reader(memo_entries=1)
    blocks.fields(literal("x-a", "1"))
    blocks.fields(literal("x-b", "1"))
    blocks.fields(literal("x-a", "1"))
    assert blocks.fresh == [0]


def test_long_names_and_values_are_read_but_not_remembered() -> None:
    blocks = reader(memo_value_bytes=8)
    octets = literal("x-a", "long value") + literal("x-long-name", "1")
    for _ in range(2):
        assert pairs(blocks, octets) == [("x-a", "long value"), ("x-long-name", "1")]
        assert blocks.fresh == [0, 1]


def test_as_many_fields_as_may_be_and_one_more() -> None:
    blocks = reader(max_header_fields=4)
    assert len(blocks.fields(indexed(3) * 4)) == 4
    with pytest.raises(ConnectionFaultError) as caught:
        blocks.fields(indexed(3) * 5)
    assert (caught.value.code, caught.value.cause) == (
        ErrorCode.ENHANCE_YOUR_CALM,
        Cause.HPACK_BOMB,
    )


def test_the_table_forgets_its_oldest_entries_when_it_is_full() -> None:
    blocks = reader()
    # Each takes 32 + 4 + 60 octets: 42 fit into 4096.
    for number in range(43):
        blocks.fields(literal(f"x-{number:02}", "v" * 60, written=Representation.INCREMENTAL))
    assert pairs(blocks, indexed(62 + 41))[0][0] == "x-01"
    with pytest.raises(ConnectionFaultError):
        blocks.fields(indexed(62 + 42))


def test_an_entry_larger_than_the_table_empties_it() -> None:
    blocks = reader()
    blocks.fields(INSERT)
    blocks.fields(literal("x-b", "v" * 4096, written=Representation.INCREMENTAL))
    with pytest.raises(ConnectionFaultError):
        blocks.fields(indexed(62))


def test_a_table_made_smaller_forgets_and_grown_again_stays_empty() -> None:
    blocks = reader()
    blocks.fields(INSERT)
    blocks.fields(table_size_update(0) + table_size_update(4096))
    with pytest.raises(ConnectionFaultError):
        blocks.fields(indexed(62))


@pytest.mark.parametrize(
    "octets",
    [
        indexed(0),
        indexed(62),
        integer(62, bits=4) + string(b"v"),
        b"\x40",
        b"\x00\x01",
        b"\x00\x01a",
        b"\x00\x01a\x02b",
        b"\x0f",
        b"\x00\x7f",
        b"\xff\x80",
        b"\xff" + b"\x80" * 9 + b"\x01",
        b"\x00" + b"\x7f" + b"\xff" * 5,
        b"\x00" + string(b"a") + b"\x81\x18",
        b"\x00\x81\x18" + string(b"a"),
        indexed(3) + table_size_update(0),
        table_size_update(4097),
    ],
)
def test_a_broken_block_ends_the_connection(octets: bytes) -> None:
    with pytest.raises(ConnectionFaultError) as caught:
        reader().fields(octets)
    assert caught.value.code is ErrorCode.COMPRESSION_ERROR


NAMES = st.sampled_from([b"x-a", b"x-b", b"cookie", b"traceparent"])
VALUES = st.binary(max_size=12)


@st.composite
def representations(draw: st.DrawFn) -> bytes:
    """One field, in any way there is; indexes reach a little beyond what is there."""
    if draw(st.booleans()):
        return indexed(draw(st.integers(1, 70)))
    first, bits = draw(st.sampled_from(list(Representation))).value
    index = draw(st.one_of(st.just(0), st.integers(1, 66)))
    octets = integer(index, bits=bits, first=first)
    if index == 0:
        octets += string(draw(NAMES), is_huffman=draw(st.booleans()))
    return octets + string(draw(VALUES), is_huffman=draw(st.booleans()))


@given(st.lists(st.lists(representations(), max_size=6).map(b"".join), max_size=8))
def test_fields_are_those_that_another_decoder_reads(octets: list[bytes]) -> None:
    ours, theirs = reader(), Decoder()
    for one in octets:
        try:
            wanted = [(name, value) for name, value, _ in theirs.decode(one, raw=True)]
        except Exception:  # noqa: BLE001 - whatever it raises, ours must find fault, too
            with pytest.raises(ConnectionFaultError):
                ours.fields(one)
            return
        found = [
            (field.name.encode("latin-1"), field.value.encode("latin-1"))
            for field in ours.fields(one)
        ]
        assert found == wanted


def test_huffman_of_the_other_side_is_what_we_read() -> None:
    octets = b"\x00" + string(b"x-a") + integer(len(huffman(b"value")), bits=7, first=0x80)
    assert pairs(reader(), octets + huffman(b"value")) == [("x-a", "value")]


def test_a_call_reads_alike_whether_its_fields_are_known_or_not() -> None:
    blocks = reader()
    first = pairs(blocks, block())
    assert first == list(CALL_FIELDS)
    assert pairs(blocks, block()) == first
