"""The client's half of `InfrastructureBackend`: sessions with an out-of-process adapter.

Source: infrastructure_backend.proto of release 1.3.
"""

from collections.abc import Mapping

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError

from remixer.foundation.status import Status
from remixer.wire._pb.istio.mixer.adapter.model.v1beta1.infrastructure_backend_pb2 import (
    CloseSessionRequest,
    CreateSessionRequest,
    CreateSessionResponse,
    ValidateRequest,
    ValidateResponse,
)
from remixer.wire.field_bytes import MalformedMessageError


def encode_validate(type_url: str, config: bytes, types: Mapping[str, tuple[str, bytes]]) -> bytes:
    """`types`: type URL and bytes of the `Type` message by instance name."""
    request = ValidateRequest()
    _fill(request, type_url, config, types)
    return request.SerializeToString(deterministic=True)


def encode_create_session(
    type_url: str, config: bytes, types: Mapping[str, tuple[str, bytes]]
) -> bytes:
    """As `encode_validate`."""
    request = CreateSessionRequest()
    _fill(request, type_url, config, types)
    return request.SerializeToString(deterministic=True)


def _fill(
    request: ValidateRequest | CreateSessionRequest,
    type_url: str,
    config: bytes,
    types: Mapping[str, tuple[str, bytes]],
) -> None:
    if type_url:
        request.adapter_config.CopyFrom(AnyMessage(type_url=type_url, value=config))
    for name, (url, value) in types.items():
        request.inferred_types[name].CopyFrom(AnyMessage(type_url=url, value=value))


def encode_close_session(session_id: str) -> bytes:
    return CloseSessionRequest(session_id=session_id).SerializeToString()


def encode_session_answer(session_id: str) -> bytes:
    """The answer of CreateSession as calls carry it back."""
    return CreateSessionResponse(session_id=session_id).SerializeToString()


def decode_validated(payload: bytes) -> Status:
    """Raises `MalformedMessageError`."""
    try:
        status = ValidateResponse.FromString(payload).status
    except DecodeError as error:
        text = f"{len(payload)} bytes are no ValidateResponse"
        raise MalformedMessageError(text) from error
    return Status(status.code, status.message)


def decode_session(payload: bytes) -> tuple[str, Status]:
    """The new session's id, and whether there is one. Raises `MalformedMessageError`."""
    try:
        response = CreateSessionResponse.FromString(payload)
    except DecodeError as error:
        text = f"{len(payload)} bytes are no CreateSessionResponse"
        raise MalformedMessageError(text) from error
    return response.session_id, Status(response.status.code, response.status.message)
