"""The recorded trace: what is written is read again, and no value of an attribute is in it."""

import pytest

from remixer.attributes.bag import Condition, Reference
from remixer.attributes.values import PlainStringMap, Value
from remixer.tiers.trace import MAGIC, TracedCheck, TraceError, TraceWriter, read_segment

EXACT = Condition.EXACT
REFERENCES = frozenset(
    {
        Reference("request.path", None, EXACT),
        Reference("request.headers", "x-user", EXACT),
        Reference("source.user", None, Condition.ABSENCE),
    }
)
RECORDING = b"recorded"


def writer(segment_bytes: int = 1 << 20, secret: bytes = b"secret") -> TraceWriter:
    return TraceWriter(secret=secret, recording=RECORDING, segment_bytes=segment_bytes)


def values(path: str, user: str = "ann") -> dict[str, Value]:
    return {"request.path": path, "request.headers": PlainStringMap({"x-user": user})}


def note(
    to: TraceWriter, path: str, user: str = "ann", *, is_hit: bool = False, at_s: float = 1.0
) -> tuple[bool, bytes]:
    told = values(path, user)
    return to.check("shop", REFERENCES, told, is_hit=is_hit, at_s=at_s, life_s=60.0)


def read(payload: bytes) -> list[TracedCheck]:
    recording, checks = read_segment(payload)
    assert recording == RECORDING
    return list(checks)


def test_a_check_is_read_as_it_was_written() -> None:
    (check,) = read(note(writer(), "/a", is_hit=True, at_s=12.5)[1])

    assert (check.is_hit, check.at_s, check.life_s) == (True, 12.5, 60.0)
    assert check.shape.place == "shop"
    assert check.shape.parts == ('request.headers["x-user"]', "request.path")


def test_equal_keys_have_equal_digests_and_others_do_not() -> None:
    each = writer()
    payload = b"".join(
        note(each, path, user)[1] for path, user in [("/a", "x"), ("/b", "x"), ("/a", "x")]
    )
    first, second, third = read(payload)

    assert first.digest == third.digest != second.digest
    assert first.parts[0] == second.parts[0], "the same user"
    assert first.parts[1] != second.parts[1], "another path"


def test_no_value_is_in_the_file_and_none_can_be_tried() -> None:
    one, other = (note(writer(secret=secret), "/secret-path", "ann")[1] for secret in (b"1", b"2"))

    assert b"secret-path" not in one
    assert b"ann" not in one
    assert read(one)[0].digest != read(other)[0].digest


def test_a_segment_ends_at_its_bound_and_the_next_can_be_read_alone() -> None:
    each = writer(segment_bytes=200)
    segments: list[bytes] = []
    for number in range(20):
        begins, payload = note(each, f"/{number}")
        if begins:
            segments.append(b"")
        segments[-1] += payload

    assert len(segments) == each.segments > 1
    assert sum(len(read(segment)) for segment in segments) == 20
    assert all(len(segment) < 200 + 200 for segment in segments)


def test_a_frame_that_is_cut_short_is_left_out() -> None:
    each = writer()
    payload = note(each, "/a")[1] + note(each, "/b")[1]

    for length in range(len(note(writer(), "/a")[1]), len(payload)):
        assert len(read(payload[:length])) == 1
    head = len(MAGIC) + len(RECORDING)
    for length in range(head, len(note(writer(), "/a")[1])):
        assert read(payload[:length]) == []


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "the first bytes are b''"),
        (b"PK\x03\x04", "the first bytes are"),
        (MAGIC + RECORDING + b"?", "byte 18 is"),
        (MAGIC + RECORDING + b"C" + bytes(19), "of shape 0, which was not told"),
        (MAGIC + RECORDING + b"S\0\0\xff\xff\xff\xff", "claims 4294967295 bytes"),
        (MAGIC + RECORDING + b"S\0\0\0\0\0\x02[]", "the shape at byte 18 cannot be read"),
    ],
)
def test_what_is_no_trace_is_told(payload: bytes, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        read(payload)
