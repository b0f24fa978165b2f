"""What out-of-process adapters answer, out of bytes. Whatever they send, nothing here hangs.

Source: `CheckResult`, `QuotaResult` and `OutputMsg` of release 1.3.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from google.protobuf.message import DecodeError

from remixer.attributes.values import Duration
from remixer.foundation.status import Status
from remixer.wire._pb.istio.mixer.adapter.model.v1beta1.check_pb2 import CheckResult
from remixer.wire._pb.istio.mixer.adapter.model.v1beta1.quota_pb2 import QuotaResult
from remixer.wire._pb.istio.policy.v1beta1.http_response_pb2 import DirectHttpResponse
from remixer.wire.bag import decode_duration
from remixer.wire.field_bytes import LENGTH_DELIMITED, MalformedMessageError, wire_fields

_FIRST_HTTP: Final = 200
_LAST_HTTP: Final = 599
_RESULT: Final = 1
_OUTPUT: Final = 2


class DirectAnswer(NamedTuple):
    """What the client is to get in place of the service's answer; `code` 0: derive it."""

    code: int
    body: str
    headers: Mapping[str, str]


class Verdict(NamedTuple):
    """A decoded `CheckResult`."""

    status: Status
    valid_duration: Duration
    valid_use_count: int
    direct: DirectAnswer | None


class Allotment(NamedTuple):
    """One entry of a decoded `QuotaResult`."""

    granted: int
    valid_duration: Duration
    status: Status


def decode_verdict(payload: bytes) -> Verdict:
    """Raises `MalformedMessageError`. A code that nobody knows is passed on as it is."""
    try:
        message = CheckResult.FromString(payload)
    except DecodeError as error:
        text = f"{len(payload)} bytes are no CheckResult"
        raise MalformedMessageError(text) from error
    return Verdict(
        Status(message.status.code, message.status.message),
        _lifetime(message),
        message.valid_use_count,
        _direct(message),
    )


def decode_allotment(payload: bytes, instance: str) -> Allotment:
    """The entry of `instance`. Raises `MalformedMessageError`, also if there is none."""
    try:
        message = QuotaResult.FromString(payload)
    except DecodeError as error:
        text = f"{len(payload)} bytes are no QuotaResult"
        raise MalformedMessageError(text) from error
    if instance not in message.quotas:
        text = f"the QuotaResult has no entry for `{instance}`"
        raise MalformedMessageError(text)
    found = message.quotas[instance]
    return Allotment(
        max(0, found.granted_amount),
        _lifetime(found),
        Status(found.status.code, found.status.message),
    )


def split_response(payload: bytes) -> tuple[bytes, bytes]:
    """The `CheckResult` and the `OutputMsg` of a CHECK_WITH_OUTPUT response.

    Raises `MalformedMessageError`. Source: Mixer 1.3 takes no other field.
    """
    result = output = b""
    for number, wire_type, value in wire_fields(payload):
        if wire_type != LENGTH_DELIMITED or not isinstance(value, bytes):
            text = f"field {number} of the response is no message"
            raise MalformedMessageError(text)
        # A message that comes in parts is its parts' bytes one after another.
        if number == _RESULT:
            result += value
        elif number == _OUTPUT:
            output += value
        else:
            text = f"the response has an unknown field {number}"
            raise MalformedMessageError(text)
    return result, output


def _lifetime(message: CheckResult | QuotaResult.Result) -> Duration:
    """Zero if absent, negative, or more than nanoseconds in 64 bits."""
    duration = decode_duration(message.valid_duration)
    return Duration(0) if duration is None or duration < 0 else duration


def _direct(message: CheckResult) -> DirectAnswer | None:
    """The first detail that is a direct response; one that cannot be read counts as none."""
    for detail in message.status.details:
        if detail.Is(DirectHttpResponse.DESCRIPTOR):
            try:
                found = DirectHttpResponse.FromString(detail.value)
            except DecodeError:
                continue
            # No client could be sent another code.
            code = found.code if _FIRST_HTTP <= found.code <= _LAST_HTTP else 0
            return DirectAnswer(code, found.body, dict(found.headers))
    return None
