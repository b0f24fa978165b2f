"""What outcomes come to is found out once."""

from dataclasses import replace

from remixer.attributes.http_report import CheckNote
from remixer.attributes.values import Duration
from remixer.foundation.status import Code, Status
from remixer.mixer.http_answer import Answer, Pass
from remixer.mixer.outcome import Provenance, QuotaOutcome
from remixer.sidecar.exchange import Decisions
from remixer.testing.app_mixers import allowed


def test_a_remembered_outcome_comes_to_the_same() -> None:
    decisions = Decisions()
    outcome = allowed(provenance=Provenance.MEMORY)
    answer, note = decisions.of(outcome, is_answered_now=True)
    again, note_again = decisions.of(outcome, is_answered_now=True)
    assert isinstance(answer, Pass)
    assert again is answer
    assert note_again is note
    assert note == CheckNote(is_cache_hit=True)


def test_each_outcome_comes_to_its_own() -> None:
    decisions = Decisions()
    denied = replace(
        allowed(provenance=Provenance.MEMORY), status=Status(Code.PERMISSION_DENIED, "no")
    )
    decisions.of(allowed(provenance=Provenance.MEMORY), is_answered_now=True)
    answer, note = decisions.of(denied, is_answered_now=True)
    assert isinstance(answer, Answer)
    assert answer.http_status == 403
    assert note.error_code == Code.PERMISSION_DENIED


def test_quotas_are_looked_at_each_time() -> None:
    decisions = Decisions()
    outcome = allowed(provenance=Provenance.MEMORY).with_quotas(
        {"requests": QuotaOutcome(1, Duration(0), frozenset())}
    )
    first, now = decisions.of(outcome, is_answered_now=True)
    second, later = decisions.of(outcome, is_answered_now=False)
    assert first is not second
    assert (now.is_quota_cache_hit, later.is_quota_cache_hit) == (True, False)


def test_many_outcomes_are_forgotten_in_time() -> None:
    decisions = Decisions()
    for _ in range(1_500):
        decisions.of(allowed(provenance=Provenance.MEMORY), is_answered_now=True)
    assert len(decisions._known) <= 1_000
