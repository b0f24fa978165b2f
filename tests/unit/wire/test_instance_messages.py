"""Our instances against google.protobuf's reading of the service descriptors."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.json_format import MessageToDict

from remixer.attributes.values import Duration, PlainStringMap, Timestamp, Value, ValueType
from remixer.foundation.errors import InvalidRequestError
from remixer.templates.instances import (
    BUILTIN_TEMPLATES,
    Action,
    Authorization,
    CheckNothing,
    Edge,
    ListEntry,
    LogEntry,
    Metric,
    Quota,
    Subject,
    TraceSpan,
)
from remixer.templates.schema import Field, Message, Template
from remixer.wire.field_bytes import MalformedMessageError, length_delimited, tag, varint
from remixer.wire.instance_messages import InstanceCodec, OutputCodec
from remixer.wire.template_descriptors import template_descriptor_set
from remixer.wire.value_bytes import UnencodableValueError

TEMPLATES = {each.name: each for each in BUILTIN_TEMPLATES}
INSTANT = Timestamp(1_622_505_600_123_456_789)
EVERY_VALUE: Mapping[str, Value] = {
    "text": "wörter",
    "empty": "",
    "whole": -(2**63),
    "number": 2.5,
    "yes": True,
    "no": False,
    "address": b"\x0a\x00\x00\x01",
    "time": INSTANT,
    "length": Duration(-1_500_000_000),
    "map": PlainStringMap({"a": "b", "": ""}),
}


def generated(template: Template, name: str) -> type[Any]:
    """The message class that the template's descriptor set describes."""
    pool = descriptor_pool.DescriptorPool()
    for file in FileDescriptorSet.FromString(template_descriptor_set(template)).file:
        pool.Add(file)
    found = pool.FindMessageTypeByName(f"{template.package}.{name}")
    return message_factory.GetMessageClass(found)


def codec(name: str) -> InstanceCodec:
    return InstanceCodec(TEMPLATES[name].message)


def sample(message: Message, **extra: object) -> object:
    """An instance in which no field is its zero."""
    values = {field.name: sample_value(field) for field in message.fields}
    return message.carrier(**values, **extra)


def sample_value(field: Field) -> object:
    if field.is_map:
        return dict(EVERY_VALUE) if field.is_dynamic else {"k": "v"}
    if field.message is not None:
        return sample(field.message)
    return {
        ValueType.VALUE_TYPE_UNSPECIFIED: "bob",
        ValueType.STRING: f"<{field.name}>",
        ValueType.INT64: -field.number,
        ValueType.BOOL: True,
        ValueType.TIMESTAMP: INSTANT,
        ValueType.IP_ADDRESS: b"\x7f\x00\x00\x01",
    }[field.type or ValueType.STRING]


@pytest.mark.parametrize("template", BUILTIN_TEMPLATES, ids=lambda each: each.name)
def test_protobuf_writes_again_what_we_wrote(template: Template) -> None:
    instance = sample(template.message, name="i.instance.shop")
    ours = InstanceCodec(template.message).encode(instance)

    message = generated(template, "InstanceMsg").FromString(ours)

    assert InstanceCodec(template.message).decode(message.SerializeToString()) == instance
    assert len(message.SerializeToString()) == len(ours)


@pytest.mark.parametrize("template", BUILTIN_TEMPLATES, ids=lambda each: each.name)
def test_no_field_of_a_template_is_unknown_to_its_descriptor(template: Template) -> None:
    ours = InstanceCodec(template.message).encode(sample(template.message, name="i"))
    message = generated(template, "InstanceMsg").FromString(ours)
    size = len(message.SerializeToString())
    message.DiscardUnknownFields()
    assert len(message.SerializeToString()) == size
    assert len(message.ListFields()) == len(template.message.fields) + 1


@pytest.mark.parametrize("template", BUILTIN_TEMPLATES, ids=lambda each: each.name)
def test_an_instance_of_zeros_is_its_name_alone(template: Template) -> None:
    empty = template.message.carrier(name="i")
    assert InstanceCodec(template.message).encode(empty) == length_delimited(72295727, b"i")
    assert InstanceCodec(template.message).decode(length_delimited(72295727, b"i")) == empty


def test_the_worked_example_of_checknothing_is_met_byte_for_byte() -> None:
    encoded = codec("checknothing").encode(CheckNothing("nothing.instance.shop"))
    assert encoded == bytes.fromhex("fad2e4930215") + b"nothing.instance.shop"


def test_every_type_of_value_has_its_member() -> None:
    message = generated(TEMPLATES["quota"], "InstanceMsg").FromString(
        codec("quota").encode(Quota("q", EVERY_VALUE))
    )
    members = {key: value.WhichOneof("value") for key, value in message.dimensions.items()}
    assert members == {
        "text": "string_value",
        "empty": "string_value",
        "whole": "int64_value",
        "number": "double_value",
        "yes": "bool_value",
        "no": "bool_value",
        "address": "ip_address_value",
        "time": "timestamp_value",
        "length": "duration_value",
        "map": "string_map_value",
    }


def test_the_type_of_an_expression_tells_what_a_text_is() -> None:
    types = {
        "value": ValueType.URI,
        "dimensions[mail]": ValueType.EMAIL_ADDRESS,
        "dimensions[host]": ValueType.DNS_NAME,
    }
    instance = Metric("m", "http://x/", {"mail": "a@b", "host": "b", "other": "c"})
    message = generated(TEMPLATES["metric"], "InstanceMsg").FromString(
        codec("metric").encode(instance, types)
    )
    assert message.value.WhichOneof("value") == "uri_value"
    assert message.dimensions["mail"].email_address_value.value == "a@b"
    assert message.dimensions["host"].dns_name_value.value == "b"
    assert message.dimensions["other"].string_value == "c"
    assert codec("metric").decode(message.SerializeToString()) == instance


