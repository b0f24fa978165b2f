"""What the report of an HTTP request says of its check.

Pure. Source: Mixer's client.
"""

from remixer.attributes.http_report import CheckNote
from remixer.mixer.http_answer import Answer, HttpAnswer, client_http_status, refusal_text
from remixer.mixer.outcome import CheckOutcome


def check_note(outcome: CheckOutcome, answer: HttpAnswer, *, is_answered_now: bool) -> CheckNote:
    """`is_answered_now`: without waiting, so quotas came from tokens at hand."""
    is_hit = outcome.provenance.is_remembered
    status = answer.verdict.status
    return CheckNote(
        error_code=None if status.is_ok else int(status.code),
        error_message=None if status.is_ok else refusal_text(status),
        is_cache_hit=is_hit,
        is_quota_cache_hit=is_hit and is_answered_now and bool(outcome.quotas),
    )


def reported_code(answer: Answer) -> int:
    """`response.code` of a request that got `answer` in place of the upstream's.

    Of a denied one always that of the table, even if a direct response sent another.
    """
    status = answer.verdict.status
    return answer.http_status if status.is_ok else client_http_status(status.code)
