"""`template` and `adapter` resources, and the handlers that name them."""

import base64
from typing import cast

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from remixer.adapters.remote import remote_adapter
from remixer.config import codes
from remixer.config.resolve import resolve
from remixer.config.resources import combine, parse_file
from remixer.config.snapshot import Snapshot
from remixer.foundation.problems import Problem, Severity
from remixer.sdk.remote import RemoteParams
from remixer.templates.instances import BUILTIN_TEMPLATES
from remixer.testing.remote_texts import (
    adapter_resource,
    params_descriptor_set,
    remote_handler,
    remote_instance,
    template_resource,
)
from remixer.testing.rich_template import rich_descriptor_set
from remixer.testing.texts import action, instance, rule
from remixer.transport.remote_spec import (
    AuthHeader,
    ConnectionSpec,
    CustomHeader,
    MutualTls,
    OAuthClient,
    Tls,
    TokenFile,
)

TEMPLATES = {template.name: template for template in BUILTIN_TEMPLATES}
NOTHING = TEMPLATES["checknothing"]
PARAMS = params_descriptor_set("config.door", host="string", table="map")
OAUTH = (
    "authentication: {tls: {oauth: {clientId: i, clientSecret: /s, "
    "tokenUrl: 'https://o/t', scopes: [a], endpointParams: {k: v}}}}"
)
RULE = rule("r", action("h", "i"))


def snapshot(*texts: str, has_remote: bool = True) -> Snapshot:
    return resolve(
        combine([parse_file("".join(texts).encode(), "f.yaml")]),
        adapters={},
        templates=TEMPLATES,
        remote=remote_adapter if has_remote else None,
    )


def only_problem(*texts: str) -> Problem:
    (problem,) = snapshot(*texts).problems
    return problem


def template(name: str = "t", namespace: str = "shop") -> str:
    return template_resource(name, NOTHING, namespace=namespace)


def adapter(*templates: str, config: bytes = b"") -> str:
    return adapter_resource("door", *(templates or ("t",)), config=config, namespace="shop")


def handler(params: str = "", *, more: str = "", address: str = "a:1") -> str:
    return remote_handler("h", "door", address, params, more=more, namespace="shop")


def asked(template_name: str = "t") -> str:
    return remote_instance("i", template_name, namespace="shop")


def params_of(*texts: str) -> RemoteParams:
    found = snapshot(template(), *texts, asked(), RULE)
    assert not found.problems
    (only,) = found.handlers
    return cast("RemoteParams", only.params)


def test_handler_is_named_in_three_parts_for_people_too() -> None:
    (found,) = snapshot(template(), adapter(), handler(), asked(), RULE).handlers
    assert found.name == found.display_name == "h.handler.shop"
    assert found.adapter.name == "door.adapter.shop"
    assert found.params.templates["t.template.shop"].path == (  # type: ignore[attr-defined] # RemoteParams
        "/checknothing.HandleCheckNothingService/HandleCheckNothing"
    )


def test_equal_files_give_equal_signatures_and_another_address_another_one() -> None:
    def signature(address: str) -> bytes:
        (found,) = snapshot(template(), adapter(), handler(address=address), asked(), RULE).handlers
        return found.signature

    assert signature("a:1") == signature("a:1")
    assert signature("a:1") != signature("a:2")


def test_parameters_are_encoded_once_with_maps_and_texts() -> None:
    found = params_of(adapter(config=PARAMS), handler("host: x, table: {a: b}"))
    assert found.config_type == "config.door.Params"
    assert found.config == b"\x0a\x01x\x12\x06\x0a\x01a\x12\x01b"


def test_missing_parameters_are_empty_ones() -> None:
    assert params_of(adapter(config=PARAMS), handler()).config == b""


