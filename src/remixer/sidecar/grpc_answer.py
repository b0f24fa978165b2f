"""What a gRPC client gets in place of the handler's answer.

Pure. A refusal is a status with nothing before it, which HTTP/2 carries in one block of headers;
clients take all of that block for trailing metadata. So that is where header operations of a
direct response end up, as they do behind a proxy that answers in place of the server.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from remixer.foundation.status import Code
from remixer.mixer.http_answer import Answer
from remixer.sidecar.grpc_metadata import Metadata, changed_head
from remixer.transport.statuses import shortened

# Source: gRPC's own table for HTTP responses without a status; all others are UNKNOWN.
_CODE_BY_HTTP: Final[Mapping[int, Code]] = {
    400: Code.INTERNAL,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.UNIMPLEMENTED,
    429: Code.UNAVAILABLE,
    502: Code.UNAVAILABLE,
    503: Code.UNAVAILABLE,
    504: Code.UNAVAILABLE,
}
_CODES: Final = frozenset(int(code) for code in Code)


class GrpcRefusal(NamedTuple):
    """A status, never OK, and what goes out with it."""

    code: Code
    message: str
    trailing: Metadata


def grpc_refusal(answer: Answer) -> GrpcRefusal:
    """The status of the verdict; of a direct response to an allowed call, that of its HTTP code.

    Codes that gRPC does not have become UNKNOWN.
    """
    status = answer.verdict.status
    code, message = status.code, status.message
    if status.is_ok:
        code = _CODE_BY_HTTP.get(answer.http_status, Code.UNKNOWN)
        message = answer.body or f"HTTP {answer.http_status}"
    known = Code(code) if code in _CODES else Code.UNKNOWN
    return GrpcRefusal(known, shortened(message), changed_head((), answer.response_operations))
