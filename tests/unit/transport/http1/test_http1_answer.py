"""Responses of HTTP/1.1: one message, whatever a service puts into it."""

import pytest

from remixer.transport.http1.answer import is_settable, response_bytes
from remixer.transport.http1.port import HttpResponse

DATE = "Thu, 01 Jan 1970 00:00:00 GMT"


def sent(response: HttpResponse, *, ends: bool = False, is_head: bool = False) -> bytes:
    return response_bytes(response, date=DATE, ends=ends, is_head=is_head)


def test_a_response_has_length_and_date() -> None:
    assert sent(HttpResponse(403, [("x-a", "b"), ("x-a", "c")], b"no")) == (
        b"HTTP/1.1 403 Forbidden\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
        b"x-a: b\r\nx-a: c\r\ncontent-length: 2\r\n\r\nno"
    )


def test_the_last_response_says_so() -> None:
    assert b"\r\nconnection: close\r\n\r\n" in sent(HttpResponse(200), ends=True)


def test_head_gets_the_length_and_no_body() -> None:
    answer = sent(HttpResponse(200, (), b"body"), is_head=True)
    assert b"\r\ncontent-length: 4\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("status", [204, 304])
def test_some_statuses_have_neither_length_nor_body(status: int) -> None:
    answer = sent(HttpResponse(status, (), b"body"))
    assert b"content-length" not in answer
    assert answer.endswith(b"\r\n\r\n")


def test_a_status_without_a_name_has_none() -> None:
    assert sent(HttpResponse(499)).startswith(b"HTTP/1.1 499 \r\n")


def test_a_line_break_in_a_value_becomes_blanks() -> None:
    answer = sent(HttpResponse(200, [("x-a", "b\r\nx-evil: 1\r\n\r\nbody\x00")]))
    assert b"\r\nx-a: b  x-evil: 1    body \r\n" in answer
    assert answer.count(b"\r\n\r\n") == 1


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a b",
        "a\r\nb",
        "a:",
        ":status",
        "é",
        "Content-Length",
        "transfer-encoding",
        "Connection",
    ],
)
def test_names_that_are_none_or_the_servers_own_are_left_out(name: str) -> None:
    assert not is_settable(name)
    assert sent(HttpResponse(200, [(name, "1")])) == sent(HttpResponse(200))


def test_what_utf_8_cannot_carry_is_replaced() -> None:
    assert b"x-a: \xc3\xbc?\r\n" in sent(HttpResponse(200, [("x-a", "ü\ud800")]))
