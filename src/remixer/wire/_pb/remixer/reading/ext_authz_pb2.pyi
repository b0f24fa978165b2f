from remixer.wire._pb.envoy.config.core.v3 import base_pb2 as _base_pb2
from remixer.wire._pb.envoy.service.auth.v3 import attribute_context_pb2 as _attribute_context_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AuthorizationParts(_message.Message):
    __slots__ = ("attributes",)
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    attributes: ContextParts
    def __init__(self, attributes: _Optional[_Union[ContextParts, _Mapping]] = ...) -> None: ...

class ContextParts(_message.Message):
    __slots__ = ("source", "destination", "request", "context_extensions", "metadata_context", "tls_session", "route_metadata_context")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_EXTENSIONS_FIELD_NUMBER: _ClassVar[int]
    METADATA_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    TLS_SESSION_FIELD_NUMBER: _ClassVar[int]
    ROUTE_METADATA_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    source: _attribute_context_pb2.AttributeContext.Peer
    destination: _attribute_context_pb2.AttributeContext.Peer
    request: _attribute_context_pb2.AttributeContext.Request
    context_extensions: _containers.RepeatedScalarFieldContainer[bytes]
    metadata_context: _base_pb2.Metadata
    tls_session: _attribute_context_pb2.AttributeContext.TLSSession
    route_metadata_context: _base_pb2.Metadata
    def __init__(self, source: _Optional[_Union[_attribute_context_pb2.AttributeContext.Peer, _Mapping]] = ..., destination: _Optional[_Union[_attribute_context_pb2.AttributeContext.Peer, _Mapping]] = ..., request: _Optional[_Union[_attribute_context_pb2.AttributeContext.Request, _Mapping]] = ..., context_extensions: _Optional[_Iterable[bytes]] = ..., metadata_context: _Optional[_Union[_base_pb2.Metadata, _Mapping]] = ..., tls_session: _Optional[_Union[_attribute_context_pb2.AttributeContext.TLSSession, _Mapping]] = ..., route_metadata_context: _Optional[_Union[_base_pb2.Metadata, _Mapping]] = ...) -> None: ...
