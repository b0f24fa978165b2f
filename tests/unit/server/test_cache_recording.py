"""Recording checks: bounded on disk, and never in the way of requests."""

from pathlib import Path
from random import Random

import pytest

from remixer.attributes.bag import Condition, Reference, plain_bag
from remixer.attributes.values import Duration
from remixer.foundation.errors import StartupError
from remixer.foundation.status import OK
from remixer.mixer.outcome import CheckOutcome
from remixer.server.cache_recording import CacheRecording, earlier_segment
from remixer.testing.clock import VirtualClock
from remixer.tiers.answers import Answers
from remixer.tiers.places import Question
from remixer.tiers.settings import CacheSettings
from remixer.tiers.trace import TracedCheck, read_segment

OUTCOME = CheckOutcome(
    status=OK,
    valid_duration=Duration(60_000_000_000),
    valid_use_count=-1,
    references=frozenset({Reference("request.path", None, Condition.EXACT)}),
)


def learned(answers: Answers, path: str) -> int:
    """The slot of an answer to a request for `path`."""
    bag = plain_bag({"request.path": path})
    found = answers.find(bag, "shop", "rules", now_s=0.0)
    return answers.learn(bag, OUTCOME, found, now_s=0.0) if isinstance(found, Question) else found


def read(file: Path) -> list[TracedCheck]:
    return list(read_segment(file.read_bytes())[1])


def recording(file: Path, most_bytes: int = 1 << 20) -> CacheRecording:
    return CacheRecording(file, most_bytes=most_bytes, clock=VirtualClock())


@pytest.fixture
def answers() -> Answers:
    return Answers(CacheSettings(), random=Random(1))


async def test_checks_are_in_the_file_after_the_end(tmp_path: Path, answers: Answers) -> None:
    each = recording(tmp_path / "trace")
    await each.start()
    for path, is_hit in [("/a", False), ("/a", True), ("/b", False)]:
        each.note(answers, learned(answers, path), is_hit=is_hit, now_s=1.0)
    await each.aclose()
    await each.aclose()
    first, second, third = read(tmp_path / "trace")

    assert [each.is_hit for each in (first, second, third)] == [False, True, False]
    assert first.digest == second.digest != third.digest
    assert first.life_s == pytest.approx(60.0)
    assert (tmp_path / "trace").stat().st_mode & 0o077 == 0


async def test_two_files_hold_no_more_than_is_allowed(tmp_path: Path, answers: Answers) -> None:
    file, most_bytes = tmp_path / "trace", 4_000
    each = recording(file, most_bytes)
    await each.start()
    for number in range(1_000):
        each.note(answers, learned(answers, f"/{number}"), is_hit=False, now_s=0.0)
    await each.aclose()

    sizes = [path.stat().st_size for path in (file, earlier_segment(file))]
    assert all(0 < size < most_bytes / 2 + 200 for size in sizes)
    assert not earlier_segment(earlier_segment(file)).exists()
    assert read(file)
    assert read(earlier_segment(file))


async def test_a_full_buffer_costs_records_and_is_counted(tmp_path: Path, answers: Answers) -> None:
    each = recording(tmp_path / "trace", 1 << 30)
    await each.start()
    slot = learned(answers, "/a")
    for _ in range(200_000):
        each.note(answers, slot, is_hit=True, now_s=0.0)
    await each.aclose()

    assert each.dropped > 0
    assert len(read(tmp_path / "trace")) == 200_000 - each.dropped


async def test_a_disk_that_fails_ends_the_recording_alone(tmp_path: Path, answers: Answers) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    each = recording(folder / "trace")
    await each.start()
    (folder / "trace").unlink()
    folder.rmdir()
    each.note(answers, learned(answers, "/a"), is_hit=False, now_s=0.0)
    await each.aclose()
    each.note(answers, learned(answers, "/a"), is_hit=True, now_s=0.0)
    assert each.dropped == 1


async def test_a_file_that_cannot_be_made_keeps_from_starting(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="--cache-record"):
        await recording(tmp_path / "no" / "trace").start()
