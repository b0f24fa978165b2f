"""What an HTTP proxy does with an outcome: pass the request on, changed or not, or answer itself.

Pure. Source: Mixer's client, whose table of codes differs from its server's in two places.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from remixer.foundation.http_fields import field_value, is_field_name, is_framing_name
from remixer.foundation.status import Code, Status, code_name, http_status
from remixer.mixer.outcome import (
    CheckOutcome,
    HeaderOperation,
    HeaderOperationKind,
    RouteDirective,
)
from remixer.mixer.verdict import Verdict, verdict_of

# Where Mixer's client and its server disagreed, whoever called saw the client's status.
_CLIENT_HTTP_BY_CODE: Final[dict[int, int]] = {Code.CANCELLED: 499, Code.FAILED_PRECONDITION: 400}
_LOWEST_HTTP: Final = 200  # below stand interim answers, which never end a request
_HIGHEST_HTTP: Final = 599
_WITHOUT_BODY: Final = frozenset({204, 304})
_NO_DIRECTIVE: Final = RouteDirective()

Line = tuple[str, str]
"""A header's name in lower case, and one value."""


@dataclass(frozen=True, slots=True)
class Pass:
    """The request goes on; `request_operations` first."""

    verdict: Verdict
    request_operations: tuple[HeaderOperation, ...] = ()
    response_operations: tuple[HeaderOperation, ...] = ()
    """For the response, whoever makes it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The request goes no further: this is its response, of type text/plain if nothing is said."""

    verdict: Verdict
    http_status: int
    body: str
    response_operations: tuple[HeaderOperation, ...] = ()


HttpAnswer: TypeAlias = Pass | Answer


def http_answer(outcome: CheckOutcome) -> HttpAnswer:
    """Raises `PolicyError` if the verdict hangs on a quota that could not be asked.

    A refusal without a direct response carries no header operations, and its body is
    `CODE_NAME:message`.
    """
    verdict = verdict_of(outcome)
    directive = outcome.directive or _NO_DIRECTIVE
    if outcome.status.is_ok and not verdict.is_allowed:
        directive = _NO_DIRECTIVE  # it came with the allowance that a quota then took back
    if verdict.is_allowed and not directive.direct_response_code:
        return Pass(
            verdict, directive.request_header_operations, directive.response_header_operations
        )
    return denial(verdict, directive)


def denial(verdict: Verdict, directive: RouteDirective = _NO_DIRECTIVE) -> Answer:
    """The answer in place of the upstream's: a refusal, or the directive's own."""
    http_code = answer_status(verdict.status, directive)
    if not directive.direct_response_code:
        return Answer(verdict, http_code, refusal_text(verdict.status))
    body = directive.direct_response_body if has_body(http_code) else ""
    return Answer(verdict, http_code, body, directive.response_header_operations)


def answer_status(status: Status, directive: RouteDirective) -> int:
    """The HTTP status of a refusal or a direct response; always one that can end a request."""
    http_code = directive.direct_response_code
    if http_code and _LOWEST_HTTP <= http_code <= _HIGHEST_HTTP:
        return http_code
    return client_http_status(status.code)


def client_http_status(code: int) -> int:
    """HTTP status of an RPC code as Mixer's client has it."""
    return _CLIENT_HTTP_BY_CODE.get(code) or http_status(code)


def has_body(http_code: int) -> bool:
    """Whether a response with this status may have a body."""
    return http_code not in _WITHOUT_BODY


def refusal_text(status: Status) -> str:
    """`CODE_NAME:message`, or the name alone."""
    name = code_name(status.code)
    return f"{name}:{status.message}" if status.message else name


def may_be_carried_out(operation: HeaderOperation) -> bool:
    """Whether it harms no message: it has a name, and writes none of those that frame messages.

    Rules may be another Mixer's, and adapters' answers anybody's; such headers may be removed.
    """
    if operation.kind is HeaderOperationKind.REMOVE:
        return is_field_name(operation.name)
    return is_field_name(operation.name) and not is_framing_name(operation.name)


def with_operations(lines: Sequence[Line], operations: Iterable[HeaderOperation]) -> list[Line]:
    """The lines of a message's headers after operations, in their order.

    `lines` have names in lower case. APPEND adds a line; names that no header can have are left
    out, and line breaks in values become blanks: what is written may come from a client.
    """
    changed = list(lines)
    for each in operations:
        if not is_field_name(each.name):
            continue
        name = each.name.lower()
        if each.kind is not HeaderOperationKind.APPEND:
            changed = [line for line in changed if line[0] != name]
        match each.kind:
            case HeaderOperationKind.REMOVE:
                pass
            case HeaderOperationKind.REPLACE | HeaderOperationKind.APPEND:
                changed.append((name, field_value(each.value)))
            case _:
                assert_never(each.kind)
    return changed
