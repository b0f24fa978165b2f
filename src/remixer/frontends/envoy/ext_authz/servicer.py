"""The gRPC method `envoy.service.auth.v3.Authorization/Check`."""

from collections.abc import Awaitable
from typing import Final

from remixer.foundation.errors import PolicyError
from remixer.frontends.envoy.ext_authz.attributes import CheckBag
from remixer.frontends.envoy.ext_authz.codec import CheckDecoder, OutcomeEncoder
from remixer.frontends.envoy.message_bag import VocabularySource
from remixer.mixer.port import Mixer
from remixer.mixer.request import CheckRequest, MatchingQuotas
from remixer.transport.port import CallContext, RpcError, UnaryMethod
from remixer.wire.forwarded_reader import ForwardedReader

CHECK_PATH: Final = "/envoy.service.auth.v3.Authorization/Check"

_QUOTAS: Final = MatchingQuotas()  # Envoy cannot name quotas: the rules decide which apply


def ext_authz_methods(
    mixer: Mixer, *, vocabulary: VocabularySource, forwarded: ForwardedReader | None = None
) -> tuple[UnaryMethod, ...]:
    """Methods that answer Envoy's external authorization filters, HTTP and TCP, from `mixer`.

    `forwarded` judges headers `x-istio-attributes`; without it none counts.

    A failure to decide becomes a gRPC status, so that Envoy's own `failure_mode_allow` and
    `status_on_error` say what happens to the request.
    """
    decoder, encoder = CheckDecoder(), OutcomeEncoder()
    reader = forwarded or ForwardedReader()

    def check(message: bytes, context: CallContext) -> bytes | Awaitable[bytes]:
        try:
            decoded = decoder.decode(
                message, vocabulary(), lambda header: reader.read(header, context.peer)
            )
            request = CheckRequest(decoded, _QUOTAS, decoded.deduplication_id, context.deadline)
            outcome = mixer.check_now(request)
            if outcome is not None:
                return encoder.encode(outcome, decoded.headers, decoded.forwarded)
        except PolicyError as error:
            raise RpcError(error.code, error.message) from error
        return _check_later(mixer, request, decoded, encoder)

    return (UnaryMethod(CHECK_PATH, check),)


async def _check_later(
    mixer: Mixer, request: CheckRequest, decoded: CheckBag, encoder: OutcomeEncoder
) -> bytes:
    try:
        return encoder.encode(await mixer.check(request), decoded.headers, decoded.forwarded)
    except PolicyError as error:
        raise RpcError(error.code, error.message) from error
