"""What the report of an HTTP request says of its check.

Pure. Source: Mixer's client.
"""

from dataclasses import replace

from remixer.attributes.http_report import CheckNote
from remixer.foundation.status import Status
from remixer.mixer.http_answer import Answer, HttpAnswer, client_http_status, refusal_text
from remixer.mixer.outcome import CheckOutcome


def check_note(outcome: CheckOutcome, answer: HttpAnswer, *, is_answered_now: bool) -> CheckNote:
    """`is_answered_now`: without waiting, so quotas came from tokens at hand."""
    is_hit = outcome.provenance.is_remembered
    is_quota_hit = is_hit and is_answered_now and bool(outcome.quotas)
    if answer.verdict.is_allowed:
        return CheckNote(is_cache_hit=is_hit, is_quota_cache_hit=is_quota_hit)
    return replace(
        refusal_note(answer.verdict.status), is_cache_hit=is_hit, is_quota_cache_hit=is_quota_hit
    )


def refusal_note(status: Status) -> CheckNote:
    """Of a request that was refused without an outcome."""
    return CheckNote(error_code=int(status.code), error_message=refusal_text(status))


def reported_code(answer: Answer) -> int:
    """`response.code` of a request that got `answer` in place of the upstream's.

    Of a denied one always that of the table, even if a direct response sent another.
    """
    status = answer.verdict.status
    return answer.http_status if status.is_ok else client_http_status(status.code)
