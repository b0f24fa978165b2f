"""The types of an instance's expressions, as sessions are told them."""

import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from remixer.attributes.values import ValueType
from remixer.templates.instances import BUILTIN_TEMPLATES
from remixer.wire.field_bytes import MalformedMessageError, length_delimited, tag, varint
from remixer.wire.inferred_types import decode_inferred_types, encode_inferred_types
from remixer.wire.template_descriptors import template_descriptor_set

TEMPLATES = {each.name: each for each in BUILTIN_TEMPLATES}
METRIC = TEMPLATES["metric"].message
TYPES = {
    "value": ValueType.INT64,
    "dimensions[user]": ValueType.STRING,
    "dimensions[peer]": ValueType.IP_ADDRESS,
}


def test_types_go_both_ways() -> None:
    assert decode_inferred_types(METRIC, encode_inferred_types(METRIC, TYPES)) == TYPES


def test_types_of_nested_messages_have_their_path() -> None:
    message = TEMPLATES["authorization"].message
    types = {"action.properties[size]": ValueType.DURATION}
    assert decode_inferred_types(message, encode_inferred_types(message, types)) == types


def test_protobuf_reads_them_by_the_template_s_type_message() -> None:
    pool = descriptor_pool.DescriptorPool()
    for file in FileDescriptorSet.FromString(template_descriptor_set(TEMPLATES["metric"])).file:
        pool.Add(file)
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName("metric.Type"))
    message = kind.FromString(encode_inferred_types(METRIC, TYPES))
    assert (message.value, dict(message.dimensions)) == (2, {"user": 1, "peer": 6})


def test_fields_whose_type_is_fixed_are_left_out() -> None:
    assert encode_inferred_types(METRIC, {"monitored_resource_type": ValueType.STRING}) == b""


def test_unknown_types_and_fields_are_left_out() -> None:
    payload = tag(1, 0) + varint(99) + tag(7, 0) + varint(1) + tag(3, 0) + varint(1)
    assert decode_inferred_types(METRIC, payload) == {}


def test_bytes_that_are_no_message_are_refused() -> None:
    with pytest.raises(MalformedMessageError):
        decode_inferred_types(METRIC, length_delimited(2, b"\x0a\x09"))
