"""What out-of-process adapters answer, decoded."""

from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from remixer.attributes.values import Duration, PlainStringMap, Timestamp
from remixer.foundation.status import Status
from remixer.testing.rich_template import rich_descriptor_set
from remixer.wire._pb.istio.mixer.adapter.model.v1beta1.check_pb2 import CheckResult
from remixer.wire._pb.istio.mixer.adapter.model.v1beta1.quota_pb2 import QuotaResult
from remixer.wire._pb.istio.policy.v1beta1.http_response_pb2 import DirectHttpResponse
from remixer.wire.adapter_answers import (
    DirectAnswer,
    decode_allotment,
    decode_verdict,
    split_response,
)
from remixer.wire.adapter_outputs import OutputDecoder
from remixer.wire.descriptor_files import schema_of
from remixer.wire.descriptor_outputs import output_fields
from remixer.wire.field_bytes import MalformedMessageError

GARBAGE = [b"\x0a\xff", b"\xff", b"\x0a\x02\x08", b"\x12\x05abc"]


def verdict(**fields: Any) -> bytes:
    return CheckResult(**fields).SerializeToString()


def test_verdict_with_all_its_fields() -> None:
    found = decode_verdict(
        verdict(
            status={"code": 7, "message": "no"},
            valid_duration={"seconds": 2, "nanos": 5},
            valid_use_count=-1,
        )
    )
    assert found == (Status(7, "no"), Duration(2_000_000_005), -1, None)


def test_nothing_is_no_opinion() -> None:
    assert decode_verdict(b"") == (Status(), Duration(0), 0, None)


@pytest.mark.parametrize("code", [99, -1, 2**31 - 1])
def test_codes_that_nobody_knows_pass(code: int) -> None:
    assert decode_verdict(verdict(status={"code": code})).status.code == code


@pytest.mark.parametrize("seconds", [-5, 2**62])
def test_absurd_lifetimes_are_none(seconds: int) -> None:
    assert decode_verdict(verdict(valid_duration={"seconds": seconds})).valid_duration == 0


@pytest.mark.parametrize(("code", "told"), [(403, 403), (0, 0), (99, 0), (1000, 0)])
def test_direct_response_is_found_among_the_details(code: int, told: int) -> None:
    response = DirectHttpResponse(body="b", headers={"a": "c"})
    content = response.SerializeToString() + (b"\x08" + varint(code) if code else b"")
    details = [
        AnyMessage(type_url="type.googleapis.com/other.Thing", value=b"\xff"),
        AnyMessage(
            type_url="type.googleapis.com/istio.policy.v1beta1.DirectHttpResponse", value=content
        ),
    ]
    found = decode_verdict(verdict(status={"code": 7, "details": details}))
    assert found.direct == DirectAnswer(told, "b", {"a": "c"})


def varint(number: int) -> bytes:
    return bytes((number & 0x7F | 0x80, number >> 7)) if number > 0x7F else bytes((number,))


def test_direct_response_that_cannot_be_read_counts_as_none() -> None:
    detail = AnyMessage(
        type_url="type.googleapis.com/istio.policy.v1beta1.DirectHttpResponse", value=b"\x0a\xff"
    )
    found = decode_verdict(verdict(status={"code": 7, "details": [detail]}))
    assert (found.status.code, found.direct) == (7, None)


@pytest.mark.parametrize("payload", GARBAGE)
def test_garbage_is_no_verdict(payload: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        decode_verdict(payload)


def test_grant_below_zero_is_nothing() -> None:
    message = QuotaResult()
    message.quotas["i"].granted_amount = -5
    assert decode_allotment(message.SerializeToString(), "i").granted == 0


@pytest.mark.parametrize("payload", [*GARBAGE, b""])
def test_quota_answer_without_our_entry(payload: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        decode_allotment(payload, "i")


def test_response_with_output_may_come_in_parts() -> None:
    assert split_response(b"\x0a\x01a\x12\x01b\x0a\x01c") == (b"ac", b"b")


@pytest.mark.parametrize("payload", [b"\x1a\x00", b"\x08\x01", *GARBAGE[:2]])
def test_response_with_anything_else_is_garbage(payload: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        split_response(payload)


# ---------------------------------------------------------------- outputs, of every type

FILES = FileDescriptorSet.FromString(rich_descriptor_set())
GOOGLE = (("g_at", 60, ".google.protobuf.Timestamp"), ("g_took", 61, ".google.protobuf.Duration"))
for number, kind in enumerate(("uint64", "fixed64", "sfixed32", "sfixed64", "sint32"), start=40):
    FILES.file[-1].message_type[0].field.add(
        name=kind,
        number=number,
        type=FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}"),
        label=FieldDescriptorProto.LABEL_OPTIONAL,
    )
for name, number, kind in GOOGLE:
    FILES.file[-1].message_type[0].field.add(
        name=name,
        number=number,
        type=FieldDescriptorProto.TYPE_MESSAGE,
        type_name=kind,
        label=FieldDescriptorProto.LABEL_OPTIONAL,
    )
SCHEMA = schema_of(FILES.file)
DECODER = OutputDecoder(output_fields(SCHEMA.messages["rich.InstanceMsg"], SCHEMA))


def outputs(**fields: Any) -> dict[str, Any]:
    pool = DescriptorPool()
    for file in FILES.file:
        pool.Add(file)
    message = GetMessageClass(pool.FindMessageTypeByName("rich.InstanceMsg"))(**fields)
    return DECODER.decode(message.SerializeToString())


@pytest.mark.parametrize(
    ("name", "given", "decoded"),
    [
        ("text", "ann", "ann"),
        ("count", -3, -3),
        ("small", -3, -3),
        ("ratio", 0.5, 0.5),
        ("single", 0.5, 0.5),
        ("flag", True, True),
        ("color", 5, 5),
        ("photo", b"x", b"x"),
        ("zigzag", -(2**40), -(2**40)),
        ("sint32", -2, -2),
        ("fixed", 2**31, 2**31),
        ("unsigned", 2**32 - 1, 2**32 - 1),
        ("uint64", 2**64 - 1, -1),
        ("fixed64", 7, 7),
        ("sfixed32", -7, -7),
        ("sfixed64", -7, -7),
        ("at", {"value": {"seconds": 1, "nanos": 2}}, Timestamp(1_000_000_002)),
        ("took", {"value": {"seconds": -1}}, Duration(-1_000_000_000)),
        ("g_at", {"seconds": 3}, Timestamp(3_000_000_000)),
        ("g_took", {"seconds": 3}, Duration(3_000_000_000)),
        ("ip", {"value": b"\x01\x02\x03\x04"}, b"\x01\x02\x03\x04"),
        ("host", {"value": "a.b"}, "a.b"),
        ("mail", {"value": "a@b"}, "a@b"),
        ("link", {"value": "x:y"}, "x:y"),
        ("value", {"int64_value": 4}, 4),
        ("value", {"string_value": ""}, ""),
        ("words", {"a": "b", "c": ""}, PlainStringMap({"a": "b", "c": ""})),
    ],
)
def test_outputs_become_carriers(name: str, given: Any, decoded: Any) -> None:
    found = outputs(**{name: given})
    assert found == {name: decoded}
    assert type(found[name]) is type(decoded)


def test_zeros_lists_and_other_messages_are_absent() -> None:
    assert outputs(text="", tags=["a"], inner={"name": "x"}, values={"a": {}}) == {}


@pytest.mark.parametrize("payload", [*GARBAGE[:2], b"\x08\x01", b"\x0a\x01\xff"])
def test_garbage_is_no_output(payload: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        DECODER.decode(payload)
