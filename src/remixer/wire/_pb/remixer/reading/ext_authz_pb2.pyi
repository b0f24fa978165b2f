import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from remixer.wire._pb.envoy.config.core.v3 import base_pb2 as _base_pb2
from remixer.wire._pb.envoy.service.auth.v3 import attribute_context_pb2 as _attribute_context_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RequestParts(_message.Message):
    __slots__ = ("time", "http")
    TIME_FIELD_NUMBER: _ClassVar[int]
    HTTP_FIELD_NUMBER: _ClassVar[int]
    time: _timestamp_pb2.Timestamp
    http: HttpParts
    def __init__(self, time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., http: _Optional[_Union[HttpParts, _Mapping]] = ...) -> None: ...

class HttpParts(_message.Message):
    __slots__ = ("id", "method", "headers", "path", "host", "scheme", "size", "header_map")
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    SCHEME_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    HEADER_MAP_FIELD_NUMBER: _ClassVar[int]
    id: str
    method: str
    headers: _containers.ScalarMap[str, str]
    path: str
    host: str
    scheme: str
    size: int
    header_map: _base_pb2.HeaderMap
    def __init__(self, id: _Optional[str] = ..., method: _Optional[str] = ..., headers: _Optional[_Mapping[str, str]] = ..., path: _Optional[str] = ..., host: _Optional[str] = ..., scheme: _Optional[str] = ..., size: _Optional[int] = ..., header_map: _Optional[_Union[_base_pb2.HeaderMap, _Mapping]] = ...) -> None: ...

class StaticParts(_message.Message):
    __slots__ = ("source", "destination", "request", "context_extensions", "metadata_context", "route_metadata_context")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_EXTENSIONS_FIELD_NUMBER: _ClassVar[int]
    METADATA_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    ROUTE_METADATA_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    source: _containers.RepeatedScalarFieldContainer[bytes]
    destination: _containers.RepeatedScalarFieldContainer[bytes]
    request: _containers.RepeatedScalarFieldContainer[bytes]
    context_extensions: _containers.RepeatedScalarFieldContainer[bytes]
    metadata_context: _containers.RepeatedScalarFieldContainer[bytes]
    route_metadata_context: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, source: _Optional[_Iterable[bytes]] = ..., destination: _Optional[_Iterable[bytes]] = ..., request: _Optional[_Iterable[bytes]] = ..., context_extensions: _Optional[_Iterable[bytes]] = ..., metadata_context: _Optional[_Iterable[bytes]] = ..., route_metadata_context: _Optional[_Iterable[bytes]] = ...) -> None: ...

class DynamicParts(_message.Message):
    __slots__ = ("metadata_context", "tls_session")
    METADATA_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    TLS_SESSION_FIELD_NUMBER: _ClassVar[int]
    metadata_context: _base_pb2.Metadata
    tls_session: _attribute_context_pb2.AttributeContext.TLSSession
    def __init__(self, metadata_context: _Optional[_Union[_base_pb2.Metadata, _Mapping]] = ..., tls_session: _Optional[_Union[_attribute_context_pb2.AttributeContext.TLSSession, _Mapping]] = ...) -> None: ...
