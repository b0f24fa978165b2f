"""`params` of instances whose template is a resource, field kind by field kind."""

from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from remixer.adapters.remote import remote_adapter
from remixer.attributes.bag import Bag, plain_bag
from remixer.attributes.values import Duration, Timestamp
from remixer.config import codes
from remixer.config.resolve import resolve
from remixer.config.resources import combine, parse_file
from remixer.config.snapshot import Snapshot
from remixer.expr.semantics import Semantics
from remixer.templates.build import InstanceError
from remixer.templates.dynamic import DynamicInstance
from remixer.testing.remote_texts import (
    adapter_resource,
    remote_handler,
    remote_instance,
    template_resource,
)
from remixer.testing.rich_template import rich_descriptor_set, rich_message
from remixer.testing.texts import action, rule

BESIDE = {codes.NO_ENCODER, codes.USELESS_KEY}
"""Warnings that are another test's matter."""
WORDS = """
kind: attributemanifest
metadata: {name: words, namespace: shop}
spec:
  attributes:
    user: {valueType: STRING}
    size: {valueType: INT64}
    share: {valueType: DOUBLE}
    ok: {valueType: BOOL}
    at: {valueType: TIMESTAMP}
    took: {valueType: DURATION}
    ip: {valueType: IP_ADDRESS}
    host: {valueType: DNS_NAME}
    mail: {valueType: EMAIL_ADDRESS}
    link: {valueType: URI}
    headers: {valueType: STRING_MAP}
---
"""
BAG = plain_bag(
    {
        "user": "ann",
        "size": 42,
        "share": 0.5,
        "ok": True,
        "at": Timestamp(1_000_000_001),
        "took": Duration(1_500_000_000),
        "ip": b"\x0a\x00\x00\x01",
        "host": "a.b",
        "mail": "a@b.c",
        "link": "http://a/b",
        "headers": {"a": "1"},
    }
)


def snapshot(params: str, semantics: Semantics = Semantics.FIXED) -> Snapshot:
    text = WORDS + "".join(
        (
            template_resource("rich", rich_descriptor_set(), namespace="shop"),
            adapter_resource("remote", "rich", namespace="shop"),
            remote_handler("h", "remote", "a:1", namespace="shop"),
            remote_instance("i", "rich", params, namespace="shop"),
            rule("r", action("h", "i")),
        )
    )
    return resolve(
        combine([parse_file(text.encode(), "f.yaml")]),
        adapters={},
        templates={},
        semantics=semantics,
        remote=remote_adapter,
    )


def built(params: str, bag: Bag = BAG, semantics: Semantics = Semantics.FIXED) -> Any:
    """The instance as its adapter reads it."""
    found = snapshot(params, semantics)
    assert not [each for each in found.problems if each.code not in BESIDE]
    instance = found.rules[0].actions[0].instances[0].build(bag)
    assert isinstance(instance, DynamicInstance)
    return rich_message(instance.payload)


def fields(message: Any) -> dict[str, Any]:
    found = MessageToDict(message, preserving_proto_field_name=True)
    del found["name"]
    return found


