"""Requests to out-of-process adapters, into bytes. On the path of every check.

A request is the instances, the adapter's parameters (constant), an id and, for quotas, the amount;
so it is put together from bytes that are mostly there already.

Source: HandleXRequest of Mixer 1.3.
"""

from collections.abc import Iterable
from typing import Final

from remixer.wire.field_bytes import LENGTH_DELIMITED, VARINT, length_delimited, tag, varint
from remixer.wire.typed_payloads import sized

_INSTANCE_TAG: Final = tag(1, LENGTH_DELIMITED)
_DEDUP_TAG: Final = tag(3, LENGTH_DELIMITED)
_ADAPTER_CONFIG: Final = 2
_QUOTA_REQUEST: Final = 4


def any_field(number: int, type_url: str, value: bytes) -> bytes:
    """A field that holds a `google.protobuf.Any`."""
    content = length_delimited(1, type_url.encode())
    if value:
        content += length_delimited(2, value)
    return length_delimited(number, content)


def config_field(type_url: str, value: bytes) -> bytes:
    """Field `adapter_config` of a request."""
    return any_field(_ADAPTER_CONFIG, type_url, value)


def handle_request(instance: bytes, config: bytes, dedup_id: str) -> bytes:
    """A request about one instance; `config` comes from `config_field` or is empty."""
    return _INSTANCE_TAG + sized(instance) + config + _DEDUP_TAG + sized(dedup_id.encode())


def report_request(instances: Iterable[bytes], config: bytes, dedup_id: str) -> bytes:
    """A request about many instances."""
    parts: list[bytes] = []
    for instance in instances:
        parts += (_INSTANCE_TAG, sized(instance))
    parts += (config, _DEDUP_TAG, sized(dedup_id.encode()))
    return b"".join(parts)


def quota_field(instance: str, amount: int, *, best_effort: bool) -> bytes:
    """Field `quota_request` with its one entry, to be put behind a request."""
    params = tag(1, VARINT) + varint(amount)
    if best_effort:
        params += tag(2, VARINT) + b"\x01"
    entry = length_delimited(1, instance.encode()) + length_delimited(2, params)
    return length_delimited(_QUOTA_REQUEST, length_delimited(1, entry))
