"""What a report says of the check."""

import pytest

from remixer.attributes.http_report import CheckNote
from remixer.foundation.status import Code
from remixer.mixer.http_answer import Answer, http_answer
from remixer.mixer.http_end import check_note, reported_code
from remixer.mixer.outcome import CheckOutcome, Provenance
from remixer.testing.app_mixers import allowed, denied


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (denied(), 403),
        (denied(direct=(503, "busy")), 403),
        (denied(Code.FAILED_PRECONDITION), 400),
        (denied(Code.CANCELLED), 499),
        (allowed(direct=(301, "")), 301),
    ],
)
def test_a_denial_is_reported_with_the_code_of_the_table_whatever_was_sent(
    outcome: CheckOutcome, code: int
) -> None:
    answer = http_answer(outcome)
    assert isinstance(answer, Answer)
    assert reported_code(answer) == code


@pytest.mark.parametrize(
    ("provenance", "is_hit"),
    [
        (Provenance.COMPUTED, False),
        (Provenance.SUBSTITUTE, False),
        (Provenance.MEMORY, True),
        (Provenance.SHARED, True),
        (Provenance.STALE, True),
    ],
)
def test_a_remembered_verdict_is_a_cache_hit(provenance: Provenance, *, is_hit: bool) -> None:
    outcome = allowed(provenance=provenance)
    note = check_note(outcome, http_answer(outcome), is_answered_now=True)
    assert note == CheckNote(is_cache_hit=is_hit)


def test_a_denial_is_told_as_mixer_s_client_told_it() -> None:
    outcome = denied(message="no", provenance=Provenance.MEMORY)
    note = check_note(outcome, http_answer(outcome), is_answered_now=True)
    assert note == CheckNote(7, "PERMISSION_DENIED:no", is_cache_hit=True)
