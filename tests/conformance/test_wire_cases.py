"""Every rule of the protocol that is no byte vector: messages, words, bags, reports, endings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from inspect import isawaitable
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.rpc import status_pb2

from remixer.attributes.bag import Bag, Condition, PlainBag, Reference, plain_bag
from remixer.attributes.values import Duration, PlainStringMap, Timestamp, Value
from remixer.foundation.deadline import Deadline
from remixer.foundation.errors import CheckFailedError, PolicyError, UnavailableError
from remixer.foundation.status import Code, Status
from remixer.frontends.mixer_v1 import mixer_v1_methods
from remixer.frontends.mixer_v1.codec import decode_check_call, decode_report_call
from remixer.frontends.mixer_v1.servicer import DEFAULT_TIMEOUT_S
from remixer.mixer.outcome import CheckOutcome, QuotaOutcome, ReportOutcome
from remixer.mixer.request import CheckRequest
from remixer.server.settings import Settings
from remixer.transport.port import Peer, RpcError, TransportLimits
from remixer.wire._pb.istio.mixer.v1 import attributes_pb2, check_pb2, report_pb2
from remixer.wire.bag import CompressedBag
from remixer.wire.client_codec import (
    FOREVER,
    UnreadableAnswerError,
    decode_check_response,
    encode_report_request,
)
from remixer.wire.compression import compress
from remixer.wire.dictionary import GLOBAL_INDICES, GLOBAL_WORD_COUNT, MessageWords, WordList
from remixer.wire.references import encode_references

Case = dict[str, Any]
CASES: dict[str, list[Case]] = yaml.safe_load((Path(__file__).parent / "wire.yaml").read_text())
FILES = {
    "check": check_pb2,
    "report": report_pb2,
    "attributes": attributes_pb2,
    "status": status_pb2,
}
OVERLOADED = "Server is currently overloaded. Please try again."


def cases(kind: str) -> pytest.MarkDecorator:
    names = [str(each.get("note") or each.get("message") or each) for each in CASES[kind]]
    return pytest.mark.parametrize("case", CASES[kind], ids=names)


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


def compressed(spec: Case) -> attributes_pb2.CompressedAttributes:
    """A message from its table form."""
    message = attributes_pb2.CompressedAttributes()
    message.words.extend(each.encode() for each in spec.get("words", ()))
    for name in ("strings", "int64s", "doubles", "bools"):
        getattr(message, name).update(spec.get(name, {}))
    for index, text in spec.get("bytes", {}).items():
        message.bytes[index] = bytes.fromhex(text)
    for index, nanos in spec.get("timestamps", {}).items():
        message.timestamps[index].nanos = nanos
    for index, nanos in spec.get("durations", {}).items():
        message.durations[index].nanos = nanos
    for index, entries in spec.get("string_maps", {}).items():
        message.string_maps[index].entries.update(entries)
    return message


def assert_reads(bag: Bag, expected: Mapping[str, Any]) -> None:
    """Exactly these attributes, with their carriers; null: absent."""
    for name, spec in expected.items():
        value = bag[name]
        wanted = None if spec is None else typed(*spec)
        assert (type(value), value) == (type(wanted), wanted), name
    present = {name for name in bag.names() if bag[name] is not None}
    assert present == {name for name, spec in expected.items() if spec is not None}


# ------------------------------------------------------------------ the service


def test_methods_limits_and_defaults_are_the_published_ones() -> None:
    """Section 1."""
    methods = mixer_v1_methods(ScriptedMixer(), NineOClock())
    assert [each.path for each in methods] == [
        "/istio.mixer.v1.Mixer/Check",
        "/istio.mixer.v1.Mixer/Report",
    ]
    assert TransportLimits() == TransportLimits(1_048_576, 1_024)
    assert Settings().address[0].endswith(":9091")
    assert DEFAULT_TIMEOUT_S == 5.0  # the clients' own deadline


# ------------------------------------------------------------------ messages


def found_in(path: str) -> Any:
    file, *names = path.split(".")
    found: Any = FILES[file]
    for name in names:
        found = getattr(found, name)
    return found


def type_of(each: FieldDescriptor) -> str:
    message = each.message_type
    if message is not None and message.GetOptions().map_entry:
        key, value = message.fields_by_name["key"], message.fields_by_name["value"]
        return f"map {type_of(key)} {type_of(value)}"
    if message is not None:
        name = message.name
    elif each.enum_type is not None:
        name = each.enum_type.name
    else:
        names = {getattr(FieldDescriptor, f"TYPE_{n.upper()}"): n for n in SCALARS}
        name = names[each.type]
    return f"{name}*" if each.is_repeated else name


SCALARS = ("string", "bytes", "bool", "double", "int32", "int64", "uint32", "sint32")


def as_read(number: int, name: str, kind: str) -> tuple[int, str, str]:
    """Words are read as bytes, which is the same on the wire, so that bad UTF-8 costs nobody."""
    is_word_list = kind == "string*" and name in {"words", "default_words"}
    return (number, name, "bytes*" if is_word_list else kind)


@cases("fields")
def test_message_has_the_published_fields(case: Case) -> None:
    descriptor: Descriptor = found_in(case["message"]).DESCRIPTOR
    found = {(each.number, each.name, type_of(each)) for each in descriptor.fields}
    assert found == {as_read(number, *rest) for number, rest in case["fields"].items()}


@pytest.mark.parametrize("case", CASES["enums"], ids=lambda case: case["enum"])
def test_enum_has_the_published_values(case: Case) -> None:
    assert dict(found_in(case["enum"]).items()) == case["values"]


def test_an_empty_answer_to_a_report_has_no_bytes() -> None:
    """Section 3."""
    assert report_pb2.ReportResponse().SerializeToString() == b""


# ------------------------------------------------------------------ words


@pytest.mark.parametrize("case", CASES["global_words"], ids=lambda case: case["word"])
def test_global_word_has_its_index(case: Case) -> None:
    assert GLOBAL_INDICES.get(case["word"]) == case["index"]


@cases("encoders")
def test_words_become_indices(case: Case) -> None:
    words = WordList(global_word_count=case["count"])
    assert [words.index_of(each) for each in case["given"]] == case["indices"]
    assert [each.decode() for each in words.words()] == case["words"]


# ------------------------------------------------------------------ bags


@cases("bags")
def test_check_reads_what_can_be_read(case: Case) -> None:
    if "wire" in case:
        wire = bytes.fromhex(case["wire"])
        message = attributes_pb2.CompressedAttributes.FromString(wire)
    else:
        message = compressed(case["message"])
    bag = CompressedBag(message, MessageWords(message.words))
    assert_reads(bag, case["attributes"])


def report_of(case: Case, *, count: int = GLOBAL_WORD_COUNT) -> bytes:
    mode = case.get("mode")
    message = report_pb2.ReportRequest(global_word_count=count)
    message.attributes.extend(map(compressed, case["elements"]))
    message.default_words.extend(each.encode() for each in case.get("default_words", ()))
    if mode:
        kinds = report_pb2.ReportRequest.RepeatedAttributesSemantics
        message.repeated_attributes_semantics = kinds.Value(mode)
    return message.SerializeToString()


@cases("report_cases")
def test_report_is_taken_apart(case: Case) -> None:
    report = decode_report_call(report_of(case))
    assert len(report.bags) == len(case["bags"])
    for bag, expected in zip(report.bags, case["bags"], strict=True):
        assert_reads(bag, expected)
    wanted = case.get("errors", [])
    assert len(report.errors) == len(wanted)
    for found, start in zip(report.errors, wanted, strict=True):
        assert found.startswith(start)


# ------------------------------------------------------------------ how calls end


class NineOClock:
    """A clock that stands."""

    def unix_ns(self) -> int:
        return 0

    def monotonic_s(self) -> float:
        return 9.0


@dataclass
class Call:
    """The context of a call."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    deadline: Deadline | None = None
    peer: Peer = field(default_factory=lambda: Peer("unix:"))

    def set_trailing_metadata(self, metadata: Mapping[str, str]) -> None:
        raise NotImplementedError


