"""A Mixer that asks one elsewhere: ids, attempts and their pauses, dictionaries, counts."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from random import Random

import pytest

from remixer.attributes.bag import Bag, PlainBag
from remixer.attributes.values import Duration
from remixer.foundation.deadline import Deadline
from remixer.foundation.status import OK, Code, Status
from remixer.mixer.outcome import REPORTED, CheckOutcome, QuotaOutcome
from remixer.mixer.request import CheckRequest, QuotaArgs
from remixer.testing.clock import clock_of_running_loop, in_virtual_time
from remixer.testing.mixer_channel import Answer, MixerChannel
from remixer.tiers.remote import RemoteCallError, RemoteMixer
from remixer.tiers.settings import RemoteSettings
from remixer.transport.remote_port import RpcFailed
from remixer.wire.dictionary import FALLBACK_WORD_COUNT, GLOBAL_WORD_COUNT

ALLOWED = CheckOutcome(OK, Duration(10**9), 5, frozenset())
AWAY = RpcFailed(Code.UNAVAILABLE, "nobody there")
ASKED = CheckRequest(PlainBag({"request.path": "/a"}))
PATIENT = RemoteSettings(max_retry=3, base_retry_wait_s=0.1, max_retry_wait_s=0.35)


class Reports:
    def __init__(self) -> None:
        self.bags: list[Bag] = []
        self.knows_few_words = False

    def put(self, bags: Sequence[Bag]) -> None:
        self.bags += bags

    def use_smallest_dictionary(self) -> None:
        self.knows_few_words = True


class Fate:
    """Gives one answer after the other, and the last for ever."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)

    def __call__(self, _asked: CheckRequest) -> Answer:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def remote(
    channel: MixerChannel,
    settings: RemoteSettings | None = None,
    *,
    random: Random | None = None,
    reports: Reports | None = None,
) -> RemoteMixer:
    return RemoteMixer(
        channel,
        reports=reports or Reports(),
        settings=settings or RemoteSettings(),
        clock=clock_of_running_loop(),
        random=random or Random(1),
        new_base=lambda: "base-",
    )


async def refused(mixer: RemoteMixer, request: CheckRequest = ASKED) -> RemoteCallError:
    with pytest.raises(RemoteCallError) as caught:
        await mixer.check(request)
    return caught.value


def pauses(channel: MixerChannel) -> list[float]:
    times = [each.at_s for each in channel.checks]
    return [round(after - before, 6) for before, after in pairwise(times)]


def told(mixer: RemoteMixer) -> dict[str, int]:
    return {name: number for name, number in asdict(mixer.counts).items() if number}


# ------------------------------------------------------------ asking


@in_virtual_time
async def test_what_the_mixer_answers_is_the_outcome() -> None:
    denied = replace(ALLOWED, status=Status(Code.PERMISSION_DENIED, "no"))
    channel = MixerChannel(Fate(denied))
    mixer = remote(channel)
    assert await mixer.check(ASKED) == denied
    assert channel.checks[0].request.bag["request.path"] == "/a"
    assert channel.checks[0].is_safe_to_retry
    assert told(mixer) == {"remote_calls": 1, "remote_call_successes": 1}


@in_virtual_time
async def test_nothing_is_answered_without_asking() -> None:
    mixer = remote(MixerChannel(Fate(ALLOWED)))
    assert mixer.check_now(ASKED) is None
    assert mixer.grant_now(replace(ASKED, quotas={"q": QuotaArgs()})) is None
    assert told(mixer) == {}


@in_virtual_time
async def test_a_grant_is_a_check_whose_verdict_counts_for_nothing() -> None:
    quotas = {"q": QuotaOutcome(3, Duration(10**9), frozenset())}
    mixer = remote(MixerChannel(Fate(replace(ALLOWED, quotas=quotas))))
    assert await mixer.grant(replace(ASKED, quotas={"q": QuotaArgs(3)})) == quotas


