import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from remixer.wire._pb.envoy.config.core.v3 import address_pb2 as _address_pb2
from remixer.wire._pb.envoy.data.accesslog.v3 import accesslog_pb2 as _accesslog_pb2
from remixer.wire._pb.envoy.service.accesslog.v3 import als_pb2 as _als_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LogParts(_message.Message):
    __slots__ = ("identifier", "http_logs", "tcp_logs")
    class HttpEntries(_message.Message):
        __slots__ = ("log_entry",)
        LOG_ENTRY_FIELD_NUMBER: _ClassVar[int]
        log_entry: _containers.RepeatedCompositeFieldContainer[HttpEntryParts]
        def __init__(self, log_entry: _Optional[_Iterable[_Union[HttpEntryParts, _Mapping]]] = ...) -> None: ...
    class TcpEntries(_message.Message):
        __slots__ = ("log_entry",)
        LOG_ENTRY_FIELD_NUMBER: _ClassVar[int]
        log_entry: _containers.RepeatedCompositeFieldContainer[TcpEntryParts]
        def __init__(self, log_entry: _Optional[_Iterable[_Union[TcpEntryParts, _Mapping]]] = ...) -> None: ...
    IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    HTTP_LOGS_FIELD_NUMBER: _ClassVar[int]
    TCP_LOGS_FIELD_NUMBER: _ClassVar[int]
    identifier: _als_pb2.StreamAccessLogsMessage.Identifier
    http_logs: LogParts.HttpEntries
    tcp_logs: LogParts.TcpEntries
    def __init__(self, identifier: _Optional[_Union[_als_pb2.StreamAccessLogsMessage.Identifier, _Mapping]] = ..., http_logs: _Optional[_Union[LogParts.HttpEntries, _Mapping]] = ..., tcp_logs: _Optional[_Union[LogParts.TcpEntries, _Mapping]] = ...) -> None: ...

class HttpEntryParts(_message.Message):
    __slots__ = ("common_properties", "request", "response")
    COMMON_PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    common_properties: EntryParts
    request: _accesslog_pb2.HTTPRequestProperties
    response: _accesslog_pb2.HTTPResponseProperties
    def __init__(self, common_properties: _Optional[_Union[EntryParts, _Mapping]] = ..., request: _Optional[_Union[_accesslog_pb2.HTTPRequestProperties, _Mapping]] = ..., response: _Optional[_Union[_accesslog_pb2.HTTPResponseProperties, _Mapping]] = ...) -> None: ...

class TcpEntryParts(_message.Message):
    __slots__ = ("common_properties", "connection_properties")
    COMMON_PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    common_properties: EntryParts
    connection_properties: _accesslog_pb2.ConnectionProperties
    def __init__(self, common_properties: _Optional[_Union[EntryParts, _Mapping]] = ..., connection_properties: _Optional[_Union[_accesslog_pb2.ConnectionProperties, _Mapping]] = ...) -> None: ...

class EntryParts(_message.Message):
    __slots__ = ("downstream_remote_address", "downstream_local_address", "tls_properties", "start_time", "time_to_first_downstream_tx_byte", "time_to_last_downstream_tx_byte", "upstream_remote_address", "upstream_cluster", "response_flags", "metadata", "route_name", "downstream_direct_remote_address", "custom_tags", "duration", "stream_id", "downstream_wire_bytes_sent", "downstream_wire_bytes_received", "access_log_type")
    class CustomTagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DOWNSTREAM_REMOTE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    DOWNSTREAM_LOCAL_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    TLS_PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    TIME_TO_FIRST_DOWNSTREAM_TX_BYTE_FIELD_NUMBER: _ClassVar[int]
    TIME_TO_LAST_DOWNSTREAM_TX_BYTE_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_REMOTE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_CLUSTER_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FLAGS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    ROUTE_NAME_FIELD_NUMBER: _ClassVar[int]
    DOWNSTREAM_DIRECT_REMOTE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_TAGS_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    DOWNSTREAM_WIRE_BYTES_SENT_FIELD_NUMBER: _ClassVar[int]
    DOWNSTREAM_WIRE_BYTES_RECEIVED_FIELD_NUMBER: _ClassVar[int]
    ACCESS_LOG_TYPE_FIELD_NUMBER: _ClassVar[int]
    downstream_remote_address: _address_pb2.Address
    downstream_local_address: _address_pb2.Address
    tls_properties: _accesslog_pb2.TLSProperties
    start_time: _timestamp_pb2.Timestamp
    time_to_first_downstream_tx_byte: _duration_pb2.Duration
    time_to_last_downstream_tx_byte: _duration_pb2.Duration
    upstream_remote_address: _address_pb2.Address
    upstream_cluster: str
    response_flags: _accesslog_pb2.ResponseFlags
    metadata: _containers.RepeatedScalarFieldContainer[bytes]
    route_name: str
    downstream_direct_remote_address: _address_pb2.Address
    custom_tags: _containers.ScalarMap[str, str]
    duration: _duration_pb2.Duration
    stream_id: str
    downstream_wire_bytes_sent: int
    downstream_wire_bytes_received: int
    access_log_type: _accesslog_pb2.AccessLogType
    def __init__(self, downstream_remote_address: _Optional[_Union[_address_pb2.Address, _Mapping]] = ..., downstream_local_address: _Optional[_Union[_address_pb2.Address, _Mapping]] = ..., tls_properties: _Optional[_Union[_accesslog_pb2.TLSProperties, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., time_to_first_downstream_tx_byte: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., time_to_last_downstream_tx_byte: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., upstream_remote_address: _Optional[_Union[_address_pb2.Address, _Mapping]] = ..., upstream_cluster: _Optional[str] = ..., response_flags: _Optional[_Union[_accesslog_pb2.ResponseFlags, _Mapping]] = ..., metadata: _Optional[_Iterable[bytes]] = ..., route_name: _Optional[str] = ..., downstream_direct_remote_address: _Optional[_Union[_address_pb2.Address, _Mapping]] = ..., custom_tags: _Optional[_Mapping[str, str]] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., stream_id: _Optional[str] = ..., downstream_wire_bytes_sent: _Optional[int] = ..., downstream_wire_bytes_received: _Optional[int] = ..., access_log_type: _Optional[_Union[_accesslog_pb2.AccessLogType, str]] = ...) -> None: ...
