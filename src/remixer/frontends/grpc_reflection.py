"""gRPC's server reflection: lets tools list the services and read their messages.

v1 and v1alpha have the same messages, so one handler serves both.

Source: gRPC server reflection protocol.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from google.protobuf.message import DecodeError

from remixer.foundation.status import Code
from remixer.transport.port import CallContext, Method, RpcError, StreamMethod, service_of
from remixer.wire._pb.grpc.reflection.v1.reflection_pb2 import (
    ErrorResponse,
    ExtensionNumberResponse,
    FileDescriptorResponse,
    ListServiceResponse,
    ServerReflectionRequest,
    ServerReflectionResponse,
    ServiceResponse,
)
from remixer.wire.published import PublishedSchema

_SERVICES: Final = (
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
)


def reflection_methods(
    methods: Sequence[Method], schema: PublishedSchema | None = None
) -> tuple[Method, ...]:
    """Reflection over `methods`, to be served along with them. `schema` None: our own."""
    served = {service_of(method) for method in methods}
    service = _Reflection(schema or PublishedSchema(), services=sorted({*served, *_SERVICES}))
    return tuple(
        StreamMethod(f"/{name}/ServerReflectionInfo", service.answer_all) for name in _SERVICES
    )


class _Reflection:
    __slots__ = ("_schema", "_services")

    def __init__(self, schema: PublishedSchema, *, services: Sequence[str]) -> None:
        self._schema = schema
        self._services = services

    async def answer_all(
        self, requests: AsyncIterator[bytes], _context: CallContext
    ) -> AsyncIterator[bytes]:
        async for payload in requests:
            try:
                request = ServerReflectionRequest.FromString(payload)
            except DecodeError as error:
                text = f"ServerReflectionRequest: {len(payload)} bytes are no such message"
                raise RpcError(Code.INVALID_ARGUMENT, f"{text} ({error})") from error
            response = self._answer(request)
            response.valid_host = request.host
            response.original_request.CopyFrom(request)
            yield response.SerializeToString()

    def _answer(self, request: ServerReflectionRequest) -> ServerReflectionResponse:
        match request.WhichOneof("message_request"):
            case "list_services":
                return self._all_services()
            case "file_by_filename":
                return self._file(request.file_by_filename)
            case "file_containing_symbol":
                return self._file_defining(request.file_containing_symbol)
            case "file_containing_extension":
                return _error(Code.NOT_FOUND, "no extensions are defined here")
            case "all_extension_numbers_of_type":
                return self._extensions_of(request.all_extension_numbers_of_type)
            case _:
                return _error(Code.INVALID_ARGUMENT, "the request asks for nothing known")

    def _all_services(self) -> ServerReflectionResponse:
        services = [ServiceResponse(name=name) for name in self._services]
        return ServerReflectionResponse(
            list_services_response=ListServiceResponse(service=services)
        )

    def _file(self, name: str) -> ServerReflectionResponse:
        files = self._schema.files_with_imports(name)
        if not files:
            return _error(Code.NOT_FOUND, f"no file `{name}`")
        return ServerReflectionResponse(
            file_descriptor_response=FileDescriptorResponse(file_descriptor_proto=files)
        )

    def _file_defining(self, symbol: str) -> ServerReflectionResponse:
        name = self._schema.file_defining(symbol)
        if name is None:
            return _error(Code.NOT_FOUND, f"no symbol `{symbol}`")
        return self._file(name)

    def _extensions_of(self, message: str) -> ServerReflectionResponse:
        if self._schema.file_defining(message) is None:
            return _error(Code.NOT_FOUND, f"no message `{message}`")
        return ServerReflectionResponse(
            all_extension_numbers_response=ExtensionNumberResponse(base_type_name=message)
        )


def _error(code: Code, text: str) -> ServerReflectionResponse:
    return ServerReflectionResponse(
        error_response=ErrorResponse(error_code=code, error_message=text)
    )
