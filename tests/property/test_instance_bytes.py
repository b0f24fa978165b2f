"""Laws of instances as bytes: what goes in comes out, and no bytes break the reader."""

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as some

from remixer.attributes.values import Duration, PlainStringMap, Timestamp
from remixer.templates.instances import BUILTIN_TEMPLATES, Metric
from remixer.wire.field_bytes import MalformedMessageError
from remixer.wire.instance_messages import InstanceCodec
from remixer.wire.template_descriptors import template_descriptor_set

(METRIC,) = (each for each in BUILTIN_TEMPLATES if each.name == "metric")
CODEC = InstanceCodec(METRIC.message)
POOL = descriptor_pool.DescriptorPool()
for _file in FileDescriptorSet.FromString(template_descriptor_set(METRIC)).file:
    POOL.Add(_file)
MESSAGE = message_factory.GetMessageClass(POOL.FindMessageTypeByName("metric.InstanceMsg"))

TEXTS = some.text(some.characters(exclude_categories=["Cs"]), max_size=12)
NANOSECONDS = some.integers(-(2**63) + 1, 2**63 - 1)
VALUES = some.one_of(
    TEXTS,
    some.integers(-(2**63), 2**63 - 1),
    some.floats(allow_nan=False),
    some.booleans(),
    some.sampled_from([b"\x00" * 4, b"\xff" * 16]),
    NANOSECONDS.map(Timestamp),
    NANOSECONDS.map(Duration),
    some.dictionaries(TEXTS, TEXTS, max_size=3).map(PlainStringMap),
)
METRICS = some.builds(
    Metric,
    TEXTS,
    some.none() | VALUES,
    some.dictionaries(TEXTS, VALUES, max_size=4),
    TEXTS,
    some.dictionaries(TEXTS, VALUES, max_size=2),
)


@given(METRICS)
@settings(max_examples=150)
def test_decoding_undoes_encoding(metric: Metric) -> None:
    assert CODEC.decode(CODEC.encode(metric)) == metric


@given(METRICS)
@settings(max_examples=150)
def test_protobuf_reads_the_same_instance(metric: Metric) -> None:
    message = MESSAGE.FromString(CODEC.encode(metric))
    assert CODEC.decode(message.SerializeToString()) == metric


@given(some.binary(max_size=60))
@settings(max_examples=200)
def test_whatever_protobuf_refuses_we_refuse(payload: bytes) -> None:
    try:
        CODEC.decode(payload)
    except MalformedMessageError:
        return
    try:
        MESSAGE.FromString(payload)
    except DecodeError as error:
        # We do not look into what we skip, as texts inside unknown fields.
        raise AssertionError(payload.hex()) from error


@given(METRICS, some.data())
@settings(max_examples=150)
def test_a_cut_or_altered_instance_never_breaks_the_reader(
    metric: Metric, data: some.DataObject
) -> None:
    payload = bytearray(CODEC.encode(metric))
    if payload:
        at = data.draw(some.integers(0, len(payload) - 1))
        payload[at] = data.draw(some.integers(0, 255))
        del payload[data.draw(some.integers(0, len(payload))) :]
    try:
        found = CODEC.decode(bytes(payload))
    except MalformedMessageError:
        return
    assert isinstance(found, Metric)
