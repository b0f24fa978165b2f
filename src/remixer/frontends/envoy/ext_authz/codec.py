"""Bytes of Envoy's external authorization to a bag, an outcome to bytes. Pure.

Envoy's rules for the answer: code 0 passes the request; any other code denies it, with status
403 unless `denied_response` says otherwise, so we always say it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Final

from google.protobuf.struct_pb2 import Struct

from remixer.attributes.bag import Reference
from remixer.attributes.http_bag import FORWARDED_HEADER
from remixer.attributes.values import Duration
from remixer.attributes.vocabulary import Vocabulary
from remixer.foundation.status import Code, Status, code_name
from remixer.frontends.envoy import decision_metadata
from remixer.frontends.envoy.ext_authz.attributes import CHECK_ATTRIBUTES, CheckBag
from remixer.frontends.envoy.ext_authz.header_mutations import (
    HeaderMutations,
    request_mutations,
    response_mutations,
)
from remixer.frontends.envoy.ext_authz.parsing import written_anew
from remixer.frontends.envoy.ext_authz.spans import spans_of
from remixer.frontends.envoy.ext_authz.static_part import KnownStaticParts
from remixer.mixer.http_answer import answer_status, has_body
from remixer.mixer.outcome import (
    UNKNOWN_REFERENCES,
    CheckOutcome,
    Decision,
    HeaderOperation,
    HeaderOperationKind,
    Provenance,
    QuotaOutcome,
    RouteDirective,
)
from remixer.mixer.verdict import Verdict, verdict_of
from remixer.wire._pb.envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption
from remixer.wire._pb.envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from remixer.wire.integers import nearest_int32
from remixer.wire.text import encodable

# Of answers that outcomes carry: without the header `x-istio-attributes`, and with one of which
# nothing counts.
_PLAIN: Final = "ext_authz"
_PLAIN_FORWARDED: Final = "ext_authz, forwarded"
_NO_DIRECTIVE: Final = RouteDirective()
_NOT_FORWARDED: Final = HeaderOperation(FORWARDED_HEADER, kind=HeaderOperationKind.REMOVE)
_LASTING: Final = frozenset({Provenance.COMPUTED, Provenance.MEMORY, Provenance.SHARED})
_MOST_KEPT_ANSWERS: Final = 1024  # about 300 bytes each
_LONGEST_KEPT_TEXT: Final = 256  # longer ones hold a value of the request's and do not recur
_MOST_PREPARED: Final = 8  # answers of one outcome: quotas by different rules go with it
_FORWARDED: Final = FORWARDED_HEADER.encode()
_NONE: Final[frozenset[Reference]] = frozenset()
_CONTENT_TYPE: Final = "content-type"
_STALE: Final = HeaderValueOption(
    header=HeaderValue(key="x-remixer-cache", value="stale"),
    append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
)
_PLAIN_TEXT: Final = HeaderValueOption(
    header=HeaderValue(key=_CONTENT_TYPE, value="text/plain"),
    append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
)


def _nothing(_header: str) -> Mapping[str, str]:
    return {}


class CheckDecoder:
    """Reads requests, and remembers what operators let come with many of them."""

    __slots__ = ("_static",)

    def __init__(self) -> None:
        self._static = KnownStaticParts(derived=CHECK_ATTRIBUTES.keys())

    def decode(
        self,
        message: bytes,
        vocabulary: Vocabulary,
        read_forwarded: Callable[[str], Mapping[str, str]] = _nothing,
    ) -> CheckBag:
        """Raises `InvalidRequestError` if `message` is no CheckRequest, as far as it is read.

        `read_forwarded` gives the attributes that count of a header `x-istio-attributes`.
        """
        bag = self._bag(message, vocabulary)
        if bag is None:
            message = written_anew(message)
            bag = self._bag(message, vocabulary)
            assert bag is not None  # noqa: S101 - that is what it was written anew for
        if message.find(_FORWARDED) >= 0:
            header = bag.take_out_forwarded_header()
            if header is not None:
                bag.take_forwarded(read_forwarded(header))
        return bag

    def _bag(self, message: bytes, vocabulary: Vocabulary) -> CheckBag | None:
        """None if the message is not written as Envoy writes it."""
        spans = spans_of(message)
        if spans is None:
            return None
        part = self._static.said_in(message[spans[-1] :], vocabulary)
        return None if part is None else CheckBag(message, spans, part, vocabulary)


def encode_outcome(
    outcome: CheckOutcome,
    headers: Mapping[str, str] | None,
    forwarded: Mapping[str, str] | None = None,
) -> bytes:
    """A CheckResponse. `headers`, `forwarded`: those of the request, as decoded.

    Raises `PolicyError` if the outcome holds no verdict.
    """
    verdict = verdict_of(outcome)
    directive = outcome.directive or _NO_DIRECTIVE
    response = CheckResponse()
    if outcome.status.is_ok and not verdict.is_allowed:
        removals = _write_denial(response, verdict.status, _NO_DIRECTIVE)
    elif directive.direct_response_code or not verdict.is_allowed:
        removals = _write_denial(response, verdict.status, directive)
    else:
        if forwarded is not None:
            directive = _without_received(directive)
        removals = _write_ok(response, directive, headers)
    if outcome.provenance is Provenance.STALE:
        told = (
            response.ok_response.response_headers_to_add
            if response.HasField("ok_response")
            else response.denied_response.headers
        )
        told.append(_STALE)
    _write_metadata(response.dynamic_metadata, verdict, outcome)
    if forwarded is None and _is_for_any_like_it(outcome):
        decision_metadata.write_referenced(response.dynamic_metadata, outcome.references)
    decision_metadata.write_forwarded(response.dynamic_metadata, forwarded or {})
    decision_metadata.write_unremovable(response.dynamic_metadata, removals)
    return response.SerializeToString()


class OutcomeEncoder:
    """`encode_outcome`, with the answers that recur kept.

    An outcome without header operations is told the same way to every request, but for what its
    quotas grant; a rule set has few of them, so most answers cost one look-up instead of building
    a message. An outcome that is given again, as one from memory is, carries its answer; one that
    was computed is known by its fields. What quotas grant recurs, too, and is kept apart.
    """

    __slots__ = ("_plain", "_told_quotas")

    def __init__(self) -> None:
        self._plain = lru_cache(maxsize=_MOST_KEPT_ANSWERS)(_plain_answer)
        self._told_quotas = lru_cache(maxsize=_MOST_KEPT_ANSWERS)(_told_quotas)

    def encode(
        self,
        outcome: CheckOutcome,
        headers: Mapping[str, str] | None,
        forwarded: Mapping[str, str] | None = None,
    ) -> bytes:
        """As `encode_outcome`. `headers` matter to a directive alone."""
        quotas = outcome.quotas
        if forwarded is None and not quotas:
            plain = outcome.prepared.get(_PLAIN)
            if plain is not None:
                return plain
        if forwarded or not _is_plain(outcome) or (quotas and not _are_granted(outcome)):
            return encode_outcome(outcome, headers, forwarded)
        key: object = _PLAIN if forwarded is None else _PLAIN_FORWARDED
        has_forwarded = forwarded is not None
        if not quotas:
            plain = outcome.prepared.get(key)
            return plain or self._prepared(outcome, key, (), has_forwarded=has_forwarded)
        decisions = tuple(each.decision for each in quotas.values() if each.decision is not None)
        key = key, decisions
        plain = outcome.prepared.get(key)
        if plain is None:
            plain = self._prepared(outcome, key, decisions, has_forwarded=has_forwarded)
        grants = tuple((name, each.granted, each.valid_duration) for name, each in quotas.items())
        is_short = sum(map(len, quotas)) <= _LONGEST_KEPT_TEXT
        return plain + (self._told_quotas if is_short else _told_quotas)(grants)

    def _prepared(
        self,
        outcome: CheckOutcome,
        key: object,
        decisions: tuple[Decision, ...],
        *,
        has_forwarded: bool,
    ) -> bytes:
        """The answer without what quotas grant, made, and kept by `key`; `decisions` are theirs."""
        plain = self._plain(
            outcome.status,
            outcome.valid_duration,
            outcome.valid_use_count,
            UNKNOWN_REFERENCES if outcome.quotas else outcome.references,
            outcome.decisions + decisions,
            outcome.provenance,
            has_forwarded,
        )
        if len(outcome.prepared) < _MOST_PREPARED:
            outcome.prepared[key] = plain
        return plain


def _is_for_any_like_it(outcome: CheckOutcome) -> bool:
    """Whether a cache inside Envoy may give the answer, which it knows only in part, again."""
    is_whole = outcome.directive is None and not outcome.quotas
    return is_whole and outcome.provenance in _LASTING


def _is_plain(outcome: CheckOutcome) -> bool:
    """Whether the verdict is told the same way to every request, and short enough to be kept."""
    return outcome.directive is None and len(outcome.status.message) <= _LONGEST_KEPT_TEXT


def _are_granted(outcome: CheckOutcome) -> bool:
    """Whether the quotas leave the verdict as it is, and add what is told of them."""
    return outcome.status.code == 0 and all(each.granted for each in outcome.quotas.values())


def _told_quotas(grants: tuple[tuple[str, int, Duration], ...]) -> bytes:
    """To be appended to a serialized CheckResponse: protobuf merges what comes twice.

    `grants`: by name, how much and for how long.
    """
    quotas = {name: QuotaOutcome(granted, lasts, _NONE) for name, granted, lasts in grants}
    response = CheckResponse()
    decision_metadata.write_quotas(response.dynamic_metadata, quotas)
    return response.SerializeToString()


def _plain_answer(
    status: Status,
    valid_duration: Duration,
    valid_use_count: int,
    references: frozenset[Reference],
    decisions: tuple[Decision, ...],
    provenance: Provenance,
    has_forwarded: bool,  # noqa: FBT001 - lru_cache keys are positional, as the values are
) -> bytes:
    outcome = CheckOutcome(
        status,
        valid_duration,
        valid_use_count,
        references=references,
        decisions=decisions,
        provenance=provenance,
    )
    return encode_outcome(outcome, None, {} if has_forwarded else None)


def _without_received(directive: RouteDirective) -> RouteDirective:
    """As if the caller's header were not there: rules, and clients, may write their own.

    The removal is the first operation and no message of its own, for Envoy sets headers before it
    removes others.
    """
    operations = (_NOT_FORWARDED, *directive.request_header_operations)
    return replace(directive, request_header_operations=operations)


def _write_ok(
    response: CheckResponse, directive: RouteDirective, headers: Mapping[str, str] | None
) -> tuple[str, ...]:
    """Gives the response headers that should go and cannot."""
    ok = response.ok_response
    ok.SetInParent()
    if directive.request_header_operations:
        mutations = request_mutations(directive.request_header_operations, headers)
        ok.headers.extend(mutations.options)
        ok.headers_to_remove.extend(mutations.removed)
    if not directive.response_header_operations:
        return ()
    mutations = response_mutations(directive.response_header_operations)
    ok.response_headers_to_add.extend(mutations.options)
    return mutations.removed


def _write_denial(
    response: CheckResponse, status: Status, directive: RouteDirective
) -> tuple[str, ...]:
    """A refusal, or the answer that stands in for the upstream's although the status is OK.

    A refusal without a direct response carries no header operations, and its body is the
    status's text. Source: Mixer's client.
    """
    # Envoy answers the client itself for a non-zero code only.
    text = encodable(status.message)
    response.status.code = nearest_int32(status.code) or Code.PERMISSION_DENIED
    response.status.message = text
    mutations = HeaderMutations()
    body = text or code_name(status.code)
    if directive.direct_response_code:
        body = encodable(directive.direct_response_body)
        mutations = response_mutations(directive.response_header_operations)
    http_code = answer_status(status, directive)
    denied = response.denied_response
    denied.status.code = http_code  # type: ignore[assignment] # an open enum: any status passes
    # Envoy would send a body in every case, and it would be read as the next answer.
    denied.body = body if has_body(http_code) else ""
    denied.headers.extend(mutations.options)
    if not any(option.header.key == _CONTENT_TYPE for option in mutations.options):
        denied.headers.append(_PLAIN_TEXT)
    return mutations.removed


def _write_metadata(metadata: Struct, verdict: Verdict, outcome: CheckOutcome) -> None:
    decision_metadata.write_status(metadata, verdict.status)
    decision_metadata.write_decisions(metadata, verdict.decisions)
    decision_metadata.write_validity(
        metadata,
        valid_duration_ns=outcome.valid_duration,
        valid_use_count=outcome.valid_use_count,
    )
    decision_metadata.write_provenance(metadata, outcome.provenance)
    decision_metadata.write_quotas(metadata, outcome.quotas)
