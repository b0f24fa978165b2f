"""Whole HTTP messages of the proxy stand-in."""

import pytest

from remixer.testing.knative_http import MOST_BYTES, MessageReader, header

REQUEST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"


def read(*pieces: bytes) -> list[bytes]:
    reader = MessageReader()
    found = []
    for piece in pieces:
        reader.feed(piece)
        while (message := reader.next()) is not None:
            found.append(message)
    return found


def test_a_message_is_read_however_it_is_cut() -> None:
    for cut in range(len(REQUEST)):
        assert read(REQUEST[:cut], REQUEST[cut:]) == [REQUEST]


def test_messages_follow_each_other() -> None:
    assert read(REQUEST + REQUEST) == [REQUEST, REQUEST]


def test_a_message_without_its_body_waits() -> None:
    assert read(REQUEST[:-1]) == []


@pytest.mark.parametrize(
    "message",
    [
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % MOST_BYTES,
        b"x" * (MOST_BYTES + 1),
    ],
)
def test_what_cannot_be_held_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"chunked|bytes|end"):
        read(message)


def test_headers_are_found_whatever_their_case() -> None:
    assert header(REQUEST, "host") == "a"
    assert header(REQUEST, "cookie") == ""