def test_nested_messages_are_read_from_protobuf_s_own_bytes() -> None:
    message = generated(TEMPLATES["authorization"], "InstanceMsg")()
    message.name = "a"
    message.subject.user = "bob"
    message.action.properties["size"].int64_value = 7
    assert codec("authorization").decode(message.SerializeToString()) == Authorization(
        "a", Subject(user="bob"), Action(properties={"size": 7})
    )


def test_a_value_that_is_present_without_a_member_is_none() -> None:
    payload = length_delimited(1, b"") + length_delimited(72295727, b"l")
    assert codec("listentry").decode(payload) == ListEntry("l", None)


def test_parts_of_a_message_are_merged_and_the_last_scalar_counts() -> None:
    once = codec("authorization").encode(Authorization("a", Subject(user="x", groups="g")))
    again = codec("authorization").encode(Authorization("b", Subject(user="y")))
    assert codec("authorization").decode(once + again) == Authorization(
        "b", Subject(user="y", groups="g")
    )


def test_unknown_fields_and_groups_are_skipped() -> None:
    unknown = (
        tag(99, 0)
        + varint(7)
        + tag(98, 1)
        + bytes(8)
        + tag(97, 5)
        + bytes(4)
        + tag(96, 3)
        + tag(1, 2)
        + varint(2)
        + b"xx"
        + tag(95, 3)
        + tag(95, 4)
        + tag(96, 4)
    )
    payload = unknown + codec("listentry").encode(ListEntry("l", "bob")) + unknown
    assert codec("listentry").decode(payload) == ListEntry("l", "bob")


def test_a_field_of_another_wire_type_is_skipped_as_unknown() -> None:
    payload = (
        tag(5, 0)
        + varint(1)
        + codec("apikey").encode(sample(TEMPLATES["apikey"].message, name="k"))
    )
    assert codec("apikey").decode(payload) == sample(TEMPLATES["apikey"].message, name="k")


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        (b"\x0a", "ends inside a field"),
        (b"\x0a\x05ab", "ends inside a field"),
        (b"\x0a" + b"\xff" * 11, "more than ten bytes"),
        (b"\x02\x00", "no field number"),
        (b"\x0c", "group that has not begun"),
        (b"\x0b", "ends inside a field"),
        (b"\x0b\x14", "group that has not begun"),
        (b"\x0e", "no wire type"),
        (tag(1, 3) * 200, "nested deeper"),
        (length_delimited(1, b"\xff\xfe"), "not UTF-8"),
        (length_delimited(5, length_delimited(1, tag(1, 0) + varint(2**62))), "do not fit"),
    ],
)
def test_bytes_that_are_no_instance_are_refused(payload: bytes, fault: str) -> None:
    with pytest.raises(MalformedMessageError, match=fault):
        codec("apikey").decode(payload)


def test_a_bad_instance_is_the_caller_s_fault() -> None:
    assert issubclass(MalformedMessageError, InvalidRequestError)


@pytest.mark.parametrize(
    ("name", "instance", "field"),
    [
        ("tracespan", TraceSpan("t", span_name=7), "span_name"),  # type: ignore[arg-type]  # the fault
        ("tracespan", TraceSpan("t", request_size=True), "request_size"),
        ("tracespan", TraceSpan("t", request_size=Duration(1)), "request_size"),
        ("edge", Edge("e", timestamp=7), "timestamp"),  # type: ignore[arg-type]  # the fault
        ("quota", Quota("q", {"a": object()}), r"dimensions\[a\]"),  # type: ignore[dict-item]  # the fault
        ("quota", Quota("q", 7), "dimensions"),  # type: ignore[arg-type]  # the fault
        ("authorization", Authorization("a", "bob"), "subject"),  # type: ignore[arg-type]  # the fault
    ],
)
def test_a_value_of_another_type_is_named(name: str, instance: object, field: str) -> None:
    with pytest.raises(UnencodableValueError, match=field):
        codec(name).encode(instance)


def test_lone_surrogates_do_not_lose_an_instance() -> None:
    decoded = codec("logentry").decode(codec("logentry").encode(LogEntry("l", severity="\ud800")))
    assert isinstance(decoded, LogEntry)
    assert decoded.severity == "?"


OUTPUT = TEMPLATES["kubernetes"].output or Message("OutputTemplate", dict)


def test_outputs_go_both_ways_and_absent_ones_stay_absent() -> None:
    output = {
        "source_pod_name": "cart-1",
        "source_pod_ip": b"\x0a\x01\x02\x03",
        "source_labels": {"app": "cart"},
    }
    encoded = OutputCodec(OUTPUT).encode(output)
    message = generated(TEMPLATES["kubernetes"], "OutputMsg").FromString(encoded)
    assert MessageToDict(message, preserving_proto_field_name=True) == {
        "source_pod_name": "cart-1",
        "source_pod_ip": {"value": "CgECAw=="},
        "source_labels": {"app": "cart"},
    }
    assert OutputCodec(OUTPUT).decode(message.SerializeToString()) == output


def test_an_output_that_the_template_lacks_is_refused() -> None:
    with pytest.raises(UnencodableValueError, match="no such output"):
        OutputCodec(OUTPUT).encode({"source_pod": "cart-1"})


def test_the_samples_of_this_file_have_no_zero() -> None:
    for template in BUILTIN_TEMPLATES:
        instance = sample(template.message, name="i")
        for each in fields(instance):  # type: ignore[arg-type]  # carriers are dataclasses
            assert getattr(instance, each.name), f"{template.name}.{each.name}"
