"""Lines into datagrams: by size, by number, by time; and sampling."""

import asyncio
from random import Random

import pytest

from remixer.sdk.datagram_lines import LineBuffer, LineLimits, Sampler
from remixer.testing.clock import in_virtual_time


def _buffer(**limits: float) -> tuple[LineBuffer, list[bytes]]:
    sent: list[bytes] = []
    wanted = {"most_bytes": 100, "most_lines": 100, "flush_after_s": 0.3, **limits}
    return LineBuffer(sent.append, limits=LineLimits(**wanted)), sent  # type: ignore[arg-type] # numbers all


@in_virtual_time
async def test_a_datagram_is_as_long_as_allowed_and_no_longer() -> None:
    buffer, sent = _buffer(most_bytes=7)
    for line in (b"aaa", b"bbb", b"cc", b"dddd", b"eeeee"):
        buffer.put(line)
    buffer.flush()
    assert sent == [b"aaa\nbbb", b"cc\ndddd", b"eeeee"]


@in_virtual_time
async def test_a_line_that_is_too_long_goes_alone() -> None:
    buffer, sent = _buffer(most_bytes=4)
    for line in (b"a", b"bbbbbbbb", b"c"):
        buffer.put(line)
    buffer.flush()
    assert sent == [b"a", b"bbbbbbbb", b"c"]


@in_virtual_time
async def test_a_number_of_lines_makes_a_datagram() -> None:
    buffer, sent = _buffer(most_lines=2)
    for line in (b"a", b"b", b"c"):
        buffer.put(line)
    assert sent == [b"a\nb"]


@in_virtual_time
async def test_the_time_counts_from_the_first_line() -> None:
    buffer, sent = _buffer()
    buffer.put(b"a")
    await asyncio.sleep(0.2)
    buffer.put(b"b")
    assert sent == []
    await asyncio.sleep(0.11)
    assert sent == [b"a\nb"]
    await asyncio.sleep(10)
    assert sent == [b"a\nb"]
    buffer.put(b"c")
    await asyncio.sleep(0.31)
    assert sent == [b"a\nb", b"c"]


@in_virtual_time
async def test_flushing_nothing_sends_nothing() -> None:
    buffer, sent = _buffer()
    buffer.flush()
    assert sent == []


@pytest.mark.parametrize(
    ("rate", "wanted"), [(1.0, ""), (2.0, ""), (0.5, "|@0.5"), (1e-7, "|@0.0000001"), (0.0, "|@0")]
)
def test_the_rate_is_told_if_it_is_below_one(rate: float, wanted: str) -> None:
    assert Sampler(rate, random=Random()).suffix == wanted


def test_a_sampler_keeps_its_share() -> None:
    sampler = Sampler(0.25, random=Random(7))
    kept = sum(sampler.keeps() for _ in range(10_000))
    assert 2_300 < kept < 2_700


def test_a_rate_of_one_keeps_all_and_of_nought_nothing() -> None:
    assert all(Sampler(1, random=Random(7)).keeps() for _ in range(100))
    assert not any(Sampler(0, random=Random(7)).keeps() for _ in range(100))
