"""Attributes in plain form: the `x-istio-attributes` header that proxies hand on."""

import binascii
from base64 import b64decode, b64encode
from typing import Final

from google.protobuf.message import DecodeError

from remixer.attributes.bag import Bag, PlainBag
from remixer.attributes.values import Duration, PlainStringMap, StringMap, Timestamp, Value
from remixer.foundation.errors import InvalidRequestError
from remixer.wire._pb.istio.mixer.v1.attributes_pb2 import Attributes
from remixer.wire.bag import decode_duration, decode_timestamp
from remixer.wire.durations import split_duration, split_timestamp
from remixer.wire.text import encodable

ACCEPTED: Final = frozenset(
    {
        "source.uid",
        "source.namespace",
        "destination.service.name",
        "destination.service.uid",
        "destination.service.host",
        "destination.service.namespace",
    }
)
"""Names that count of an incoming header. Source: Mixer's client."""


def accepted(header: str) -> dict[str, str]:
    """The attributes that count: six names, non-empty text. Raises `InvalidRequestError`."""
    bag = decode_forwarded(header)
    return {
        name: value
        for name in ACCEPTED & bag.keys()
        if isinstance(value := bag[name], str) and value
    }


def decode_forwarded(header: str) -> PlainBag:
    """Raises `InvalidRequestError` if the header is no base64 of such attributes."""
    try:
        message = Attributes.FromString(b64decode(header, validate=True))
    except (binascii.Error, ValueError, DecodeError) as error:
        text = f"x-istio-attributes: not base64 of istio.mixer.v1.Attributes ({error})"
        raise InvalidRequestError(text) from error
    bag = PlainBag()
    for name, wrapped in message.attributes.items():
        value = _unwrapped(wrapped)
        if value is not None:
            bag[name] = value
    return bag


def encode_forwarded(bag: Bag) -> str:
    """All attributes of `bag`, as the header's value."""
    message = Attributes()
    for name in bag.names():
        value = bag[name]
        if value is not None:
            _wrap(message.attributes[encodable(name)], value)
    return b64encode(message.SerializeToString(deterministic=True)).decode("ascii")


def _unwrapped(wrapped: Attributes.AttributeValue) -> Value | None:
    match wrapped.WhichOneof("value"):
        case "timestamp_value":
            return decode_timestamp(wrapped.timestamp_value)
        case "duration_value":
            return decode_duration(wrapped.duration_value)
        case "string_map_value":
            return PlainStringMap(wrapped.string_map_value.entries)
        case None:
            return None
        case scalar:
            value: Value = getattr(wrapped, scalar)
            return value


def _wrap(wrapped: Attributes.AttributeValue, value: Value) -> None:
    # Order matters: bool, Timestamp and Duration are ints to Python.
    match value:
        case str():
            wrapped.string_value = encodable(value)
        case bool():
            wrapped.bool_value = value
        case Timestamp() | Duration():
            _wrap_time(wrapped, value)
        case int():
            wrapped.int64_value = value
        case float():
            wrapped.double_value = value
        case bytes():
            wrapped.bytes_value = value
        case _:
            _wrap_map(wrapped, value)


def _wrap_time(wrapped: Attributes.AttributeValue, value: Timestamp | Duration) -> None:
    if isinstance(value, Timestamp):
        instant = wrapped.timestamp_value
        instant.seconds, instant.nanos = split_timestamp(value)
        instant.SetInParent()
    else:
        length = wrapped.duration_value
        length.seconds, length.nanos = split_duration(value)
        length.SetInParent()


def _wrap_map(wrapped: Attributes.AttributeValue, value: StringMap) -> None:
    wrapped.string_map_value.SetInParent()
    for key, text in value.whole().items():
        wrapped.string_map_value.entries[encodable(key)] = encodable(text)
