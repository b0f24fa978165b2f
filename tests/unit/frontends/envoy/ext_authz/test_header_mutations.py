"""Header operations, reduced to what Envoy can carry out."""

from collections.abc import Callable

import pytest

from remixer.attributes.values import PlainStringMap
from remixer.foundation.http_fields import FRAMING_NAMES
from remixer.frontends.envoy.ext_authz.header_mutations import (
    request_mutations,
    response_mutations,
)
from remixer.mixer.outcome import HeaderOperation, HeaderOperationKind
from remixer.wire._pb.envoy.config.core.v3.base_pb2 import HeaderValueOption

_NO_HEADERS = PlainStringMap()
Operation = Callable[[str, str], HeaderOperation]


def replace(name: str, value: str) -> HeaderOperation:
    return HeaderOperation(name, value, HeaderOperationKind.REPLACE)


def append(name: str, value: str) -> HeaderOperation:
    return HeaderOperation(name, value, HeaderOperationKind.APPEND)


def remove(name: str) -> HeaderOperation:
    return HeaderOperation(name, kind=HeaderOperationKind.REMOVE)


def on_request(
    *operations: HeaderOperation, headers: PlainStringMap = _NO_HEADERS
) -> tuple[list[tuple[str, str, str]], tuple[str, ...]]:
    """(what, name, value) in order, and the names removed."""
    mutations = request_mutations(operations, headers)
    options = [
        ("append" if option.append.value else "set", option.header.key, option.header.value)
        for option in mutations.options
    ]
    return options, mutations.removed


def on_response(
    *operations: HeaderOperation,
) -> tuple[list[tuple[str, str, str]], tuple[str, ...]]:
    mutations = response_mutations(operations)
    words = {
        HeaderValueOption.APPEND_IF_EXISTS_OR_ADD: "append",
        HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD: "set",
    }
    options = [
        (words[option.append_action], option.header.key, option.header.value)
        for option in mutations.options
    ]
    return options, mutations.removed


def test_replace_sets() -> None:
    assert on_request(replace("a", "1")) == ([("set", "a", "1")], ())
    assert on_response(replace("a", "1")) == ([("set", "a", "1")], ())


def test_the_last_replace_counts() -> None:
    assert on_request(replace("a", "1"), replace("a", "2")) == ([("set", "a", "2")], ())


def test_remove_takes_away() -> None:
    assert on_request(remove("a")) == ([], ("a",))
    assert on_response(remove("a")) == ([], ("a",))


def test_names_are_lower_cased_so_that_operations_on_one_header_meet() -> None:
    assert on_request(replace("X-A", "1"), remove("x-a")) == ([], ("x-a",))


def test_append_joins_a_header_that_the_request_has() -> None:
    present = PlainStringMap(a="0")
    assert on_request(append("a", "1"), headers=present) == ([("append", "a", "1")], ())


def test_append_sets_a_header_that_the_request_lacks_since_envoy_would_not() -> None:
    assert on_request(append("a", "1"), append("a", "2")) == (
        [("set", "a", "1"), ("append", "a", "2")],
        (),
    )


def test_append_on_a_connection_without_headers_sets() -> None:
    (option,) = request_mutations([append("a", "1")], None).options
    assert not option.HasField("append")


def test_append_on_a_response_adds_a_line_whatever_is_there() -> None:
    assert on_response(append("a", "1"), append("a", "2")) == (
        [("append", "a", "1"), ("append", "a", "2")],
        (),
    )


def test_append_after_replace_keeps_both() -> None:
    assert on_request(replace("a", "1"), append("a", "2")) == (
        [("set", "a", "1"), ("append", "a", "2")],
        (),
    )


def test_append_after_replace_on_a_response_shares_the_line_since_envoy_sets_last() -> None:
    assert on_response(replace("a", "1"), append("a", "2")) == ([("set", "a", "1,2")], ())


def test_cookies_never_share_a_line() -> None:
    assert on_response(replace("Set-Cookie", "a=1"), append("set-cookie", "b=2")) == (
        [("append", "set-cookie", "a=1"), ("append", "set-cookie", "b=2")],
        (),
    )


def test_replace_after_append_leaves_only_itself() -> None:
    present = PlainStringMap(a="0")
    assert on_request(append("a", "1"), replace("a", "2"), headers=present) == (
        [("set", "a", "2")],
        (),
    )


def test_append_after_remove_leaves_only_itself() -> None:
    present = PlainStringMap(a="0")
    assert on_request(remove("a"), append("a", "1"), headers=present) == ([("set", "a", "1")], ())


def test_replace_after_remove_sets() -> None:
    assert on_response(remove("a"), replace("a", "1")) == ([("set", "a", "1")], ())


@pytest.mark.parametrize("operation", [replace, append])
def test_a_value_never_begins_another_header(operation: Operation) -> None:
    smuggled = operation("x-q", "a\r\nx-evil: 1\r\n\r\nbody\0")
    for options, _ in (on_request(smuggled), on_response(smuggled)):
        assert [value for _, _, value in options] == ["a  x-evil: 1    body "]


def test_a_value_that_utf8_cannot_carry_loses_no_verdict() -> None:
    (option,), _ = on_response(replace("x-q", "a\udc80"))
    assert option[2] == "a?"


@pytest.mark.parametrize("name", ["", "bad name", "x\r\ny"])
def test_what_is_no_header_name_is_left_out(name: str) -> None:
    assert on_request(replace(name, "v"), remove(name)) == ([], ())
    assert on_response(append(name, "v")) == ([], ())


@pytest.mark.parametrize("name", sorted({*FRAMING_NAMES, "Content-Length"}))
@pytest.mark.parametrize("operation", [replace, append])
def test_what_says_where_a_message_ends_is_never_written(name: str, operation: Operation) -> None:
    operations = (operation("a", "1"), operation(name, "1"))
    assert on_request(*operations, headers=PlainStringMap({name.lower(): "9"})) == on_request(
        operation("a", "1")
    )
    assert on_response(*operations) == on_response(operation("a", "1"))


def test_what_says_where_a_message_ends_may_be_removed() -> None:
    assert on_request(remove("Upgrade"), replace("upgrade", "h2c")) == ([], ("upgrade",))
