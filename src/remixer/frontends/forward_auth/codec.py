"""An outcome to the response that a proxy acts on. Pure.

Proxies see nothing but a status and headers, and read 2xx as a yes. So what would be a 2xx in
place of the upstream's answer (a direct response) is told as 403: it must not let the request
pass. Other statuses change only where the proxy could not take them, and `x-remixer-status` then
says what was meant. A *failure* to decide is 503 or 500, never a refusal and never a yes: what
becomes of the request is the proxy's `failure_mode`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, assert_never

from remixer.attributes.http_bag import FORWARDED_HEADER
from remixer.foundation.errors import PolicyError
from remixer.foundation.status import Code, Status, code_name
from remixer.frontends.forward_auth.told import Asking, Question
from remixer.mixer.http_answer import (
    Answer,
    Pass,
    has_body,
    http_answer,
    refusal_text,
    with_operations,
)
from remixer.mixer.outcome import (
    CheckOutcome,
    HeaderOperation,
    HeaderOperationKind,
    Provenance,
)
from remixer.transport.http1.answer import is_settable
from remixer.transport.http1.port import HttpResponse, Line

REMOVE_HEADER: Final = "x-envoy-auth-headers-to-remove"
"""Names of headers that the upstream must not see, with commas; Envoy acts on it by itself."""
STATUS_HEADER: Final = "x-remixer-status"
"""The HTTP status that was meant."""
CODE_HEADER: Final = "x-remixer-code"
"""The name of the verdict's code, as `RESOURCE_EXHAUSTED`."""
MESSAGE_HEADER: Final = "x-remixer-message"
"""The body, for nginx, which drops it."""
CACHE_HEADER: Final = "x-remixer-cache"
"""`stale`: a remembered verdict stands in for a failure."""

_OURS: Final = frozenset({REMOVE_HEADER, STATUS_HEADER, CODE_HEADER, MESSAGE_HEADER, CACHE_HEADER})
_TEXT: Final = "text/plain; charset=utf-8"
_LONGEST_MESSAGE: Final = 1_000  # characters; nginx reads headers into a buffer of 4 KB
_FORBIDDEN: Final = 403
_UNAUTHORIZED: Final = 401
_COOKIE: Final = "cookie"
_STALE: Final = (CACHE_HEADER, "stale")
_ALLOWED: Final = HttpResponse(200)
_NOT_FORWARDED: Final = HeaderOperation(FORWARDED_HEADER, kind=HeaderOperationKind.REMOVE)
_STATUS_OF_FAILURE: Final[Mapping[int, int]] = {Code.INVALID_ARGUMENT: 400, Code.INTERNAL: 500}
_UNAVAILABLE: Final = 503


def encode_outcome(outcome: CheckOutcome, question: Question) -> HttpResponse:
    """Raises `PolicyError` if the outcome holds no verdict."""
    is_stale = outcome.provenance is Provenance.STALE
    match http_answer(outcome):
        case Pass() as allowed:
            return _pass(allowed, question, is_stale=is_stale)
        case Answer() as answer:
            return _answer(answer, question.asking, is_stale=is_stale)
        case never:
            assert_never(never)


def encode_failure(error: PolicyError) -> HttpResponse:
    """No verdict."""
    status = _STATUS_OF_FAILURE.get(error.code, _UNAVAILABLE)
    return refused(status, Status(error.code, error.message))


def refused(status: int, told: Status, *, ends_connection: bool = False) -> HttpResponse:
    """An answer of ours, not of a rule."""
    lines = (
        ("content-type", _TEXT),
        (STATUS_HEADER, str(status)),
        (CODE_HEADER, code_name(told.code)),
    )
    body = f"{refusal_text(told)}\n".encode("utf-8", "replace")
    return HttpResponse(status, lines, body, ends_connection=ends_connection)


# ------------------------------------------------------------------ the request may pass


def _pass(allowed: Pass, question: Question, *, is_stale: bool) -> HttpResponse:
    operations = allowed.request_operations
    if question.facts.headers[FORWARDED_HEADER] is not None:
        operations = (_NOT_FORWARDED, *operations)  # a rule, or a client, may write its own
    if not operations and not allowed.response_operations and not is_stale:
        return _ALLOWED
    lines = _changed_request(operations, question.lines)
    taken = {name for name, _ in lines}
    # One name space for both: what goes to the client must not get into the request.
    lines += [
        line
        for line in with_operations((), allowed.response_operations)
        if line[0] not in taken and _is_free(line[0])
    ]
    return HttpResponse(200, (*lines, _STALE) if is_stale else lines)


def _changed_request(operations: Iterable[HeaderOperation], before: Sequence[Line]) -> list[Line]:
    """The headers that operations touch as they are afterwards, each in one line.

    Proxies put them in place of the request's own, and of several lines some take only one.
    """
    chosen = [each for each in operations if _is_free(each.name.lower())]
    if not chosen:
        return []
    values: dict[str, list[str]] = {each.name.lower(): [] for each in chosen}
    for name, value in with_operations(before, chosen):
        if name in values:
            values[name].append(value)
    lines = [(name, _separator(name).join(found)) for name, found in values.items() if found]
    removed = [name for name, found in values.items() if not found]
    return [*lines, (REMOVE_HEADER, ",".join(removed))] if removed else lines


def _separator(name: str) -> str:
    return "; " if name == _COOKIE else ", "


def _is_free(name: str) -> bool:
    """Whether a rule may use the header; `name` in lower case."""
    return name not in _OURS and is_settable(name)


# ------------------------------------------------------------------ the request may not pass


def _answer(answer: Answer, asking: Asking, *, is_stale: bool) -> HttpResponse:
    status = _sent_status(answer.http_status, asking)
    lines = with_operations([("content-type", _TEXT)], _free(answer.response_operations))
    lines.append((STATUS_HEADER, str(answer.http_status)))
    lines.append((CODE_HEADER, code_name(answer.verdict.status.code)))
    if asking is Asking.AUTH_REQUEST:
        lines.append((MESSAGE_HEADER, answer.body[:_LONGEST_MESSAGE]))
    if is_stale:
        lines.append(_STALE)
    body = answer.body.encode("utf-8", "replace") if has_body(status) else b""
    return HttpResponse(status, lines, body)


def _free(operations: Iterable[HeaderOperation]) -> list[HeaderOperation]:
    return [each for each in operations if _is_free(each.name.lower())]


def _sent_status(meant: int, asking: Asking) -> int:
    if asking is Asking.AUTH_REQUEST:
        return _for_nginx(meant)
    if meant < 300 or (asking is Asking.BY_ITSELF and meant >= 500):  # noqa: PLR2004 - 2xx, 5xx
        # Envoy takes 5xx for a failure, and lets it pass if failures may.
        return _FORBIDDEN
    return meant


def _for_nginx(meant: int) -> int:
    if meant == _UNAUTHORIZED or 300 <= meant < 400:  # noqa: PLR2004 - redirects, mostly to a login
        return _UNAUTHORIZED
    return _FORBIDDEN
