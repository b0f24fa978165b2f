"""The client's half of Check and Report: requests into bytes, answers out of bytes.

Source: the C++ client of Istio 1.1 to 1.3.
"""

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from google.protobuf.message import DecodeError

from remixer.attributes.bag import Bag
from remixer.attributes.values import Duration
from remixer.foundation.errors import PolicyError
from remixer.foundation.status import Code, Status
from remixer.mixer.outcome import (
    UNKNOWN_REFERENCES,
    CheckOutcome,
    HeaderOperation,
    HeaderOperationKind,
    QuotaOutcome,
    RouteDirective,
)
from remixer.mixer.request import MATCHING, CheckRequest, MatchingQuotas
from remixer.wire._pb.istio.mixer.v1 import check_pb2, report_pb2
from remixer.wire.bag import decode_duration
from remixer.wire.compression import compress, compress_with
from remixer.wire.dictionary import GLOBAL_WORD_COUNT, WordList
from remixer.wire.references import decode_references
from remixer.wire.text import encodable

CHECK_PATH: Final = "/istio.mixer.v1.Mixer/Check"
REPORT_PATH: Final = "/istio.mixer.v1.Mixer/Report"

# An answer without a duration is valid for ever: the longest that int64 nanoseconds can say.
FOREVER: Final = Duration(2**63 - 1)
# Tokens without a duration. Source: the C++ client.
_DEFAULT_QUOTA_DURATION: Final = Duration(60_000_000_000)
_AT_ONCE: Final = Duration(0)
_Result: TypeAlias = (
    check_pb2.CheckResponse.PreconditionResult | check_pb2.CheckResponse.QuotaResult
)
_OPERATION_KINDS: Final = {kind.value: kind for kind in HeaderOperationKind}


class UnreadableAnswerError(PolicyError):
    """The server's answer cannot be understood; treated as a failed call, the server's fault."""

    code = Code.INTERNAL


def encode_check_request(
    request: CheckRequest, *, global_word_count: int = GLOBAL_WORD_COUNT
) -> bytes:
    """`MatchingQuotas` are asked for by the name `MATCHING`, which Remixer's servers know."""
    message = check_pb2.CheckRequest(
        attributes=compress(request.bag, global_word_count=global_word_count),
        global_word_count=global_word_count,
        deduplication_id=encodable(request.once),
    )
    quotas = request.quotas
    if isinstance(quotas, MatchingQuotas):
        quotas = {MATCHING: quotas.args}
    for name, args in quotas.items():
        params = message.quotas[encodable(name)]
        params.amount, params.best_effort = args.amount, args.best_effort
    return message.SerializeToString()


def encode_report_request(
    bags: Iterable[Bag], *, global_word_count: int = GLOBAL_WORD_COUNT
) -> bytes:
    """Independent elements that share one word list, as clients from 1.1 on send them."""
    words = WordList(global_word_count=global_word_count)
    message = report_pb2.ReportRequest(
        attributes=[compress_with(bag, words) for bag in bags],
        global_word_count=global_word_count,
        repeated_attributes_semantics=report_pb2.ReportRequest.INDEPENDENT_ENCODING,
    )
    message.default_words.extend(words.words())
    return message.SerializeToString()


def decode_check_response(payload: bytes) -> CheckOutcome:
    """Raises `UnreadableAnswerError`. An answer that nobody may reuse says so by its lifetime."""
    try:
        message = check_pb2.CheckResponse.FromString(payload)
    except DecodeError as error:
        text = f"CheckResponse of {len(payload)} bytes is no protobuf message: {error}"
        raise UnreadableAnswerError(text) from error
    if not message.HasField("precondition"):
        text = "CheckResponse has no precondition: neither allowed nor denied"
        raise UnreadableAnswerError(text)
    verdict = message.precondition
    references = decode_references(verdict.referenced_attributes)
    return CheckOutcome(
        status=_status(verdict),
        valid_duration=_AT_ONCE if references is None else _lifetime(verdict, unset=FOREVER),
        valid_use_count=0 if references is None else verdict.valid_use_count,
        references=references or frozenset(),
        directive=_directive(verdict),
        quotas={name: _quota(result) for name, result in message.quotas.items()},
    )


def _lifetime(message: _Result, *, unset: Duration) -> Duration:
    if not message.HasField("valid_duration"):
        return unset
    duration = decode_duration(message.valid_duration)
    return FOREVER if duration is None else duration


def _status(message: _Result) -> Status:
    return Status(message.status.code, message.status.message)


def _quota(result: check_pb2.CheckResponse.QuotaResult) -> QuotaOutcome:
    references = decode_references(result.referenced_attributes)
    lifetime = _lifetime(result, unset=_DEFAULT_QUOTA_DURATION)
    return QuotaOutcome(
        granted=max(0, result.granted_amount),
        valid_duration=lifetime,
        references=UNKNOWN_REFERENCES if references is None else references,
        status=_status(result),
    )


def _directive(verdict: check_pb2.CheckResponse.PreconditionResult) -> RouteDirective | None:
    if not verdict.HasField("route_directive"):
        return None
    message = verdict.route_directive
    return RouteDirective(
        request_header_operations=_operations(message.request_header_operations),
        response_header_operations=_operations(message.response_header_operations),
        direct_response_code=message.direct_response_code,
        direct_response_body=message.direct_response_body,
    )


def _operations(messages: Sequence[check_pb2.HeaderOperation]) -> tuple[HeaderOperation, ...]:
    """Kinds that nobody defined are left out, as the C++ client does."""
    return tuple(
        HeaderOperation(each.name, each.value, _OPERATION_KINDS[each.operation])
        for each in messages
        if each.operation in _OPERATION_KINDS
    )