def test_adapter_reaches_a_template_elsewhere_only_by_its_namespace() -> None:
    texts = (template(namespace="istio-system"), handler(), asked("t.istio-system"), RULE)
    found = snapshot(*texts, adapter("t")).problems
    (problem,) = (each for each in found if each.resource == "door.adapter.shop")
    assert problem.code == codes.UNKNOWN_TEMPLATE
    assert "t.template.istio-system" in problem.hint
    assert not snapshot(*texts, adapter("t.istio-system")).problems


def test_every_missing_template_is_told_and_the_adapter_left_out() -> None:
    found = snapshot(adapter("a", "b"), handler()).problems
    assert [each.code for each in found] == [
        codes.UNKNOWN_TEMPLATE,
        codes.UNKNOWN_TEMPLATE,
        codes.TARGET_LEFT_OUT,
    ]
    assert [each.field for each in found[:2]] == ["spec.templates[0]", "spec.templates[1]"]


def test_faulty_descriptor_leaves_out_what_depends_on_it_only() -> None:
    faulty = (
        "kind: template\nmetadata: {name: bad, namespace: shop}\nspec: {descriptor: '***'}\n---\n"
    )
    found = snapshot(template(), faulty, adapter(), handler(), asked(), RULE)
    assert len(found.rules) == 1
    (problem,) = found.problems
    assert (problem.code, problem.resource) == (codes.BAD_BASE64, "bad.template.shop")
    assert problem.field == "spec.descriptor"
    assert problem.location.line


def test_instance_of_a_faulty_template_says_so() -> None:
    faulty = "kind: template\nmetadata: {name: t, namespace: shop}\nspec: {descriptor: ''}\n---\n"
    found = snapshot(faulty, asked()).problems
    assert [each.code for each in found] == [codes.NOT_A_DESCRIPTOR_SET, codes.TARGET_LEFT_OUT]


def test_handler_takes_no_instance_of_a_built_in_template() -> None:
    static = instance("i", "checknothing")
    found = snapshot(template(), adapter(), handler(), static, RULE).problems
    assert {each.code for each in found} == {codes.TEMPLATE_NOT_TAKEN, codes.RULE_LEFT_EMPTY}


def test_field_without_encoder_is_a_warning_until_it_is_set() -> None:
    problem = next(
        each
        for each in snapshot(
            template_resource("t", rich_descriptor_set(), namespace="shop")
        ).problems
        if "photo" in each.message
    )
    assert (problem.code, problem.severity) == (codes.NO_ENCODER, Severity.WARNING)


def test_unknown_adapter() -> None:
    problem = only_problem(handler())
    assert (problem.code, problem.field) == (codes.UNKNOWN_ADAPTER, "spec.adapter")


def test_adapter_without_params_message() -> None:
    problem = only_problem(template(), adapter(config=rich_descriptor_set()))
    assert (problem.code, problem.field) == (codes.NO_PARAMS_MESSAGE, "spec.config")


def test_parameters_for_an_adapter_that_takes_none() -> None:
    problem = only_problem(template(), adapter(), handler("a: b"))
    assert (problem.code, problem.field) == (codes.NO_PARAMS_TAKEN, "spec.params")


def test_two_resources_of_one_name_the_last_counts() -> None:
    found = snapshot(template(), template())
    assert [each.code for each in found.problems] == [codes.DUPLICATE_RESOURCE]


def test_process_that_calls_nobody_says_so() -> None:
    found = snapshot(template(), adapter(), handler(), asked(), has_remote=False)
    assert {each.code for each in found.problems} == {codes.NOT_SUPPORTED}


# ---------------------------------------------------------------- parameters of every type


