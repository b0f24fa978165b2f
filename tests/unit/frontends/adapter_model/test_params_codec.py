"""Parameters as Mixers send them: by the described message, and by Struct."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, ClassVar

import grpc_tools
import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct
from grpc_tools import protoc

from remixer.adapters.registry import BUILTIN_ADAPTERS
from remixer.frontends.adapter_model.params_codec import ParamsCodec, ParamsError
from remixer.frontends.adapter_model.params_schema import params_descriptor_set
from remixer.frontends.adapter_model.proto_text import params_proto_text
from remixer.sdk import AdapterInfo, Duration, Environment, Handler, HandlerContext, Int32
from remixer.wire.adapter_requests import PackedConfig
from remixer.wire.proto_json.schema import SchemaError

SECOND = 1_000_000_000


class Mode(IntEnum):
    FAST = 1
    SAFE = 2
    SURE = 2


class Colour(IntEnum):
    FAST = 0
    RED = 7


@dataclass(frozen=True, slots=True)
class Limit:
    name: str = ""
    most: int = 10
    inner: "Limit | None" = None


@dataclass(frozen=True, slots=True)
class Answer:
    TYPE_URL: ClassVar[str] = "type.googleapis.com/test.Answer"

    code: int = 0
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True, slots=True)
class Params:
    text: str = "default"
    is_on: bool = True
    count: int = 5
    small: Int32 = Int32(6)  # noqa: RUF009 - a number
    ratio: float = 0.5
    blob: bytes = b"raw"
    wait: Duration = Duration(3 * SECOND)  # noqa: RUF009 - an int subclass, immutable
    mode: Mode = Mode.FAST
    colour: Colour = Colour.RED
    limit: Limit = Limit("inner", 1)
    words: tuple[str, ...] = ("a",)
    numbers: tuple[int, ...] = ()
    modes: tuple[Mode, ...] = ()
    limits: tuple[Limit, ...] = ()
    waits: Mapping[str, Duration] = field(default_factory=dict)
    by_name: Mapping[str, Limit] = field(default_factory=dict)
    answers: tuple[Answer, ...] = ()
    class_: str = ""
    far: str = field(default="", metadata={"number": 100})


async def build(_params: object, _context: HandlerContext, _environment: Environment) -> Handler:
    raise NotImplementedError


def info(defaults: Any, name: str = "under_test") -> AdapterInfo[Any]:
    return AdapterInfo(name, "", frozenset({"checknothing"}), defaults, build)


INFO = info(Params())
CODEC = ParamsCodec(INFO)
URL = "type.googleapis.com/adapter.under_test.config.Params"


def described() -> type[Any]:
    """The message class that somebody else makes of the descriptor."""
    pool = descriptor_pool.DescriptorPool()
    for file in params_descriptor_set("under_test", Params).file:
        pool.Add(file)
    found = pool.FindMessageTypeByName("adapter.under_test.config.Params")
    return message_factory.GetMessageClass(found)


def by_message(values: Mapping[str, Any]) -> PackedConfig:
    kind = described()
    message = kind()
    ParseDict(values, message, descriptor_pool=kind.DESCRIPTOR.file.pool)
    return PackedConfig(URL, message.SerializeToString())


def by_struct(values: Mapping[str, Any]) -> PackedConfig:
    message = Struct()
    message.update(values)
    return PackedConfig("type.googleapis.com/google.protobuf.Struct", message.SerializeToString())


FORMS = pytest.mark.parametrize("packed", [by_message, by_struct])


@FORMS
def test_what_is_absent_has_the_adapter_s_default(packed: Any) -> None:
    assert CODEC.decode(packed({})) == Params()
    assert CODEC.decode(None) == Params()


@FORMS
def test_a_given_zero_is_not_absent(packed: Any) -> None:
    values = {
        "text": "",
        "is_on": False,
        "count": 0,
        "small": 0,
        "ratio": 0,
        "blob": "",
        "wait": "0s",
        "colour": "FAST",
        "limit": {"most": 0},
    }
    assert CODEC.decode(packed(values)) == Params(
        text="",
        is_on=False,
        count=0,
        small=Int32(0),
        ratio=0.0,
        blob=b"",
        wait=Duration(0),
        colour=Colour.FAST,
        limit=Limit("inner", 0),
    )


@FORMS
def test_every_kind_of_field_is_carried(packed: Any) -> None:
    values = {
        "text": "t",
        "count": "-9007199254740993",
        "small": -1,
        "ratio": 2.5,
        "blob": "AAE=",
        "wait": "1.5s",
        "mode": "SAFE",
        "colour": "RED",
        "words": ["x", "y"],
        "limits": [{"name": "l", "inner": {"most": 3}}],
        "waits": {"a": "2s"},
        "by_name": {"k": {"name": "n"}},
        "answers": [{"@type": Answer.TYPE_URL, "code": 4, "limits": [{"most": 2}]}],
        "class": "c",
        "far": "f",
    }
    assert CODEC.decode(packed(values)) == Params(
        text="t",
        count=-9007199254740993,
        small=Int32(-1),
        ratio=2.5,
        blob=b"\x00\x01",
        wait=Duration(1_500_000_000),
        mode=Mode.SAFE,
        colour=Colour.RED,
        words=("x", "y"),
        limits=(Limit("l", inner=Limit(most=3)),),
        waits={"a": Duration(2 * SECOND)},
        by_name={"k": Limit("n")},
        answers=(Answer(4, (Limit(most=2),)),),
        class_="c",
        far="f",
    )


def test_repeated_numbers_and_enums_are_packed() -> None:
    packed = by_message({"numbers": ["1", "2"], "modes": ["FAST", "SURE"]})
    assert CODEC.decode(packed) == Params(numbers=(1, 2), modes=(Mode.FAST, Mode.SAFE))
    (file,) = (
        each
        for each in params_descriptor_set("under_test", Params).file
        if each.package == "adapter.under_test.config"
    )
    (message,) = (each for each in file.message_type if each.name == "Params")
    assert {each.name for each in message.field if each.options.packed} == {"numbers", "modes"}


def test_numbers_follow_the_order_of_fields_unless_they_are_set() -> None:
    numbers = {each.name: each.number for each in described().DESCRIPTOR.fields}
    assert (numbers["text"], numbers["is_on"], numbers["class"], numbers["far"]) == (1, 2, 18, 100)


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        (by_struct({"textt": "x"}), "textt: unknown field `textt`. Did you mean `text`?"),
        (by_struct({"limits": [{"most": "x"}]}), r"limits\[0\].most: found the text `x`"),
        (
            by_struct({"mode": "SLOW"}),
            "mode: found the text `SLOW`; wanted `FAST`, `SAFE` or `SURE`",
        ),
        (PackedConfig("x/other.Params"), "is a `other.Params`; wanted `adapter.under_test.config"),
        (PackedConfig(URL, b"\x0a"), "1 bytes are no `adapter.under_test.config.Params`"),
        (PackedConfig(URL, b"\xf8\x3f\x01"), "field number 1023 is not known"),
        (PackedConfig(URL, b"\x40\x63"), "field number 8 has a value outside its enum"),
        (PackedConfig(URL, b"\x0a\x01\xff"), "text: the text is not UTF-8"),
        (by_struct({"answers": [{"@type": "x/test.Other"}]}), "is no message that may stand here"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(config: PackedConfig, fault: str) -> None:
    with pytest.raises(ParamsError, match=fault) as caught:
        CODEC.decode(config)
    assert "adapter `under_test`: adapter_config: " in caught.value.message


def test_not_more_than_ten_faults_are_told() -> None:
    with pytest.raises(ParamsError, match="and 2 more"):
        CODEC.decode(by_struct({f"x{number:02}": 1 for number in range(12)}))


@dataclass(frozen=True, slots=True)
class Twice:
    first: str = ""
    second: str = field(default="", metadata={"number": 1})


@dataclass(frozen=True, slots=True)
class Reserved:
    first: str = field(default="", metadata={"number": 19_500})


@dataclass(frozen=True, slots=True)
class TooHigh:
    first: str = field(default="", metadata={"number": 2**29})


@dataclass(frozen=True, slots=True)
class ListOfLists:
    first: tuple[tuple[str, ...], ...] = ()


@pytest.mark.parametrize(
    ("params", "fault"),
    [
        (Twice(), "`Twice.second` has the number 1, as has `first`"),
        (Reserved(), "protobuf keeps the number 19500"),
        (TooHigh(), "no field number"),
        (ListOfLists(), "list or map of lists"),
    ],
)
def test_parameters_that_no_message_can_carry_are_the_author_s_fault(
    params: object, fault: str
) -> None:
    with pytest.raises(SchemaError, match=fault):
        ParamsCodec(info(params))


@pytest.mark.parametrize("adapter", BUILTIN_ADAPTERS, ids=lambda each: each.name)
def test_every_built_in_adapter_s_parameters_have_a_message(adapter: AdapterInfo[Any]) -> None:
    url = f"type.googleapis.com/adapter.{adapter.name}.config.Params"
    assert ParamsCodec(adapter).decode(PackedConfig(url)) == adapter.defaults


def compiled(text: str, package: str) -> FileDescriptorProto:
    """What protoc makes of a file."""
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "params.proto").write_text(text)
        out = Path(folder) / "set.bin"
        failed = protoc.main(
            ["protoc", f"-I{folder}", f"-I{well_known}", f"-o{out}", f"{folder}/params.proto"]
        )
        assert not failed
        (file,) = FileDescriptorSet.FromString(out.read_bytes()).file
    assert file.package == package
    return file


@pytest.mark.parametrize("adapter", [*BUILTIN_ADAPTERS, INFO], ids=lambda each: each.name)
def test_protoc_makes_the_same_messages_of_the_text(adapter: AdapterInfo[Any]) -> None:
    package = f"adapter.{adapter.name}.config"
    files = params_descriptor_set(adapter.name, type(adapter.defaults)).file
    (ours,) = (each for each in files if each.package == package)

    theirs = compiled(params_proto_text(adapter), package)

    for message in theirs.message_type:
        for each in (*message.field, *(f for n in message.nested_type for f in n.field)):
            each.ClearField("json_name")
    assert list(theirs.message_type) == list(ours.message_type)