@dataclass
class ScriptedMixer:
    """Says what a case wants, and keeps what it was asked."""

    says: str = ""
    bags: list[Bag] = field(default_factory=list)

    def check_now(self, request: CheckRequest) -> CheckOutcome | None:
        self.bags.append(request.bag)
        error = _error_of(self.says)
        if error is not None:
            raise error
        code = Code.PERMISSION_DENIED if self.says == "denied" else Code.OK
        failed = QuotaOutcome(0, Duration(0), frozenset(), Status(Code.INTERNAL, "x"))
        quotas = {"q": failed} if self.says == "quota failed" else {}
        return CheckOutcome(Status(code), Duration(0), 0, frozenset(), quotas=quotas)

    async def check(self, request: CheckRequest) -> CheckOutcome:
        raise NotImplementedError

    def report(self, bags: Sequence[Bag]) -> ReportOutcome:
        self.bags += bags
        if self.says == "unavailable":
            raise UnavailableError(OVERLOADED)
        return ReportOutcome((self.says,) if self.says else ())


def _error_of(says: str) -> PolicyError | None:
    if says == "unavailable":
        return UnavailableError(OVERLOADED)
    return CheckFailedError(says) if says.endswith("failed: x") else None


def payload_of(case: Case) -> bytes:
    if "wire" in case:
        return bytes.fromhex(case["wire"])
    count = case.get("count", GLOBAL_WORD_COUNT)
    if case["call"] == "report":
        elements = case.get("elements", [{"strings": {0: 0}}])
        return report_of({"elements": elements, "mode": None}, count=count)
    attributes = compressed(case.get("attributes", {}))
    message = check_pb2.CheckRequest(attributes=attributes, global_word_count=count)
    return message.SerializeToString()


