import pytest

from remixer.foundation.http_fields import field_value, is_field_name, is_framing_name


@pytest.mark.parametrize("name", ["x-user", "X-User", ":path", "a!#$%&'*+-.^_`|~9"])
def test_tokens_and_pseudo_headers_are_names(name: str) -> None:
    assert is_field_name(name)


@pytest.mark.parametrize("name", ["", ":", "a b", "a:", "a\r\n", "größe", "::path", "a\0"])
def test_all_else_is_no_name(name: str) -> None:
    assert not is_field_name(name)


@pytest.mark.parametrize("name", ["content-length", "Transfer-Encoding", "TE", "connection"])
def test_what_says_where_a_message_ends_is_known_in_any_case(name: str) -> None:
    assert is_framing_name(name)


@pytest.mark.parametrize("name", ["content-type", "x-content-length", "host", "", ":path"])
def test_other_names_say_nothing_of_that(name: str) -> None:
    assert not is_framing_name(name)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("größe\t日本", "größe\t日本"),
        ("a\r\nx-evil: 1\r\n\r\nbody", "a  x-evil: 1    body"),
        ("a\0b\x7fc\x1bd", "a b c d"),
        ("", ""),
    ],
)
def test_a_value_is_one_line(text: str, value: str) -> None:
    assert field_value(text) == value
