"""HTTP/1.1 heads: bytes mean the same however they are cut, and nonsense is refused, not raised."""

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.transport.http1.answer import response_bytes
from remixer.transport.http1.head import BadHeadError, HeadReader
from remixer.transport.http1.port import HttpResponse

WORDS = st.sampled_from(
    [
        *(b"GET / HTTP/1.1\r\n", b"POST /a HTTP/1.0\r\n", b"Host: a\r\n", b"\r\n", b"\n", b"\r"),
        *(b"Content-Length: 5\r\n", b"Content-Length: 05\r\n", b"Transfer-Encoding: chunked\r\n"),
        *(b"X: y\r\n", b" ", b":", b"\x00", b"\xff", b"0\r\n\r\n", b"Connection: close\r\n"),
    ]
)
STREAMS = st.one_of(st.binary(max_size=200), st.lists(WORDS, max_size=12).map(b"".join))


def understood(pieces: Iterable[bytes]) -> list[object]:
    """Heads in order, and the refusal that ends them, if any."""
    reader = HeadReader(max_bytes=1_000, max_headers=5)
    found: list[object] = []
    for piece in pieces:
        reader.feed(piece)
        try:
            while (head := reader.next()) is not None:
                found.append(head)
        except BadHeadError as bad:
            return [*found, bad.status]
    return found


@settings(max_examples=200)
@given(STREAMS, st.data())
def test_heads_do_not_depend_on_where_bytes_are_cut(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    whole, cut = understood([stream]), understood(pieces)
    assert whole == cut


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=4),
    st.integers(200, 599),
)
def test_a_response_has_one_head_whatever_its_lines_say(
    lines: list[tuple[str, str]], status: int
) -> None:
    answer = response_bytes(HttpResponse(status, lines, b"body"), date="now", ends=False)
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert rest == (b"" if status in {204, 304} else b"body")
    assert head.count(b"\r") == head.count(b"\n") == head.count(b"\r\n")
    assert head.lower().count(b"content-length:") == (0 if status in {204, 304} else 1)
