"""What a Mixer sends an adapter, out of bytes: the request around instances.

`adapter_calls` is the other way.

One reading for all varieties: field 1 holds one instance, or for reports any number.

Source: HandleXRequest of Mixer 1.3's generated service definitions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError

from remixer.wire._pb.istio.mixer.adapter.model.v1beta1.quota_pb2 import QuotaRequest
from remixer.wire.field_bytes import LENGTH_DELIMITED, MalformedMessageError, wire_fields
from remixer.wire.value_bytes import decode_text

MAX_INSTANCES: Final = 20_000
"""Of one report: as many as `wire.report` takes elements."""


@dataclass(frozen=True, slots=True)
class PackedConfig:
    """An adapter's parameters as `google.protobuf.Any`."""

    type_url: str
    value: bytes = b""

    @property
    def type_name(self) -> str:
        """Full name of the message; the bypass adapter sends it without a host."""
        return self.type_url.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class QuotaAmount:
    """How much one instance is to be granted."""

    amount: int
    best_effort: bool = False


@dataclass(frozen=True, slots=True)
class HandleRequest:
    """One call of an adapter. `quotas` by instance name; only for QUOTA."""

    instances: tuple[bytes, ...]
    adapter_config: PackedConfig | None = None
    dedup_id: str = ""
    quotas: Mapping[str, QuotaAmount] = field(default_factory=dict)


def decode_handle_request(payload: bytes, *, is_report: bool) -> HandleRequest:
    """Raises `MalformedMessageError`. Instances of other varieties than REPORT are merged."""
    instances: list[bytes] = []
    config: bytes | None = None
    quotas = b""
    dedup_id = ""
    for number, wire_type, found in wire_fields(payload):
        if wire_type != LENGTH_DELIMITED:
            continue
        value = cast("bytes", found)
        match number:
            case 1:
                instances.append(value)
            case 2:
                config = (config or b"") + value
            case 3:
                dedup_id = decode_text(value)
            case 4:
                quotas += value
            case _:
                pass
    if len(instances) > MAX_INSTANCES:
        text = f"{len(instances)} instances; at most {MAX_INSTANCES} are allowed"
        raise MalformedMessageError(text)
    return HandleRequest(
        instances=tuple(instances) if is_report else (b"".join(instances),),
        adapter_config=None if config is None else decode_config(config),
        dedup_id=dedup_id,
        quotas=_quotas(quotas) if quotas else {},
    )


def decode_config(payload: bytes) -> PackedConfig:
    """Raises `MalformedMessageError`."""
    try:
        message = AnyMessage.FromString(payload)
    except DecodeError as error:
        text = f"adapter_config: {len(payload)} bytes are no Any ({error})"
        raise MalformedMessageError(text) from error
    return PackedConfig(message.type_url, message.value)


def _quotas(payload: bytes) -> dict[str, QuotaAmount]:
    try:
        message = QuotaRequest.FromString(payload)
    except DecodeError as error:
        text = f"quota_request: {len(payload)} bytes are no QuotaRequest ({error})"
        raise MalformedMessageError(text) from error
    return {
        name: QuotaAmount(params.amount, params.best_effort)
        for name, params in message.quotas.items()
    }
