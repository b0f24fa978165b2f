"""Envoy's common field types as attribute values; None wherever a value does not fit its type."""

from typing import Final

from google.protobuf.duration_pb2 import Duration as ProtoDuration
from google.protobuf.timestamp_pb2 import Timestamp as ProtoTimestamp

from remixer.attributes.http_request import ip_bytes
from remixer.attributes.values import Duration, Timestamp
from remixer.wire._pb.envoy.config.core.v3.address_pb2 import Address

_NS_PER_S: Final = 1_000_000_000
_INT64_BOUND: Final = 2**63


def int64(value: int) -> int | None:
    """`value` if an INT64 attribute can hold it."""
    return value if -_INT64_BOUND <= value < _INT64_BOUND else None


def timestamp(value: ProtoTimestamp) -> Timestamp | None:
    nanoseconds = value.seconds * _NS_PER_S + value.nanos
    return None if int64(nanoseconds) is None else Timestamp(nanoseconds)


def duration(value: ProtoDuration) -> Duration | None:
    nanoseconds = value.seconds * _NS_PER_S + value.nanos
    return None if int64(nanoseconds) is None else Duration(nanoseconds)


def ip_of(address: Address) -> bytes | None:
    """4 or 16 bytes; None for a pipe, an internal listener or an unresolved name."""
    return ip_bytes(address.socket_address.address)


def port_of(address: Address) -> int | None:
    """None where there is no numbered port."""
    return address.socket_address.port_value or None