def typed_params() -> bytes:
    kinds = {
        "count": FieldDescriptorProto.TYPE_INT64,
        "ratio": FieldDescriptorProto.TYPE_DOUBLE,
        "flag": FieldDescriptorProto.TYPE_BOOL,
        "blob": FieldDescriptorProto.TYPE_BYTES,
        "small": FieldDescriptorProto.TYPE_UINT32,
    }
    params = DescriptorProto(name="Params")
    for number, (name, kind) in enumerate(kinds.items(), start=1):
        params.field.add(name=name, number=number, type=kind)
    message, enum = FieldDescriptorProto.TYPE_MESSAGE, FieldDescriptorProto.TYPE_ENUM
    params.field.add(name="wait", number=6, type=message, type_name=".google.protobuf.Duration")
    params.field.add(name="since", number=7, type=message, type_name=".google.protobuf.Timestamp")
    params.field.add(name="mode", number=8, type=enum, type_name=".p.Mode")
    params.field.add(
        name="ports",
        number=9,
        type=FieldDescriptorProto.TYPE_INT32,
        label=FieldDescriptorProto.LABEL_REPEATED,
    )
    files = FileDescriptorSet.FromString(rich_descriptor_set())
    own = FileDescriptorProto(name="p.proto", package="p", syntax="proto3", message_type=[params])
    mode = EnumDescriptorProto(name="Mode")
    mode.value.add(name="OFF", number=0)
    mode.value.add(name="ON", number=3)
    own.enum_type.append(mode)
    files.file.append(own)
    return files.SerializeToString()


TYPED = typed_params()


@pytest.mark.parametrize(
    ("params", "encoded"),
    [
        ("count: 5", b"\x08\x05"),
        ("count: '0x10'", b"\x08\x10"),
        ("count: '010'", b"\x08\x08"),
        ("count: '-1'", b"\x08" + b"\xff" * 9 + b"\x01"),
        ("count: null", b""),
        ("ratio: 1", b"\x11\x00\x00\x00\x00\x00\x00\xf0\x3f"),
        ("flag: true", b"\x18\x01"),
        ("blob: YWI=", b"\x22\x02ab"),
        ("wait: 1.5s", b"\x32\x08\x08\x01\x10\x80\xca\xb5\xee\x01"),
        ("since: '1970-01-01T00:00:02Z'", b"\x3a\x02\x08\x02"),
        ("mode: 'ON'", b"\x40\x03"),
        ("ports: [1, 300]", b"\x4a\x03\x01\xac\x02"),
        ("wait: {seconds: 1}", b"\x32\x02\x08\x01"),
    ],
)
def test_parameters_of_every_type(params: str, encoded: bytes) -> None:
    assert params_of(adapter(config=TYPED), handler(params)).config == encoded


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ("cuont: 5", codes.UNKNOWN_FIELD),
        ("count: five", codes.WRONG_TYPE),
        ("count: 1.5", codes.WRONG_TYPE),
        ("small: -1", codes.OUT_OF_RANGE),
        ("flag: 'true'", codes.WRONG_TYPE),
        ("wait: 5", codes.BAD_DURATION),
        ("since: yesterday", codes.BAD_CONSTANT),
        ("mode: MAYBE", codes.UNKNOWN_ENUM),
        ("mode: 3", codes.UNKNOWN_ENUM),
        ("ports: 1", codes.WRONG_TYPE),
        ("blob: '***'", codes.BAD_BASE64),
        ("ratio: much", codes.WRONG_TYPE),
        ("wait: {secnds: 1}", codes.UNKNOWN_FIELD),
    ],
)
def test_faulty_parameters_leave_the_handler_out(params: str, code: str) -> None:
    problem = only_problem(template(), adapter(config=TYPED), handler(params))
    assert problem.code == code
    assert problem.field.startswith("spec.params.")


