"""Every published byte vector of the protocol, in both directions where there are two."""

from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest
import yaml

from remixer.attributes.bag import Bag, Condition, PlainBag, Reference, plain_bag
from remixer.attributes.values import Duration, PlainStringMap, Timestamp, Value
from remixer.foundation.status import Status
from remixer.frontends.mixer_v1.codec import ResponseEncoder, decode_check_call, decode_report_call
from remixer.mixer.outcome import (
    CheckOutcome,
    HeaderOperation,
    HeaderOperationKind,
    RouteDirective,
)
from remixer.mixer.request import CheckRequest, QuotaArgs
from remixer.wire._pb.istio.mixer.v1.attributes_pb2 import CompressedAttributes
from remixer.wire._pb.istio.mixer.v1.check_pb2 import (
    CheckResponse,
    ReferencedAttributes,
)
from remixer.wire._pb.istio.mixer.v1.check_pb2 import (
    RouteDirective as RouteDirectiveMessage,
)
from remixer.wire.bag import CompressedBag
from remixer.wire.client_codec import (
    decode_check_response,
    encode_check_request,
    encode_report_request,
)
from remixer.wire.compression import compress
from remixer.wire.forwarded import decode_forwarded, encode_forwarded

Vector = dict[str, Any]
VECTORS: dict[str, list[Vector]] = yaml.safe_load((Path(__file__).parent / "wire.yaml").read_text())


def vectors(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", VECTORS[kind], ids=lambda each: each.get("note"))


def bag_of(attributes: dict[str, tuple[str, Any]]) -> PlainBag:
    return plain_bag({name: typed(*spec) for name, spec in attributes.items()})


def typed(kind: str, value: Any) -> Value:
    match kind:
        case "TIMESTAMP":
            return Timestamp(value)
        case "DURATION":
            return Duration(value)
        case "BYTES":
            return bytes.fromhex(value)
        case "STRING_MAP":
            return PlainStringMap(value)
        case _:
            return value  # type: ignore[no-any-return]  # YAML has the other types itself


def content(bag: Bag) -> dict[str, tuple[type, Value | None]]:
    """Names, carriers and values: `True` and `1` differ."""
    return {name: (type(bag[name]), bag[name]) for name in bag.names()}


@vectors("indices")
def test_index_is_a_zigzag_varint(vector: Vector) -> None:
    match = ReferencedAttributes.AttributeMatch(map_key=vector["index"])
    # map_key is field 4; proto3 leaves zero out.
    wanted = b"" if vector["index"] == 0 else b"\x20" + bytes.fromhex(vector["bytes"])
    assert match.SerializeToString() == wanted


@vectors("check_requests")
def test_check_request_is_read(vector: Vector) -> None:
    call = decode_check_call(bytes.fromhex(vector["bytes"]), None)
    assert content(call.request.bag) == content(bag_of(vector["attributes"]))
    assert call.global_word_count == vector["global_word_count"]
    assert call.request.deduplication_id == vector["deduplication_id"]
    assert call.request.quotas == {
        name: QuotaArgs(**args) for name, args in vector["quotas"].items()
    }


@vectors("check_requests")
def test_check_request_is_written_at_its_size(vector: Vector) -> None:
    bag = bag_of(vector["attributes"])
    quotas = {name: QuotaArgs(**args) for name, args in vector["quotas"].items()}
    request = CheckRequest(bag, quotas, vector["deduplication_id"])
    written = encode_check_request(request)
    assert len(written) == len(bytes.fromhex(vector["bytes"]))
    again = decode_check_call(written, None)
    assert content(again.request.bag) == content(bag)
    assert (again.request.quotas, again.request.deduplication_id) == (
        quotas,
        vector["deduplication_id"],
    )


@vectors("check_requests")
def test_a_smaller_dictionary_makes_larger_attributes(vector: Vector) -> None:
    bag = bag_of(vector["attributes"])
    for count, size in vector["sizes"].items():
        message = compress(bag, global_word_count=count)
        assert message.ByteSize() == size
        assert content(CompressedBag(message)) == content(bag)


@vectors("check_requests")
def test_the_uncompressed_form_has_its_size(vector: Vector) -> None:
    header = encode_forwarded(bag_of(vector["attributes"]))
    assert len(b64decode(header)) == vector["plain_size"]


@vectors("compressed_attributes")
def test_attributes_of_every_type(vector: Vector) -> None:
    wire = bytes.fromhex(vector["bytes"])
    bag = bag_of(vector["attributes"])
    assert content(CompressedBag(CompressedAttributes.FromString(wire))) == content(bag)
    assert compress(bag).ByteSize() == len(wire)


def outcome_of(vector: Vector) -> CheckOutcome:
    return CheckOutcome(
        status=Status(**vector["status"]),
        valid_duration=Duration(vector["valid_duration_ns"]),
        valid_use_count=vector["valid_use_count"],
        references=frozenset(
            Reference(name, key, Condition[condition])
            for name, key, condition in vector["references"]
        ),
    )


@vectors("check_responses")
def test_check_response_is_written_byte_by_byte(vector: Vector) -> None:
    written = ResponseEncoder().encode(
        outcome_of(vector), global_word_count=vector["global_word_count"]
    )
    assert written.hex(" ") == bytes.fromhex(vector["bytes"]).hex(" ")


@vectors("check_responses")
def test_check_response_is_read(vector: Vector) -> None:
    assert decode_check_response(bytes.fromhex(vector["bytes"])) == outcome_of(vector)


@vectors("directives")
def test_directive_both_ways(vector: Vector) -> None:
    directive = RouteDirective(
        tuple(HeaderOperation(n, v, HeaderOperationKind[k]) for k, n, v in vector["request"]),
        tuple(HeaderOperation(n, v, HeaderOperationKind[k]) for k, n, v in vector["response"]),
        vector["code"],
        vector.get("body", ""),
    )
    outcome = CheckOutcome(Status(), Duration(0), 0, frozenset(), directive)
    written = ResponseEncoder().encode(outcome, global_word_count=222)
    message = CheckResponse.FromString(written).precondition.route_directive
    wanted = bytes.fromhex(vector["bytes"])
    assert message == RouteDirectiveMessage.FromString(wanted)
    assert message.SerializeToString() == wanted
    assert decode_check_response(written).directive == directive


@vectors("reports")
def test_report_is_read(vector: Vector) -> None:
    wire = bytes.fromhex(vector["bytes"])
    assert len(wire) == vector["size"]
    report = decode_report_call(wire)
    assert report.errors == ()
    assert [content(bag) for bag in report.bags] == [
        content(bag_of(element)) for element in vector["elements"]
    ]


@vectors("reports")
def test_report_is_written_as_independent_elements(vector: Vector) -> None:
    bags = [bag_of(element) for element in vector["elements"]]
    report = decode_report_call(encode_report_request(bags))
    assert [content(bag) for bag in report.bags] == [content(bag) for bag in bags]


def test_independent_report_is_written_at_its_size() -> None:
    vector = VECTORS["reports"][0]
    written = encode_report_request([bag_of(element) for element in vector["elements"]])
    assert len(written) == vector["size"]


@vectors("forwarded")
def test_forwarded_attributes_both_ways(vector: Vector) -> None:
    bag = bag_of(vector["attributes"])
    header = vector.get("header") or b64encode(bytes.fromhex(vector["bytes"])).decode()
    assert encode_forwarded(bag) == header
    assert content(decode_forwarded(header)) == content(bag)
