"""Bytes of Mixer's protocol into requests, outcomes into bytes.

The answer is put together from parts: what an answer depends on is encoded once per set and
caller's dictionary and then only framed. Sub-messages are always present, even when empty:
clients read an absent duration as "for ever".

Source: Mixer v1 API; Mixer 1.3 where the answer's fields are concerned, 1.4 for the status of a
quota.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from google.protobuf.message import DecodeError

from remixer.attributes.bag import Reference
from remixer.attributes.values import Duration
from remixer.foundation.deadline import Deadline
from remixer.foundation.errors import InvalidRequestError
from remixer.foundation.http_fields import field_value
from remixer.foundation.status import Status
from remixer.mixer.http_answer import may_be_carried_out
from remixer.mixer.outcome import CheckOutcome, HeaderOperation, RouteDirective
from remixer.mixer.request import MATCHING, CheckRequest, MatchingQuotas, QuotaArgs
from remixer.wire._pb.istio.mixer.v1 import check_pb2, report_pb2
from remixer.wire._pb.remixer.reading.check_pb2 import AttributeParts, CheckParts
from remixer.wire.bag import CompressedBag
from remixer.wire.dictionary import GLOBAL_WORD_COUNT
from remixer.wire.durations import split_duration
from remixer.wire.framing import embedded
from remixer.wire.integers import nearest_int32, nearest_int64, nearest_uint32
from remixer.wire.laid_out_bag import LaidOutBag
from remixer.wire.layout import Layout, LayoutKey, Layouts
from remixer.wire.lone_report import AskedNames
from remixer.wire.references import encode_references
from remixer.wire.report import DecodedReport, decode_report
from remixer.wire.text import encodable

REPORT_RESPONSE: Final = b""

_CHECK_REQUEST: Final = "istio.mixer.v1.CheckRequest"
_REPORT_REQUEST: Final = "istio.mixer.v1.ReportRequest"

# Sets of references that recur; a policy has a few shapes, callers two or three dictionaries.
_REMEMBERED_REFERENCES: Final = 1024
_REMEMBERED_VERDICTS: Final = 1024
_MOST_PREPARED: Final = 4  # dictionaries of callers, for one outcome
_REMEMBERED_QUOTAS: Final = 1024  # answers that say the same of the same quota
_LONGEST_REMEMBERED_TEXT: Final = 200  # characters; longer ones quote what clients sent

# Field numbers of CheckResponse and its parts.
_PRECONDITION: Final = 2
_QUOTAS: Final = 3
_MAP_KEY: Final = 1
_MAP_VALUE: Final = 2
_REFERENCES: Final = 5
_DIRECTIVE: Final = 6

_NO_QUOTAS: Final[Mapping[str, QuotaArgs]] = MappingProxyType({})
_ONE: Final = QuotaArgs()
"""What nearly all ask for."""
_MOST_NAMED: Final = 5  # quotas, in an error

_QuotaParams: TypeAlias = check_pb2.CheckRequest.QuotaParams
_PreconditionResult = check_pb2.CheckResponse.PreconditionResult
_QuotaResult = check_pb2.CheckResponse.QuotaResult
_Result: TypeAlias = (
    check_pb2.CheckResponse.PreconditionResult | check_pb2.CheckResponse.QuotaResult
)


class CheckCall(NamedTuple):
    """A request to decide on, and which words its answer may use. A tuple: one for each check."""

    request: CheckRequest
    global_word_count: int


LaidOut: TypeAlias = tuple[Layout, list[bytes], CheckParts, int]
"""A request of a known layout: its words, all else but words and times, and how many global words
its caller knows."""


class CheckDecoder:
    """Reads requests as `decode_check_call` does, but those of known layouts more quickly."""

    __slots__ = ("_layouts",)

    def __init__(self) -> None:
        self._layouts = Layouts()

    def decode(self, payload: bytes, deadline: Deadline | None) -> tuple[CheckRequest, int]:
        """The fields of a `CheckCall`. Raises `InvalidRequestError`."""
        laid_out = self.laid_out(payload)
        if laid_out is None:
            return _whole_call(payload, deadline)
        return laid_out_request(payload, laid_out, deadline), laid_out[3]

    def laid_out(self, payload: bytes) -> LaidOut | None:
        """What there is to a request of a known layout; None: it takes a look at all of it.

        Raises `InvalidRequestError`.
        """
        layouts = self._layouts
        if layouts.resting:
            layouts.resting -= 1
            return None
        try:
            parts = _parts_of(payload)
        except DecodeError:
            return None
        attributes = parts.attributes
        word_list, times = attributes.words, attributes.timestamps
        words = word_list[:]
        key_times = tuple(times)
        del word_list[:]
        times.clear()
        key: LayoutKey = (_serialized(attributes), *key_times)
        layout = layouts.get(key)
        if layout is not None:
            layouts.found += 1
        else:
            layout = layouts.learned(key)
            if layout is None:
                return None
        word_count = parts.global_word_count
        if word_count > GLOBAL_WORD_COUNT:
            raise _unknown_words(word_count)
        return layout, words, parts, word_count


def laid_out_request(payload: bytes, laid_out: LaidOut, deadline: Deadline | None) -> CheckRequest:
    """Raises `InvalidRequestError`."""
    layout, words, parts, _ = laid_out
    quotas = parts.quotas
    return CheckRequest(
        LaidOutBag(payload, layout, words),
        _quotas(quotas) if quotas else _NO_QUOTAS,
        parts.deduplication_id,
        deadline,
        True,  # noqa: FBT003 - `keeps_answer`: by name it takes 0.1 us of each check
    )


_parts_of: Final = CheckParts.FromString
_serialized: Final = AttributeParts.SerializeToString


def decode_check_call(payload: bytes, deadline: Deadline | None) -> CheckCall:
    """Raises `InvalidRequestError`. Attributes are decoded later, on demand."""
    return CheckCall(*_whole_call(payload, deadline))


def _whole_call(payload: bytes, deadline: Deadline | None) -> tuple[CheckRequest, int]:
    try:
        message = check_pb2.CheckRequest.FromString(payload)
    except DecodeError as error:
        raise _malformed(_CHECK_REQUEST, payload, error) from error
    word_count = message.global_word_count
    if word_count > GLOBAL_WORD_COUNT:
        raise _unknown_words(word_count)
    quotas = message.quotas
    request = CheckRequest(
        CompressedBag(message.attributes),
        _quotas(quotas) if quotas else _NO_QUOTAS,
        message.deduplication_id,
        deadline,
        keeps_answer=True,
    )
    return request, word_count


def _quotas(params: Mapping[str, _QuotaParams]) -> Mapping[str, QuotaArgs] | MatchingQuotas:
    quotas: dict[str, QuotaArgs] = {}
    for name, each in params.items():
        amount, best_effort = each.amount, each.best_effort
        is_usual = amount == 1 and not best_effort
        quotas[name] = _ONE if is_usual else QuotaArgs(amount, best_effort)
    if MATCHING not in quotas:
        return quotas
    if len(quotas) > 1:
        others = ", ".join(sorted(quotas.keys() - {MATCHING})[:_MOST_NAMED])
        text = f"quota {MATCHING} stands for all that apply: ask for it alone, without {others}"
        raise InvalidRequestError(text)
    return MatchingQuotas(quotas[MATCHING], is_combined=True)


def decode_report_call(payload: bytes, asked: AskedNames | None = None) -> DecodedReport:
    """Raises `InvalidRequestError`, or another `PolicyError` of `remixer.wire.report`.

    `asked`: what earlier reports were asked for.
    """
    try:
        message = report_pb2.ReportRequest.FromString(payload)
    except DecodeError as error:
        raise _malformed(_REPORT_REQUEST, payload, error) from error
    if message.global_word_count > GLOBAL_WORD_COUNT:
        raise _unknown_words(message.global_word_count)
    return decode_report(message, payload, asked)


def report_problem(errors: Sequence[str]) -> str:
    """One text for all errors of a report, in the shape that Mixer's logs and clients know."""
    head = "1 error occurred:" if len(errors) == 1 else f"{len(errors)} errors occurred:"
    return "\n".join([head, *(f"\t* {error}" for error in errors)])