@in_virtual_time
async def test_reports_go_where_reports_go() -> None:
    reports = Reports()
    assert remote(MixerChannel(Fate(AWAY)), reports=reports).report([ASKED.bag]) is REPORTED
    assert reports.bags == [ASKED.bag]


# ------------------------------------------------------------ deduplication ids


@in_virtual_time
async def test_ids_are_the_base_and_a_count_of_calls() -> None:
    channel = MixerChannel(Fate(ALLOWED))
    mixer = remote(channel)
    for _ in range(3):
        await mixer.check(ASKED)
    assert channel.ids == ["base-0", "base-1", "base-2"]


@in_virtual_time
async def test_an_id_stays_the_same_over_attempts_and_is_not_used_again() -> None:
    channel = MixerChannel(Fate(AWAY, AWAY, ALLOWED))
    mixer = remote(channel, PATIENT)
    await mixer.check(ASKED)
    await mixer.check(ASKED)
    assert channel.ids == ["base-0", "base-0", "base-0", "base-1"]


@in_virtual_time
async def test_an_id_that_the_asker_chose_is_kept_and_none_is_used_up() -> None:
    channel = MixerChannel(Fate(AWAY, ALLOWED))
    mixer = remote(channel, PATIENT)
    await mixer.check(replace(ASKED, deduplication_id="mine"))
    await mixer.check(ASKED)
    assert channel.ids == ["mine", "mine", "base-0"]


# ------------------------------------------------------------ attempts


@in_virtual_time
async def test_without_further_settings_a_call_is_attempted_once() -> None:
    channel = MixerChannel(Fate(AWAY))
    mixer = remote(channel)
    failure = await refused(mixer)
    assert (failure.code, failure.message) == (Code.UNAVAILABLE, "nobody there")
    assert told(mixer) == {"remote_calls": 1, "remote_call_send_errors": 1}


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.OK])
@in_virtual_time
async def test_every_failure_is_followed_by_another_attempt(code: Code) -> None:
    channel = MixerChannel(Fate(RpcFailed(code, "trouble"), ALLOWED))
    mixer = remote(channel, PATIENT)
    assert (await mixer.check(ASKED)).status.is_ok
    assert mixer.counts.remote_calls == mixer.counts.remote_call_retries == 1


@in_virtual_time
async def test_attempts_end_with_the_last_that_the_settings_allow() -> None:
    channel = MixerChannel(Fate(AWAY))
    mixer = remote(channel, PATIENT)
    await refused(mixer)
    assert len(channel.checks) == 1 + PATIENT.max_retry
    assert told(mixer) == {
        "remote_calls": 1,
        "remote_call_send_errors": 4,
        "remote_call_retries": 3,
    }


@pytest.mark.parametrize("seed", range(20))
@in_virtual_time
async def test_the_first_pause_is_the_base_and_later_ones_are_within_growing_bounds(
    seed: int,
) -> None:
    channel = MixerChannel(Fate(AWAY))
    await refused(remote(channel, PATIENT, random=Random(seed)))
    first, second, third = pauses(channel)
    assert first == 0.1
    assert 0.1 <= second <= 0.2
    assert 0.1 <= third <= 0.35  # 0.4 is above the longest


@in_virtual_time
async def test_later_pauses_take_their_bounds_whole() -> None:
    seconds = []
    for seed in range(200):
        channel = MixerChannel(Fate(AWAY))
        await refused(remote(channel, replace(PATIENT, max_retry=2), random=Random(seed)))
        seconds.append(pauses(channel)[1])
    assert min(seconds) < 0.11
    assert max(seconds) > 0.19
    assert 0.14 < sum(seconds) / len(seconds) < 0.16


@in_virtual_time
async def test_a_base_above_the_longest_pause_is_the_pause() -> None:
    channel = MixerChannel(Fate(AWAY))
    await refused(remote(channel, replace(PATIENT, base_retry_wait_s=0.5)))
    assert pauses(channel) == [0.5, 0.5, 0.5]


