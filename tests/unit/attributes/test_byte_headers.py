"""Headers as bytes from the wire."""

from remixer.attributes.byte_headers import ByteHeaders


def test_of_a_repeated_header_the_last_counts() -> None:
    headers = ByteHeaders([(b"x-user", b"ann"), (b"x-user", b"bob")])
    assert headers["x-user"] == "bob"
    assert headers.whole() == {"x-user": "bob"}


def test_names_count_in_lower_case() -> None:
    headers = ByteHeaders([(b"X-User", b"ann"), (b"accept", b"*/*")])
    assert headers["x-user"] == "ann"
    assert headers["X-User"] is None
    assert headers.by_name() == {b"x-user": b"ann", b"accept": b"*/*"}


def test_bytes_that_are_no_text_stay_different() -> None:
    headers = ByteHeaders([(b"x-user", b"\xff"), (b"x-other", "é".encode())])
    assert headers.whole() == {"x-user": r"\xff", "x-other": "é"}


def test_every_line_counts_for_the_size() -> None:
    assert ByteHeaders([(b"x-user", b"ann"), (b"x-user", b"bob")]).size() == 18
    assert ByteHeaders([]).size() == 0


def test_lines_are_copied() -> None:
    lines = [(b"x-user", b"ann")]
    headers = ByteHeaders(lines)
    lines.clear()
    assert headers["x-user"] == "ann"
    assert headers["x-nobody"] is None