def _malformed(kind: str, payload: bytes, error: DecodeError) -> InvalidRequestError:
    return InvalidRequestError(f"{kind}: {len(payload)} bytes are no such message ({error})")


def _unknown_words(count: int) -> InvalidRequestError:
    # Clients fall back to their smallest dictionary exactly on this code and these first
    # words; the original never sent them and so kept failing.
    return InvalidRequestError(
        "Request could not be processed due to invalid global_word_count: inconsistent"
        f" global dictionary versions used: mixer knows {GLOBAL_WORD_COUNT} words,"
        f" caller knows {count}"
    )


class ResponseEncoder:
    """Makes CheckResponses.

    Remembers encoded references, and verdicts and quotas with short texts.
    """

    __slots__ = ("_quota", "_references", "_verdict")

    def __init__(self) -> None:
        self._verdict = lru_cache(maxsize=_REMEMBERED_VERDICTS)(_encoded_verdict)
        self._references = lru_cache(maxsize=_REMEMBERED_REFERENCES)(_encoded_references)
        self._quota = lru_cache(maxsize=_REMEMBERED_QUOTAS)(self._encoded_quota)

    def encode(self, outcome: CheckOutcome, *, global_word_count: int) -> bytes:
        """`global_word_count` is the caller's; no index beyond goes into the answer."""
        prepared = outcome.prepared
        response = prepared.get(global_word_count)
        if response is None:
            response = self._encoded_precondition(outcome, global_word_count)
            if len(prepared) < _MOST_PREPARED:
                prepared[global_word_count] = response
        for name, quota in outcome.quotas.items():
            status = quota.status
            is_short = len(name) + len(status.message) <= _LONGEST_REMEMBERED_TEXT
            response += (self._quota if is_short else self._encoded_quota)(
                name,
                quota.granted,
                quota.valid_duration,
                status.code,
                status.message,
                quota.references,
                global_word_count,
            )
        return response

    def _encoded_precondition(self, outcome: CheckOutcome, global_word_count: int) -> bytes:
        status = outcome.status
        is_short = len(status.message) <= _LONGEST_REMEMBERED_TEXT
        verdict = self._verdict if is_short else _encoded_verdict
        precondition = verdict(
            status.code, status.message, outcome.valid_duration, outcome.valid_use_count
        ) + self._references(outcome.references, global_word_count)
        if outcome.directive is not None:
            precondition += embedded(_DIRECTIVE, _encoded_directive(outcome.directive))
        return embedded(_PRECONDITION, precondition)

    def _encoded_quota(
        self,
        name: str,
        granted: int,
        valid_duration: Duration,
        code: int,
        text: str,
        references: frozenset[Reference],
        global_word_count: int,
    ) -> bytes:
        message = _QuotaResult(granted_amount=nearest_int64(granted))
        _set_status(message, Status(code, text))
        _set_duration(message, valid_duration)
        result = message.SerializeToString() + self._references(references, global_word_count)
        key = encodable(name).encode()
        return embedded(_QUOTAS, embedded(_MAP_KEY, key) + embedded(_MAP_VALUE, result))


