"""The gRPC method `envoy.service.auth.v3.Authorization/Check`."""

from collections.abc import Awaitable
from typing import Final

from remixer.foundation.errors import PolicyError
from remixer.frontends.envoy.ext_authz.attributes import CheckBag
from remixer.frontends.envoy.ext_authz.codec import CheckDecoder, OutcomeEncoder
from remixer.frontends.envoy.message_bag import VocabularySource
from remixer.mixer.outcome import CheckOutcome
from remixer.mixer.port import Mixer
from remixer.mixer.request import CheckRequest, MatchingQuotas
from remixer.tiers.part_recall import PartRecall
from remixer.transport.port import CallContext, RpcError, UnaryMethod
from remixer.wire.forwarded_reader import ForwardedReader

CHECK_PATH: Final = "/envoy.service.auth.v3.Authorization/Check"

_QUOTAS: Final = MatchingQuotas()  # Envoy cannot name quotas: the rules decide which apply


def ext_authz_methods(
    mixer: Mixer,
    *,
    vocabulary: VocabularySource,
    forwarded: ForwardedReader | None = None,
    recall: PartRecall | None = None,
) -> tuple[UnaryMethod, ...]:
    """Methods that answer Envoy's external authorization filters, HTTP and TCP, from `mixer`.

    `forwarded` judges headers `x-istio-attributes`; without it none counts. `recall`: of the memory that
    `mixer` is, if it is one.

    A failure to decide becomes a gRPC status, so that Envoy's own `failure_mode_allow` and
    `status_on_error` say what happens to the request.
    """
    encoder = OutcomeEncoder()
    decode, encode, check_now = CheckDecoder().decode, encoder.encode, mixer.check_now
    reader = forwarded or ForwardedReader()
    find = None if recall is None else recall.find

    def check(message: bytes, context: CallContext) -> bytes | Awaitable[bytes]:
        try:
            bag = decode(message, vocabulary(), lambda header: reader.read(header, context.peer))
            found = find(bag, bag.part) if find is not None and bag.is_usual else None
            if isinstance(found, CheckOutcome):
                headers = None if found.directive is None else bag.open().headers
                return encode(found, headers, bag.forwarded)
            request = CheckRequest(bag, _QUOTAS, bag.deduplication_id, context.deadline)
            outcome = check_now(request) if found is None else found(request)
            if outcome is not None:
                headers = None if outcome.directive is None else bag.open().headers
                return encode(outcome, headers, bag.forwarded)
        except PolicyError as error:
            raise RpcError(error.code, error.message) from error
        return _check_later(mixer, request, bag, encoder)

    return (UnaryMethod(CHECK_PATH, check),)


async def _check_later(
    mixer: Mixer, request: CheckRequest, bag: CheckBag, encoder: OutcomeEncoder
) -> bytes:
    try:
        outcome = await mixer.check(request)
        headers = None if outcome.directive is None else bag.open().headers
        return encoder.encode(outcome, headers, bag.forwarded)
    except PolicyError as error:
        raise RpcError(error.code, error.message) from error
