"""Heads of HTTP/1.1: what is understood, and what is refused because two readers could differ."""

import pytest

from remixer.transport.http1.head import BadHeadError, HeadReader, RequestHead

HOST = b"Host: a\r\n"


def reader(*, max_bytes: int = 1_000, max_headers: int = 10) -> HeadReader:
    return HeadReader(max_bytes=max_bytes, max_headers=max_headers)


def read(data: bytes) -> RequestHead:
    found = reader()
    found.feed(data)
    head = found.next()
    assert head is not None
    assert found.next() is None
    return head


def status_of(data: bytes, **limits: int) -> int:
    found = reader(**limits)
    found.feed(data)
    with pytest.raises(BadHeadError) as caught:
        found.next()
    assert caught.value.reason
    return caught.value.status


def test_a_head_has_method_target_and_lines() -> None:
    head = read(b"POST /a?b=c HTTP/1.1\r\nHost: shop\r\nX-Two:\t a \r\nx-two: b\r\n\r\n")
    assert (head.method, head.target) == ("POST", "/a?b=c")
    assert head.lines == [("host", "shop"), ("x-two", "a"), ("x-two", "b")]
    assert not head.ends_connection


def test_bytes_may_come_one_by_one() -> None:
    found = reader()
    data = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
    for each in data[:-1]:
        found.feed(bytes([each]))
        assert found.next() is None
    found.feed(data[-1:])
    assert found.next() is not None
    assert len(found) == 0


def test_heads_that_come_together_are_given_in_order() -> None:
    found = reader()
    found.feed(b"".join(b"GET /%d HTTP/1.1\r\n" % n + HOST + b"\r\n" for n in range(3)))
    heads = [found.next() for _ in range(3)]
    assert [each and each.target for each in heads] == ["/0", "/1", "/2"]


def test_a_blank_line_before_a_head_is_overlooked() -> None:
    assert read(b"\r\nGET / HTTP/1.1\r\n" + HOST + b"\r\n").target == "/"


def test_different_bytes_that_are_no_utf_8_stay_different() -> None:
    texts = {
        read(b"GET /" + odd + b" HTTP/1.1\r\n" + HOST + b"\r\n").target
        for odd in (b"\xff", b"\xfe", b"\xc3\xbc")
    }
    assert texts == {"/\\xff", "/\\xfe", "/ü"}


@pytest.mark.parametrize(
    ("lines", "ends"),
    [
        (b"", False),
        (b"Connection: keep-alive\r\n", False),
        (b"Connection: x, Close\r\n", True),
        (b"Connection: x\r\nConnection: close\r\n", True),
        (b"Content-Length: 0\r\n", False),
        (b"Content-Length: 5\r\n", True),
        (b"Content-Length: 5\r\nContent-Length: 5\r\n", True),
        (b"Transfer-Encoding: Chunked\r\n", True),
    ],
)
def test_a_body_or_a_wish_ends_the_connection(lines: bytes, *, ends: bool) -> None:
    assert read(b"GET / HTTP/1.1\r\n" + HOST + lines + b"\r\n").ends_connection is ends


def test_http_1_0_ends_the_connection_and_needs_no_host() -> None:
    assert read(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").ends_connection


@pytest.mark.parametrize(
    "line",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 0",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding:",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: 5, 5",
        b"Content-Length: +5",
        b"Content-Length: -1",
        b"Content-Length: 0x5",
        b"Content-Length: 5_0",
        b"Content-Length: \xd9\xa5",
        b"Content-Length:",
        b"Content-Length : 5",
        b" Content-Length: 5",
        b"X: a\r\n folded",
        b"X: a\r\n\tfolded",
        b"X",
        b": a",
        b"X Y: a",
        b"X\xff: a",
        b"X: a\nY: b",
        b"X: a\rY: b",
        b"X: a\x00b",
        b"X: a\x7f",
        b"Host: b",
    ],
)
def test_what_two_readers_could_read_differently_is_refused(line: bytes) -> None:
    assert status_of(b"GET / HTTP/1.1\r\n" + HOST + line + b"\r\n\r\n") == 400


def test_http_1_0_with_a_transfer_encoding_is_refused() -> None:
    assert status_of(b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n") == 400


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /", 400),
        (b"GET  / HTTP/1.1", 400),
        (b"GET / x HTTP/1.1", 400),
        (b"GET /\tx HTTP/1.1", 400),
        (b"GET / HTTP/1.1 ", 400),
        (b"G(T / HTTP/1.1", 400),
        (b"G" * 65 + b" / HTTP/1.1", 400),
        (b"GET / HTTP/1.2", 505),
        (b"GET / http/1.1", 505),
        (b"PRI * HTTP/2.0", 505),
    ],
)
def test_request_lines_that_are_none_are_refused(line: bytes, status: int) -> None:
    assert status_of(line + b"\r\n" + HOST + b"\r\n") == status


def test_http_1_1_without_host_is_refused() -> None:
    assert status_of(b"GET / HTTP/1.1\r\n\r\n") == 400


def test_what_can_become_no_request_is_refused_at_its_first_byte() -> None:
    assert status_of(b"\x16") == 400  # TLS
    assert status_of(b"\nGET") == 400


@pytest.mark.parametrize("more", [0, 1])
def test_a_head_has_a_longest_length(more: int) -> None:
    start = b"GET / HTTP/1.1\r\n" + HOST + b"X: "
    data = start + b"y" * (1_000 - len(start) + more) + b"\r\n\r\n"
    if more:
        assert status_of(data) == 431
        assert status_of(data[:-4] + b"yyyy") == 431  # without its end, too
    else:
        assert read(data).lines[-1][0] == "x"


@pytest.mark.parametrize("more", [0, 1])
def test_a_head_has_most_headers(more: int) -> None:
    data = b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * (9 + more) + b"\r\n"
    if more:
        assert status_of(data) == 431
    else:
        assert len(read(data).lines) == 10