def _encoded_verdict(code: int, text: str, valid_duration: Duration, valid_use_count: int) -> bytes:
    message = _PreconditionResult(valid_use_count=nearest_int32(valid_use_count))
    _set_status(message, Status(code, text))
    _set_duration(message, valid_duration)
    return message.SerializeToString()


def _encoded_references(references: frozenset[Reference], global_word_count: int) -> bytes:
    message = encode_references(references, global_word_count=global_word_count)
    return embedded(_REFERENCES, message.SerializeToString())


def _set_status(message: _Result, status: Status) -> None:
    target = message.status
    target.SetInParent()
    if status.code:
        target.code = nearest_int32(status.code)
    if status.message:
        target.message = encodable(status.message)


def _set_duration(message: _Result, duration: Duration) -> None:
    target = message.valid_duration
    target.seconds, target.nanos = split_duration(duration)
    target.SetInParent()


def _encoded_directive(directive: RouteDirective) -> bytes:
    message = check_pb2.RouteDirective(
        request_header_operations=_operations(directive.request_header_operations),
        response_header_operations=_operations(directive.response_header_operations),
        direct_response_code=nearest_uint32(directive.direct_response_code),
        direct_response_body=encodable(directive.direct_response_body),
    )
    return message.SerializeToString()


def _operations(operations: Sequence[HeaderOperation]) -> list[check_pb2.HeaderOperation]:
    """Proxies put names and values on the wire as they are: see `http_answer`, `http_fields`."""
    return [
        check_pb2.HeaderOperation(
            name=each.name,
            value=field_value(encodable(each.value)),
            operation=check_pb2.HeaderOperation.Operation.Name(each.kind),
        )
        for each in operations
        if may_be_carried_out(each)
    ]