@in_virtual_time
async def test_many_attempts_do_not_overflow_the_pause() -> None:
    channel = MixerChannel(Fate(AWAY))
    mixer = remote(channel, replace(PATIENT, max_retry=2_000, base_retry_wait_s=0.001))
    await refused(mixer)
    assert len(channel.checks) == 2_001
    assert max(pauses(channel)) <= 0.35


@in_virtual_time
async def test_no_pause_goes_past_the_deadline() -> None:
    channel = MixerChannel(Fate(AWAY))
    mixer = remote(channel, PATIENT)
    ends_at_s = clock_of_running_loop().monotonic_s() + 0.1
    await refused(mixer, replace(ASKED, deadline=Deadline(ends_at_s)))
    assert len(channel.checks) == 1
    assert clock_of_running_loop().monotonic_s() < ends_at_s


@in_virtual_time
async def test_an_attempt_gets_what_is_left_of_the_deadline() -> None:
    channel = MixerChannel(Fate(AWAY, ALLOWED))
    mixer = remote(channel, PATIENT)
    deadline = Deadline(clock_of_running_loop().monotonic_s() + 0.3)
    await mixer.check(replace(ASKED, deadline=deadline))
    assert [round(each.timeout_s, 6) for each in channel.checks] == [0.3, 0.2]


@in_virtual_time
async def test_without_a_deadline_an_attempt_gets_the_time_of_the_settings() -> None:
    channel = MixerChannel(Fate(ALLOWED))
    await remote(channel, RemoteSettings(timeout_s=0.7)).check(ASKED)
    assert channel.checks[0].timeout_s == 0.7


@in_virtual_time
async def test_without_a_deadline_a_pause_may_be_longer_than_an_attempt() -> None:
    channel = MixerChannel(Fate(AWAY, ALLOWED))
    settings = RemoteSettings(
        timeout_s=0.5, max_retry=1, base_retry_wait_s=2.0, max_retry_wait_s=2.0
    )
    assert (await remote(channel, settings).check(ASKED)).status.is_ok
    assert pauses(channel) == [2.0]


# ------------------------------------------------------------ answers that are of no use


@pytest.mark.parametrize("answer", [b"", b"\xff\xff"])
@in_virtual_time
async def test_an_answer_that_cannot_be_read_is_a_failed_attempt(answer: bytes) -> None:
    channel = MixerChannel(Fate(answer, ALLOWED))
    mixer = remote(channel, PATIENT)
    assert (await mixer.check(ASKED)).status.is_ok
    assert told(mixer) == {
        "remote_calls": 1,
        "remote_call_successes": 1,
        "remote_call_other_errors": 1,
        "remote_call_retries": 1,
    }


@in_virtual_time
async def test_without_further_attempts_it_is_told() -> None:
    failure = await refused(remote(MixerChannel(Fate(b""))))
    assert failure.code is Code.INTERNAL
    assert "neither allowed nor denied" in failure.message


# ------------------------------------------------------------ counts


@pytest.mark.parametrize(
    ("code", "count"),
    [
        (Code.DEADLINE_EXCEEDED, "remote_call_timeouts"),
        (Code.UNAVAILABLE, "remote_call_send_errors"),
        (Code.INTERNAL, "remote_call_other_errors"),
        (Code.PERMISSION_DENIED, "remote_call_other_errors"),
        (Code.CANCELLED, "remote_call_other_errors"),
    ],
)
@in_virtual_time
async def test_attempts_are_counted_by_how_they_end(code: Code, count: str) -> None:
    mixer = remote(MixerChannel(Fate(RpcFailed(code, ""))))
    assert (await refused(mixer)).code is code
    assert told(mixer) == {"remote_calls": 1, count: 1}


@in_virtual_time
async def test_an_answer_or_a_crowd_that_is_too_large_is_no_quota_that_was_used_up() -> None:
    mixer = remote(MixerChannel(Fate(RpcFailed(Code.RESOURCE_EXHAUSTED, "larger than max"))))
    failure = await refused(mixer)
    assert (failure.code, failure.message) == (Code.UNAVAILABLE, "larger than max")
    assert told(mixer) == {"remote_calls": 1, "remote_call_other_errors": 1}


