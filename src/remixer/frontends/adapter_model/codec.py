"""What a handler answers, as the messages of Mixer's adapter model.

Source: `istio.mixer.adapter.model.v1beta1` of release 1.3.
"""

from typing import Final, TypeAlias

from google.protobuf.any_pb2 import Any as AnyMessage

from remixer.foundation.status import Status
from remixer.sdk.params import DirectHttpResponse
from remixer.sdk.results import CheckResult, QuotaResult
from remixer.wire._pb.istio.mixer.adapter.model.v1beta1 import (
    check_pb2,
    infrastructure_backend_pb2,
    quota_pb2,
)
from remixer.wire._pb.istio.policy.v1beta1 import http_response_pb2
from remixer.wire.durations import split_duration
from remixer.wire.framing import embedded
from remixer.wire.integers import nearest_int32, nearest_int64
from remixer.wire.text import encodable

REPORT_RESULT: Final = b""
_RESULT: Final = 1
_OUTPUT: Final = 2
_WithStatus: TypeAlias = (
    check_pb2.CheckResult
    | quota_pb2.QuotaResult.Result
    | infrastructure_backend_pb2.ValidateResponse
    | infrastructure_backend_pb2.CreateSessionResponse
    | infrastructure_backend_pb2.CloseSessionResponse
)


def encode_check_result(result: CheckResult) -> bytes:
    """Nothing at all for "no opinion"; a status that is OK is left out."""
    message = check_pb2.CheckResult(valid_use_count=nearest_int32(result.valid_use_count))
    if not result.status.is_ok:
        set_status(message, result.status, result.direct_response)
    if result.valid_duration:
        message.valid_duration.seconds, message.valid_duration.nanos = split_duration(
            result.valid_duration
        )
    return message.SerializeToString()


def encode_check_output(result: CheckResult, output: bytes) -> bytes:
    """The answer of a template of variety CHECK_WITH_OUTPUT."""
    return embedded(_RESULT, encode_check_result(result)) + embedded(_OUTPUT, output)


def encode_quota_result(instance: str, result: QuotaResult) -> bytes:
    """The one entry has the key of the request, else Mixers take it for no answer."""
    message = quota_pb2.QuotaResult()
    entry = message.quotas[encodable(instance)]
    entry.granted_amount = nearest_int64(result.granted)
    if result.valid_duration:
        entry.valid_duration.seconds, entry.valid_duration.nanos = split_duration(
            result.valid_duration
        )
    if not result.status.is_ok:
        set_status(entry, result.status)
    return message.SerializeToString()


def set_status(
    message: _WithStatus, status: Status, response: DirectHttpResponse | None = None
) -> None:
    """Fill `google.rpc.Status`; a direct response is its only detail."""
    target = message.status
    target.code = nearest_int32(status.code)
    target.message = encodable(status.message)
    if response is not None:
        target.details.append(_packed(response))


def _packed(response: DirectHttpResponse) -> AnyMessage:
    message = http_response_pb2.DirectHttpResponse(
        body=encodable(response.body),
        headers={encodable(key): encodable(text) for key, text in response.headers.items()},
    )
    # An open enum: other people's HTTP codes pass as they are.
    message.code = nearest_int32(response.code)  # type: ignore[assignment]  # int for its enum
    return AnyMessage(type_url=DirectHttpResponse.TYPE_URL, value=message.SerializeToString())