CASES: list[tuple[str, dict[str, Any]]] = [
    # constants between quotes, and expressions
    ("""text: "'it is'" """, {"text": "it is"}),
    ("""text: '"it is"' """, {"text": "it is"}),
    ("""text: '"5s"' """, {"text": "5s"}),
    (r"""text: '"a\nb"' """, {"text": r"a\nb"}),
    ("""text: user """, {"text": "ann"}),
    ("""text: '"a" + "b"' """, {"text": "ab"}),
    ("""text: '"a" | "b"' """, {"text": "a"}),
    ("""text: user + "!" """, {"text": "ann!"}),
    # numbers and booleans
    ("count: size", {"count": "42"}),
    ("count: 7", {"count": "7"}),
    ("count: 7.0", {"count": "7"}),
    ("small: size", {"small": 42}),
    ("small: -1", {"small": -1}),
    ("zigzag: -3", {"zigzag": "-3"}),
    ("fixed: 9", {"fixed": 9}),
    ("unsigned: size", {"unsigned": 42}),
    ("ratio: share", {"ratio": 0.5}),
    ("ratio: 2", {"ratio": 2.0}),
    ("single: share", {"single": 0.5}),
    ("flag: ok", {"flag": True}),
    ("flag: true", {"flag": True}),
    # enums
    ("""color: "'RED'" """, {"color": "RED"}),
    ("color: 5", {"color": "BLUE"}),
    ("color: size", {"color": 42}),
    ("""color: 'conditional(ok, "BLUE", "RED")' """, {"color": "BLUE"}),
    # Value: the member of the expression's type
    ("""value: "'a'" """, {"value": {"string_value": "a"}}),
    ("value: 1", {"value": {"double_value": 1.0}}),
    ("value: '1'", {"value": {"int64_value": "1"}}),
    ("value: true", {"value": {"bool_value": True}}),
    ("value: user", {"value": {"string_value": "ann"}}),
    ("value: size", {"value": {"int64_value": "42"}}),
    ("value: share", {"value": {"double_value": 0.5}}),
    ("value: ok", {"value": {"bool_value": True}}),
    ("value: ip", {"value": {"ip_address_value": {"value": "CgAAAQ=="}}}),
    ("value: at", {"value": {"timestamp_value": {"value": "1970-01-01T00:00:01.000000001Z"}}}),
    ("value: took", {"value": {"duration_value": {"value": "1.500s"}}}),
    ("value: mail", {"value": {"email_address_value": {"value": "a@b.c"}}}),
    ("value: host", {"value": {"dns_name_value": {"value": "a.b"}}}),
    ("value: link", {"value": {"uri_value": {"value": "http://a/b"}}}),
    ("value: headers", {"value": {"string_map_value": {"value": {"a": "1"}}}}),
    # wrapper messages: expressions, and constants that Mixer encoded wrongly
    ("at: at", {"at": {"value": "1970-01-01T00:00:01.000000001Z"}}),
    ("""at: "'2021-06-01T06:00:00Z'" """, {"at": {"value": "2021-06-01T06:00:00Z"}}),
    ("took: took", {"took": {"value": "1.500s"}}),
    ("""took: '"5s"' """, {"took": {"value": "5s"}}),
    ("ip: ip", {"ip": {"value": "CgAAAQ=="}}),
    ("""ip: "'10.0.0.1'" """, {"ip": {"value": "AAAAAAAAAAAAAP//CgAAAQ=="}}),
    ("host: host", {"host": {"value": "a.b"}}),
    ("""mail: "'a@b.c'" """, {"mail": {"value": "a@b.c"}}),
    ("link: link", {"link": {"value": "http://a/b"}}),
    # messages, maps, lists, alternatives
    (
        "inner: {name: user, inner: {value: size}}",
        {"inner": {"name": "ann", "inner": {"value": {"int64_value": "42"}}}},
    ),
    ("inner: {}", {"inner": {}}),
    ("words: {a: user, b.c: \"'x'\"}", {"words": {"a": "ann", "b.c": "x"}}),
    ("values: {a: size}", {"values": {"a": {"int64_value": "42"}}}),
    ("inners: {a: {name: user}}", {"inners": {"a": {"name": "ann"}}}),
    ("tags: [user, \"'b'\"]", {"tags": ["ann", "b"]}),
    ("numbers: [1, size, 300]", {"numbers": ["1", "42", "300"]}),
    ("loose: [1, size]", {"loose": ["1", "42"]}),
    ("many: [{name: user}, {}]", {"many": [{"name": "ann"}, {}]}),
    ("colors: [\"'RED'\", 5]", {"colors": ["RED", "BLUE"]}),
    ("right: size", {"right": "42"}),
    # names
    ("snakeCaseName: user", {"snake_case_name": "ann"}),
    ("snake_case_name: user", {"snake_case_name": "ann"}),
    ("text: null", {}),
]


@pytest.mark.parametrize(("params", "expected"), CASES)
def test_fields_as_an_adapter_reads_them(params: str, expected: dict[str, Any]) -> None:
    assert fields(built(params)) == expected


def test_name_of_the_instance_comes_by_itself_and_last() -> None:
    assert built("").name == "i.instance.shop"
    found = snapshot("text: user").rules[0].actions[0].instances[0].build(BAG)
    assert isinstance(found, DynamicInstance)
    name = b"i.instance.shop"
    assert found.payload.endswith(bytes.fromhex("fad2e49302") + bytes((len(name),)) + name)


def test_instance_without_expressions_is_made_once() -> None:
    build = snapshot("inner: {name: \"'x'\"}").rules[0].actions[0].instances[0].build
    assert build(BAG) is build(plain_bag({}))