@in_virtual_time
async def test_a_late_answer_is_a_timeout() -> None:
    mixer = remote(MixerChannel(Fate(ALLOWED), delay_s=6.0))
    assert (await refused(mixer)).code is Code.DEADLINE_EXCEEDED
    assert told(mixer) == {"remote_calls": 1, "remote_call_timeouts": 1}
    assert clock_of_running_loop().monotonic_s() == 5.0


@pytest.mark.parametrize("after_s", [0.5, 1.05], ids=["in an attempt", "in a pause"])
@in_virtual_time
async def test_an_asker_that_goes_away_ends_the_call_and_counts(after_s: float) -> None:
    channel = MixerChannel(Fate(AWAY), delay_s=1.0)
    mixer = remote(channel, PATIENT)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(after_s):
            await mixer.check(ASKED)
    await asyncio.sleep(10)
    assert len(channel.checks) == 1
    assert mixer.counts.remote_call_cancellations == 1


# ------------------------------------------------------------ dictionaries

_UNKNOWN_WORDS = "Request could not be processed due to invalid attribute index"


def knows_few_words(asked: MixerChannel) -> Fate:
    """Refuses what says more words than the smallest dictionary has."""

    class Old(Fate):
        def __call__(self, _asked: CheckRequest) -> Answer:
            is_known = asked.checks[-1].global_word_count <= FALLBACK_WORD_COUNT
            return ALLOWED if is_known else RpcFailed(Code.INVALID_ARGUMENT, _UNKNOWN_WORDS)

    return Old(ALLOWED)


@in_virtual_time
async def test_a_mixer_that_does_not_know_the_words_is_asked_again_with_fewer_for_ever() -> None:
    channel = MixerChannel(Fate(ALLOWED))
    channel.decide = knows_few_words(channel)
    reports = Reports()
    mixer = remote(channel, reports=reports)
    for _ in range(3):
        assert (await mixer.check(ASKED)).status.is_ok
    assert reports.knows_few_words
    found = [each.global_word_count for each in channel.checks]
    assert found == [GLOBAL_WORD_COUNT, *[FALLBACK_WORD_COUNT] * 3]
    assert channel.ids == ["base-0", "base-0", "base-1", "base-2"]
    assert channel.checks[-1].request.bag["request.path"] == "/a"


@in_virtual_time
async def test_every_attempt_is_counted_where_words_were_unknown() -> None:
    channel = MixerChannel(Fate(ALLOWED))
    channel.decide = knows_few_words(channel)
    mixer = remote(channel)
    await mixer.check(ASKED)
    assert told(mixer) == {
        "remote_calls": 1,
        "remote_call_successes": 1,
        "remote_call_other_errors": 1,
    }


@in_virtual_time
async def test_calls_under_way_while_the_words_are_found_unknown_are_asked_again_too() -> None:
    channel = MixerChannel(Fate(ALLOWED), delay_s=0.1)
    channel.decide = knows_few_words(channel)
    mixer = remote(channel)
    outcomes = await asyncio.gather(*(mixer.check(ASKED) for _ in range(5)))
    assert all(each.status.is_ok for each in outcomes)
    assert len(channel.checks) == 10


@in_virtual_time
async def test_a_mixer_that_knows_no_words_at_all_is_a_failure() -> None:
    channel = MixerChannel(Fate(RpcFailed(Code.INVALID_ARGUMENT, _UNKNOWN_WORDS)))
    mixer = remote(channel)
    assert (await refused(mixer)).code is Code.INVALID_ARGUMENT
    assert len(channel.checks) == 2
    await refused(mixer)
    assert len(channel.checks) == 3


@in_virtual_time
async def test_other_complaints_shrink_no_dictionary() -> None:
    channel = MixerChannel(Fate(RpcFailed(Code.INVALID_ARGUMENT, "bad attribute")))
    mixer = remote(channel)
    await refused(mixer)
    await refused(mixer)
    assert [each.global_word_count for each in channel.checks] == [GLOBAL_WORD_COUNT] * 2
