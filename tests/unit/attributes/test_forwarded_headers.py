"""What proxies say of those before them, and what others make of such headers."""

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.attributes.forwarded_headers import (
    LONGEST_HEADER,
    Address,
    address_of,
    client_address,
    client_certificate_uri,
    forwarded,
    last_listed,
    x_forwarded_for,
)

SPIFFE = "spiffe://cluster.local/ns/shop/sa/web"


def ip(text: str) -> bytes:
    return ip_address(text).packed


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("192.0.2.1", "192.0.2.1", None),
        (" 192.0.2.1 ", "192.0.2.1", None),
        ("192.0.2.1:4711", "192.0.2.1", 4711),
        ("192.0.2.1:0", "192.0.2.1", None),
        ("192.0.2.1:65536", "192.0.2.1", None),
        ("192.0.2.1:٣", "192.0.2.1", None),
        ("192.0.2.1:" + "9" * 5000, "192.0.2.1", None),
        ("2001:db8::1", "2001:db8::1", None),
        ("[2001:db8::1]", "2001:db8::1", None),
        ("[2001:db8::1]:80", "2001:db8::1", 80),
        ("[fe80::1%eth0]:80", "fe80::1", 80),
        ("::ffff:192.0.2.1", "192.0.2.1", None),
    ],
)
def test_an_address_is_read_in_every_spelling(text: str, host: str, port: int | None) -> None:
    assert address_of(text) == Address(ip(host), port)


@pytest.mark.parametrize(
    "text",
    ["", "unknown", "_hidden", "example.com", "192.0.2.1.", "192.0.2", "[::1]x", "[::1", "1"],
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert address_of(text) is None


def trusts_ten(address: Address) -> bool:
    return address.ip[:1] == b"\x0a"


@pytest.mark.parametrize(
    ("header", "client"),
    [
        ("", None),
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1, 10.0.0.1", "192.0.2.1"),
        ("198.51.100.9, 192.0.2.1, 10.0.0.1, 10.0.0.2", "192.0.2.1"),
        ("10.0.0.1, 10.0.0.2", "10.0.0.1"),
        ("192.0.2.1, unknown, 10.0.0.1", "10.0.0.1"),
        ("192.0.2.1, ", None),
        ("garbage", None),
    ],
)
def test_the_client_is_the_nearest_that_is_no_trusted_proxy(
    header: str, client: str | None
) -> None:
    found = client_address(x_forwarded_for(header), trusts_ten)
    assert found == (None if client is None else Address(ip(client)))


def test_a_chain_of_trusted_proxies_has_an_end() -> None:
    asked: list[Address] = []

    def trusts_all(address: Address) -> bool:
        asked.append(address)
        return True

    client_address(["10.0.0.1"] * 1_000, trusts_all)
    assert len(asked) == 32


def test_a_header_that_is_too_long_says_nothing() -> None:
    entry = "192.0.2.1,"
    longest = (entry * LONGEST_HEADER)[: LONGEST_HEADER - 1]
    assert x_forwarded_for(longest + "1")
    assert x_forwarded_for(longest + "11") == []


@pytest.mark.parametrize(
    ("header", "value"), [("https", "https"), ("http, https", "https"), ("", None), ("a,", None)]
)
def test_the_nearest_proxy_speaks_last(header: str, value: str | None) -> None:
    assert last_listed(header) == value


@pytest.mark.parametrize(
    ("header", "elements"),
    [
        ("", []),
        ("for=192.0.2.1", [{"for": "192.0.2.1"}]),
        (
            'For="[2001:db8::1]:80";proto=https, for=192.0.2.1; host="a,b;c"',
            [
                {"for": "[2001:db8::1]:80", "proto": "https"},
                {"for": "192.0.2.1", "host": "a,b;c"},
            ],
        ),
        (r'for="a\"b\\"', [{"for": 'a"b\\'}]),
        ("for=first;for=second", [{"for": "first"}]),
        ("garbage", [{}]),
        ('for="open, for=10.0.0.1', []),
    ],
)
def test_forwarded_is_read_as_rfc_7239_has_it(header: str, elements: list[dict[str, str]]) -> None:
    assert forwarded(header) == elements


@pytest.mark.parametrize(
    ("header", "uri"),
    [
        ("", None),
        (f"URI={SPIFFE}", SPIFFE),
        (f'By=x;Hash=00;Subject="CN=a,O=\\"b;URI=evil\\"";URI={SPIFFE}', SPIFFE),
        (f"URI=spiffe://evil, By=x;URI={SPIFFE}", SPIFFE),
        ("URI=spiffe://evil, By=x;Hash=00", None),
        ("URI=spiffe://evil,", None),
        ('Subject="x,URI=spiffe://evil', None),
        ('Subject="";URI=spiffe://a/b;URI=spiffe://second', "spiffe://a/b"),
        ("URI=;URI=spiffe://a/b", "spiffe://a/b"),
        ('URI="spiffe://a/b"', "spiffe://a/b"),
        ('Cert="' + "%2B" * 3000 + f'";URI={SPIFFE}', SPIFFE),
        ("URI=" + "x" * LONGEST_HEADER, None),
    ],
)
def test_only_the_last_certificate_is_the_client_s(header: str, uri: str | None) -> None:
    assert client_certificate_uri(header) == uri


@settings(max_examples=150)
@given(st.text(alphabet='for=;,"\\ 10.:[]\x00é', max_size=60))
def test_whatever_is_sent_is_read_without_an_error(header: str) -> None:
    client_address(x_forwarded_for(header), trusts_ten)
    forwarded(header)
    client_certificate_uri(header)


@settings(max_examples=100)
@given(st.text(max_size=30))
def test_what_a_client_quotes_stays_inside_of_its_quotation(subject: str) -> None:
    quoted = subject.replace("\\", "\\\\").replace('"', '\\"')
    assert client_certificate_uri(f'Subject="{quoted}";URI={SPIFFE}') == SPIFFE
