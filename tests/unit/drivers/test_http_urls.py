"""Which texts are addresses of HTTP servers."""

import pytest

from remixer.drivers.http_client import http_url


@pytest.mark.parametrize("text", ["http://a", "https://a:1/b?c", "http://[::1]:80/"])
def test_a_url_has_a_scheme_of_http_and_a_host(text: str) -> None:
    parts = http_url(text)
    assert parts is not None
    assert parts.hostname


@pytest.mark.parametrize(
    "text", ["", "a:80", "ftp://a", "http://", "http:///b", "http://a:0", "http://a:x", "http://[a"]
)
def test_other_texts_are_none(text: str) -> None:
    assert http_url(text) is None