# ---------------------------------------------------------------- connections


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", ConnectionSpec("a:1")),
        ("timeout: 1.5s", ConnectionSpec("a:1", 1.5)),
        (
            "authentication: {tls: {tokenPath: /t, authHeader: BEARER, serverName: name}}",
            ConnectionSpec(
                "a:1", None, Tls(server_name="name", token=TokenFile("/t", AuthHeader.BEARER))
            ),
        ),
        (
            "authentication: {tls: {token_path: /t, custom_header: x-key, ca_certificates: /c}}",
            ConnectionSpec("a:1", None, Tls("/c", token=TokenFile("/t", CustomHeader("x-key")))),
        ),
        (
            OAUTH,
            ConnectionSpec(
                "a:1",
                None,
                Tls(token=OAuthClient("i", "/s", "https://o/t", ("a",), (("k", "v"),))),
            ),
        ),
        ("authentication: {tls: {}}", ConnectionSpec("a:1", None, Tls())),
        (
            "authentication: {mutual: {privateKey: /k, clientCertificate: /c}}",
            ConnectionSpec("a:1", None, MutualTls("/c", "/k")),
        ),
    ],
)
def test_connections(more: str, expected: ConnectionSpec) -> None:
    assert params_of(adapter(), handler(more=more)).connection == expected


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ("authentication: {}", "either `tls` or `mutual`"),
        ("authentication: {tls: {tokenPath: /t}}", "a token, and no header for it"),
        ("authentication: {tls: {authHeader: PLAIN}}", "no `token_path`"),
        (
            "authentication: {tls: {tokenPath: /t, authHeader: PLAIN, oauth: {}}}",
            "are alternatives",
        ),
        ("authentication: {mutual: {privateKey: /k}}", "client_certificate"),
    ],
)
def test_connections_that_cannot_work(more: str, text: str) -> None:
    problem = snapshot(template(), adapter(), handler(more=more)).problems[0]
    assert problem.code == codes.BAD_CONNECTION
    assert text in problem.message
    assert problem.field.startswith("spec.connection.authentication")


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        (
            "",
            "Its adapter runs elsewhere: `connection: {address: adapter.shop:9070}` says where.",
        ),
        ("http://a:1", "Leave `http://` out; whether TLS is used `authentication` says."),
        ("a", "Such as `adapter.shop:9070`."),
    ],
)
def test_an_address_that_cannot_work_has_a_next_step(address: str, hint: str) -> None:
    problem = snapshot(template(), adapter(), handler(address=address)).problems[0]
    assert (problem.code, problem.field) == (codes.BAD_CONNECTION, "spec.connection.address")
    assert problem.hint == hint


def test_handler_without_an_address() -> None:
    problem = only_problem(template(), adapter(), handler(address=""))
    assert (problem.code, problem.field) == (codes.BAD_CONNECTION, "spec.connection.address")


# ---------------------------------------------------------------- sessions


def session_adapter(annotation: str) -> str:
    return adapter_resource(
        "door", "t", is_session_based=True, annotations=annotation, namespace="shop"
    )


def test_sessions_are_used_when_the_adapter_resource_says_so() -> None:
    assert not params_of(session_adapter(""), handler()).uses_sessions
    assert params_of(session_adapter('remixer.dev/sessions: "true"'), handler()).uses_sessions


def test_parameters_that_are_never_sent_are_told() -> None:
    silent = adapter_resource("door", "t", config=PARAMS, is_session_based=True, namespace="shop")
    found = snapshot(template(), silent, handler("host: a"), asked(), RULE)
    (problem,) = found.problems
    assert (problem.code, problem.severity) == (codes.PARAMS_NOT_SENT, Severity.WARNING)
    assert problem.field == "spec.params"
    assert len(found.handlers) == 1


def test_unknown_value_of_the_session_setting() -> None:
    problem = only_problem(template(), session_adapter("remixer.dev/sessions: maybe"))
    assert problem.code == codes.UNKNOWN_SETTING


def test_descriptor_may_be_folded_over_lines() -> None:
    text = base64.encodebytes(
        FileDescriptorSet.FromString(rich_descriptor_set()).SerializeToString()
    )
    lines = "\n".join("    " + line for line in text.decode().splitlines())
    document = "kind: template\nmetadata: {name: t, namespace: shop}\nspec:\n  descriptor: |\n"
    found = snapshot(f"{document}{lines}\n")
    assert {each.severity for each in found.problems} == {Severity.WARNING}