def test_old_semantics_take_any_text_with_quotes_at_both_ends_for_a_constant() -> None:
    message = built("""text: '"a" + "b"' """, semantics=Semantics.MIXER_1_3)
    assert message.text == 'a" + "b'


FAULTS = [
    ("nonsense: user", codes.UNKNOWN_FIELD, "unknown field `nonsense`"),
    ("name: user", codes.UNKNOWN_FIELD, "unknown field `name`"),
    ("text: 5", codes.WRONG_TYPE, "wanted a text"),
    ("text: size", "EXPR010", "expected type STRING"),
    ("count: user", "EXPR010", "expected type INT64"),
    ("""count: '"5"' """, "EXPR010", "expected type INT64"),
    ("count: true", codes.WRONG_TYPE, "wanted a whole number"),
    ("count: 1.5", codes.WRONG_TYPE, "wanted a whole number"),
    ("small: 3000000000", codes.BAD_CONSTANT, "does not fit `int32`"),
    ("small: '3000000000'", codes.BAD_CONSTANT, "does not fit `int32`"),
    ("unsigned: -1", codes.BAD_CONSTANT, "does not fit `uint32`"),
    ("single: 1.0e+300", codes.BAD_CONSTANT, "does not fit `float`"),
    ("ratio: true", codes.WRONG_TYPE, "wanted a number"),
    ("flag: 1", codes.WRONG_TYPE, "wanted a boolean"),
    ("""color: "'GREEN'" """, codes.UNKNOWN_ENUM, "`rich.Color`"),
    ("color: 2", codes.UNKNOWN_ENUM, "`rich.Color`"),
    ("color: ok", codes.WRONG_TYPE, "gives BOOL"),
    ("at: size", "EXPR010", "expected type TIMESTAMP"),
    ("at: 5", codes.EXPRESSION_NOT_TEXT, "wanted an expression"),
    ("""at: "'soon'" """, codes.BAD_CONSTANT, "no TIMESTAMP"),
    ("""took: "'soon'" """, "EXPR010", "expected type DURATION"),
    ("value: [1]", codes.WRONG_TYPE, "a list"),
    ("value: ''", codes.EMPTY_EXPRESSION, "empty"),
    ("inner: user", codes.WRONG_TYPE, "wanted a mapping"),
    ("inner: {nme: user}", codes.UNKNOWN_FIELD, "unknown field `nme`"),
    ("words: user", codes.WRONG_TYPE, "wanted a mapping"),
    ("words: {a: null}", codes.WRONG_TYPE, "null"),
    ("by_number: {1: user}", codes.NO_ENCODER, "keys are not `string`"),
    ("tags: user", codes.WRONG_TYPE, "wanted a list"),
    ("photo: user", codes.NO_ENCODER, "`bytes`"),
    ("left: user, right: 1", codes.FIELD_TWICE, "are alternatives (`choice`)"),
    ("snakeCaseName: user, snake_case_name: user", codes.FIELD_TWICE, "given twice"),
    ("text: usr", "EXPR004", "unknown attribute"),
]


@pytest.mark.parametrize(("params", "code", "text"), FAULTS)
def test_faults_are_located_and_leave_the_instance_out(params: str, code: str, text: str) -> None:
    found = snapshot(params)
    own = [each for each in found.problems if each.resource == "i.instance.shop"]
    assert [each.code for each in own] == [code]
    assert text in own[0].message
    assert own[0].field.startswith("spec.params.")
    assert own[0].location.line
    assert not found.rules


def failure(params: str, bag: Bag) -> InstanceError:
    with pytest.raises(InstanceError) as caught:
        snapshot(params).rules[0].actions[0].instances[0].build(bag)
    return caught.value


def test_expression_without_a_value_names_its_field() -> None:
    error = failure("inner: {name: user}", plain_bag({}))
    assert (error.instance, error.path) == ("i.instance.shop", "Inner.Name")
    assert "lookup failed" in error.cause


def test_value_that_its_field_cannot_hold_fails_the_instance() -> None:
    error = failure("small: size", plain_bag({"size": 2**40}))
    assert "does not fit `int32`" in error.cause


def test_unknown_name_of_an_enum_fails_the_instance() -> None:
    error = failure("color: user", BAG)
    assert "`rich.Color` has no member" in error.cause