@cases("calls")
def test_call_ends_as_published(case: Case) -> None:
    mixer = ScriptedMixer(case.get("mixer", ""))
    check, report = mixer_v1_methods(mixer, NineOClock())
    method = check if case["call"] == "check" else report
    call = Call({"x-istio-attributes": case["metadata"]} if "metadata" in case else {})
    if case["code"] is None:
        answer = method.handle(payload_of(case), call)
        assert not isawaitable(answer)
        assert all(bag["source.uid"] is None for bag in mixer.bags)
    else:
        with pytest.raises(RpcError) as caught:
            method.handle(payload_of(case), call)
        assert caught.value.code.name == case["code"]
        assert caught.value.message.startswith(case["message"])
    if "asked" in case:
        assert len(mixer.bags) == case["asked"]


def test_every_part_that_clients_tell_from_its_absence_is_present() -> None:
    """Section 7, the rule for implementers."""
    (check, _) = mixer_v1_methods(ScriptedMixer("quota failed"), NineOClock())
    answer = check.handle(b"", Call())
    assert isinstance(answer, bytes)
    message = check_pb2.CheckResponse.FromString(answer)
    assert message.HasField("precondition")
    for part in ("status", "valid_duration", "referenced_attributes"):
        assert message.precondition.HasField(part)
        assert message.quotas["q"].HasField(part)
    assert message.quotas["q"].granted_amount == 0


def test_a_denial_is_told_by_code_and_text_without_details() -> None:
    """Sections 1 and 3."""
    (check, _) = mixer_v1_methods(ScriptedMixer("denied"), NineOClock())
    answer = check.handle(b"", Call())
    assert isinstance(answer, bytes)
    status = check_pb2.CheckResponse.FromString(answer).precondition.status
    assert (status.code, list(status.details)) == (7, [])


# ------------------------------------------------------------------ answers


@cases("answers")
def test_client_reads_an_answer(case: Case) -> None:
    wire = bytes.fromhex(case["bytes"])
    if "error" in case:
        with pytest.raises(UnreadableAnswerError, match=case["error"]):
            decode_check_response(wire)
        return
    outcome = decode_check_response(wire)
    found: dict[str, Any] = {
        "code": outcome.status.code,
        "duration": "never" if outcome.valid_duration == FOREVER else outcome.valid_duration,
        "uses": outcome.valid_use_count,
        "references": sorted(
            ([name, key, condition.name] for name, key, condition in outcome.references), key=str
        ),
    }
    for name, quota in outcome.quotas.items():
        found["quota"] = [name, quota.granted, quota.valid_duration, quota.status.code]
    wanted = {key: case[key] for key in case if key not in {"note", "section", "bytes"}}
    assert {key: found[key] for key in wanted} == wanted


@cases("reference_answers")
def test_server_names_references_in_the_caller_s_words(case: Case) -> None:
    references = frozenset(
        Reference(name, key, Condition[condition]) for name, key, condition in case["references"]
    )
    message = encode_references(references, global_word_count=case["count"])
    assert [each.decode() for each in message.words] == case["words"]
    found = [[each.name, each.condition, each.map_key] for each in message.attribute_matches]
    assert found == case["matches"]
    assert all(each[0] < case["count"] for each in found)


# ------------------------------------------------------------------ clients of all times

BAG: PlainBag = plain_bag({"source.uid": "u", "request.headers": {"a": "b"}, "app.tier": "gold"})


@cases("clients")
def test_client_of_any_time_is_understood(case: Case) -> None:
    attributes = compress(BAG, global_word_count=case["count"])
    request = check_pb2.CheckRequest(attributes=attributes, global_word_count=case["count"])
    call = decode_check_call(request.SerializeToString(), None)
    assert call.global_word_count == case["count"]
    assert {name: call.request.bag[name] for name in BAG} == BAG
    assert decoded_report(case) == [BAG, BAG]


def decoded_report(case: Case) -> list[dict[str, Value | None]]:
    """Two equal requests; a client of deltas says the second with nothing."""
    message = report_pb2.ReportRequest.FromString(
        encode_report_request([BAG, BAG], global_word_count=case["count"])
    )
    if case["mode"] is None:
        message.ClearField("repeated_attributes_semantics")
        message.attributes[1].Clear()
    report = decode_report_call(message.SerializeToString())
    return [{name: bag[name] for name in BAG} for bag in report.bags]


def test_every_case_names_its_section() -> None:
    kinds = "encoders bags report_cases calls answers reference_answers clients global_words"
    for kind in kinds.split():
        assert all("section" in case for case in CASES[kind]), kind
