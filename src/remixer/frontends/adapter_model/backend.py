"""`InfrastructureBackend`: Validate, CreateSession, CloseSession as gRPC methods.

What is wrong with a configuration is told in the answer's status; only bytes that are no request
end the call itself.
"""

from collections.abc import Iterator, Mapping
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from remixer.foundation.errors import InvalidRequestError, PolicyError
from remixer.foundation.status import Code, Status
from remixer.frontends.adapter_model.building import Workshop, handler_key
from remixer.frontends.adapter_model.codec import set_status
from remixer.frontends.adapter_model.sessions import SessionTable
from remixer.templates.schema import InstanceType, Template
from remixer.transport.port import CallContext, RpcError, UnaryMethod
from remixer.wire._pb.istio.mixer.adapter.model.v1beta1 import infrastructure_backend_pb2 as pb
from remixer.wire.adapter_model import (
    CLOSE_SESSION_PATH,
    CREATE_SESSION_PATH,
    VALIDATE_PATH,
)
from remixer.wire.adapter_requests import PackedConfig
from remixer.wire.inferred_types import decode_inferred_types

M = TypeVar("M", bound=Message)


class InfrastructureBackend:
    """Answers for one adapter."""

    __slots__ = ("_sessions", "_templates", "_workshop")

    def __init__(
        self, *, templates: Mapping[str, Template], workshop: Workshop, sessions: SessionTable
    ) -> None:
        """`templates` by package."""
        self._templates = templates
        self._workshop = workshop
        self._sessions = sessions

    def methods(self) -> tuple[UnaryMethod, ...]:
        return (
            UnaryMethod(VALIDATE_PATH, self.validate),
            UnaryMethod(CREATE_SESSION_PATH, self.create_session),
            UnaryMethod(CLOSE_SESSION_PATH, self.close_session),
        )

    def validate(self, payload: bytes, _context: CallContext) -> bytes:
        request = _parsed(pb.ValidateRequest, payload)
        response = pb.ValidateResponse()
        try:
            instances = tuple(self._instances(_types(request)))
            self._workshop.validated(_config(request), instances)
        except PolicyError as error:
            set_status(response, Status(error.code, error.message))
        return response.SerializeToString()

    async def create_session(self, payload: bytes, _context: CallContext) -> bytes:
        request = _parsed(pb.CreateSessionRequest, payload)
        response = pb.CreateSessionResponse()
        config, types = _config(request), _types(request)
        try:
            instances = tuple(self._instances(types))
            key = handler_key(config, {name: each.value for name, each in types.items()})
            response.session_id = await self._sessions.open(
                key, lambda: self._workshop.build(config, instances)
            )
        except PolicyError as error:
            set_status(response, Status(error.code, error.message))
        return response.SerializeToString()

    def close_session(self, payload: bytes, _context: CallContext) -> bytes:
        request = _parsed(pb.CloseSessionRequest, payload)
        response = pb.CloseSessionResponse()
        try:
            self._sessions.close(request.session_id)
        except PolicyError as error:
            set_status(response, Status(error.code, error.message))
        return response.SerializeToString()

    def _instances(self, types: Mapping[str, PackedConfig]) -> Iterator[InstanceType]:
        """Raises `InvalidRequestError` for types of templates that the adapter does not take."""
        for name, packed in types.items():
            package = packed.type_name.rpartition(".")[0]
            template = self._templates.get(package)
            if template is None:
                message = (
                    f"inferred_types[{name}]: `{packed.type_name}` is of no template of the adapter"
                )
                raise InvalidRequestError(message)
            found = decode_inferred_types(template.message, packed.value)
            yield InstanceType(name, template.name, found)


def _parsed(kind: type[M], payload: bytes) -> M:
    try:
        return kind.FromString(payload)
    except DecodeError as error:
        text = f"{kind.DESCRIPTOR.full_name}: {len(payload)} bytes are no such message ({error})"
        raise RpcError(Code.INVALID_ARGUMENT, text) from error


def _config(request: pb.ValidateRequest | pb.CreateSessionRequest) -> PackedConfig | None:
    if not request.HasField("adapter_config"):
        return None
    return PackedConfig(request.adapter_config.type_url, request.adapter_config.value)


def _types(request: pb.ValidateRequest | pb.CreateSessionRequest) -> dict[str, PackedConfig]:
    return {
        name: PackedConfig(packed.type_url, packed.value)
        for name, packed in request.inferred_types.items()
    }
