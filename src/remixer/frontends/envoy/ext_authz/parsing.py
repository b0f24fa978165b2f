"""Parts of a CheckRequest: from bytes to protobuf's messages."""

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from remixer.foundation.errors import InvalidRequestError
from remixer.wire._pb.envoy.service.auth.v3.external_auth_pb2 import CheckRequest
from remixer.wire.framing import embedded

M = TypeVar("M", bound=Message)


def parsed(kind: type[M], octets: bytes) -> M:
    """Raises `InvalidRequestError`."""
    try:
        return kind.FromString(octets)
    except DecodeError as error:
        text = f"not an envoy.service.auth.v3.CheckRequest: {error}"
        raise InvalidRequestError(text) from error


def written_anew(message: bytes) -> bytes:
    """The same as Envoy would have written it. Raises `InvalidRequestError`."""
    return embedded(1, parsed(CheckRequest, message).attributes.SerializeToString())
