"""What the original request was: which headers of a proxy count, and when none can be believed."""

import pytest

from remixer.attributes.http_bag import HttpBag
from remixer.attributes.values import Timestamp
from remixer.foundation.errors import InvalidRequestError
from remixer.frontends.forward_auth.told import Asking, Question, question, way_of_asking
from remixer.transport.http1.port import HttpRequest
from remixer.transport.port import Peer

FORWARDED = {
    "host": "remixer:9095",
    "x-forwarded-method": "POST",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "shop.example",
    "x-forwarded-uri": "/cart?x=1",
    "x-forwarded-for": "10.1.2.3",
}
ORIGINAL = {
    "host": "shop.example",
    "x-original-method": "POST",
    "x-original-uri": "/cart?x=1",
    "x-forwarded-proto": "https",
    "x-forwarded-for": "10.1.2.3",
}
ORIGINAL_URL = {
    "host": "remixer:9095",
    "x-original-method": "POST",
    "x-original-url": "https://shop.example/cart?x=1",
    "x-forwarded-for": "10.1.2.3",
}


def asked(lines: dict[str, str], *more: tuple[str, str], target: str = "/check") -> Question:
    asking = way_of_asking(target)
    assert asking is not None
    request = HttpRequest("GET", target, [*lines.items(), *more], Peer("unix:"))
    return question(request, asking, received_at=Timestamp(7))


def refusal(lines: dict[str, str], *more: tuple[str, str]) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        asked(lines, *more)
    return caught.value.message


@pytest.mark.parametrize(
    ("target", "asking"),
    [
        ("/check", Asking.BY_HEADERS),
        ("/check?x=1", Asking.BY_HEADERS),  # Caddy appends the client's query
        ("/auth_request", Asking.AUTH_REQUEST),
        ("/auth_request?/check/", Asking.AUTH_REQUEST),
        ("/check/", Asking.BY_ITSELF),
        ("/check/cart?x=1", Asking.BY_ITSELF),
        ("/", None),
        ("/checks", None),
        ("/check%2f", None),
        ("/check*", None),
        ("/CHECK", None),
        ("//check", None),
        ("/auth_request/x", None),
        ("*", None),
        ("http://remixer/check", None),
        ("/?/check", None),
    ],
)
def test_the_path_says_how_a_proxy_asks(target: str, asking: Asking | None) -> None:
    assert way_of_asking(target) is asking


@pytest.mark.parametrize("lines", [FORWARDED, ORIGINAL, ORIGINAL_URL])
def test_every_family_tells_the_same_request(lines: dict[str, str]) -> None:
    bag = HttpBag(asked(lines).facts)
    found = {
        name: bag[name]
        for name in (
            *("request.method", "request.path", "request.host", "request.scheme"),
            *("request.url_path", "source.ip", "origin.ip", "request.time"),
        )
    }
    assert found == {
        "request.method": "POST",
        "request.path": "/cart?x=1",
        "request.host": "shop.example",
        "request.scheme": "https",
        "request.url_path": "/cart",
        "source.ip": b"\x0a\x01\x02\x03",
        "origin.ip": b"\x0a\x01\x02\x03",
        "request.time": 7,
    }


def test_by_itself_the_question_is_the_request_and_headers_tell_nothing() -> None:
    lies = {**FORWARDED, **ORIGINAL, "x-original-url": "http://evil/"}
    facts = asked(lies, target="/check/real?y=2").facts
    assert (facts.method, facts.path, facts.authority) == ("GET", "/real?y=2", "shop.example")
    assert facts.headers["x-forwarded-uri"] == "/cart?x=1"  # one of the client's own


def test_what_tells_of_the_request_is_no_header_of_it() -> None:
    headers = asked({**FORWARDED, "cookie": "a=b", "connection": "x", "te": "y"}).facts.headers
    assert dict(headers.whole()) == {
        "host": "remixer:9095",
        "x-forwarded-for": "10.1.2.3",
        "cookie": "a=b",
    }


@pytest.mark.parametrize("name", ["x-original-uri", "x-original-url"])
@pytest.mark.parametrize("value", ["/", "https://shop.example/cart", "/cart?x=2"])
def test_families_that_disagree_are_refused(name: str, value: str) -> None:
    more = [(name, value), ("x-original-method", "POST")]
    if (name == "x-original-url") != value.startswith("https"):
        assert refusal(FORWARDED, *more)  # no path, or no URL
    else:
        assert "tell different requests" in refusal(FORWARDED, *more)


def test_a_client_cannot_choose_the_host_by_agreeing_on_the_rest() -> None:
    more = [("x-original-uri", "/cart?x=1"), ("x-original-method", "POST")]
    assert "tell different requests" in refusal(FORWARDED, *more)  # `host` is not the client's
    more = [("x-forwarded-uri", "/cart?x=1"), ("x-forwarded-method", "POST")]
    assert asked(ORIGINAL, *more).facts.authority == "shop.example"
    assert "tell different" in refusal(ORIGINAL, *more, ("x-forwarded-host", "evil.example"))


def test_a_client_cannot_choose_the_method_by_agreeing_on_the_path() -> None:
    more = [("x-original-url", "https://shop.example/cart?x=1"), ("x-original-method", "GET")]
    assert "tell different requests" in refusal(FORWARDED, *more)


def test_a_host_of_the_other_family_alone_counts_for_nothing() -> None:
    assert asked(ORIGINAL, ("x-forwarded-host", "evil")).facts.authority == "shop.example"
    assert asked(ORIGINAL, ("x-forwarded-method", "GET")).facts.method == "POST"
    assert asked(FORWARDED, ("x-original-method", "GET")).facts.method == "POST"


@pytest.mark.parametrize("name", ["x-forwarded-uri", "x-forwarded-method"])
def test_a_header_that_comes_twice_has_to_say_the_same(name: str) -> None:
    assert asked(FORWARDED, (name, FORWARDED[name])).facts.path == "/cart?x=1"
    assert "came twice" in refusal(FORWARDED, (name, "/x"))


@pytest.mark.parametrize(
    ("missing", "wanted"),
    [("x-forwarded-uri", "x-forwarded-uri"), ("x-forwarded-method", "x-forwarded-method")],
)
def test_what_is_missing_is_named(missing: str, wanted: str) -> None:
    assert wanted in refusal({name: value for name, value in FORWARDED.items() if name != missing})
    assert wanted in refusal({**FORWARDED, missing: ""})


def test_the_method_of_nginx_has_its_own_name() -> None:
    lines = {**ORIGINAL, "x-forwarded-method": "GET"}
    del lines["x-original-method"]
    assert "x-original-method" in refusal(lines)


@pytest.mark.parametrize("path", ["cart", "http://shop.example/cart", "?x", "\\xff"])
def test_a_path_begins_with_a_slash(path: str) -> None:
    assert "does not begin with `/`" in refusal({**FORWARDED, "x-forwarded-uri": path})


@pytest.mark.parametrize("path", ["/\\xff", "//a", "/%2e%2e/%zz", "/a\tb", "*", "/?", "/ü"])
def test_a_path_is_kept_as_it_is(path: str) -> None:
    assert asked({**FORWARDED, "x-forwarded-uri": path}).facts.path == path


@pytest.mark.parametrize("url", ["/cart", "ftp://a/", "https://", "https:///x", "https://?x", ""])
def test_a_url_has_a_scheme_and_a_host(url: str) -> None:
    assert refusal({**ORIGINAL_URL, "x-original-url": url})


def test_a_url_without_a_path_means_the_root() -> None:
    facts = asked({**ORIGINAL_URL, "x-original-url": "http://a:81"}).facts
    assert (facts.scheme, facts.authority, facts.path) == ("http", "a:81", "/")


@pytest.mark.parametrize(
    ("told", "scheme"),
    [("https", "https"), ("HTTP", "http"), ("wss", "wss"), ("x, https", "https")],
)
def test_the_scheme_is_what_the_nearest_proxy_says(told: str, scheme: str) -> None:
    assert asked({**FORWARDED, "x-forwarded-proto": told}).facts.scheme == scheme


def test_a_scheme_that_is_none_is_refused() -> None:
    assert "x-forwarded-proto" in refusal({**FORWARDED, "x-forwarded-proto": "HTTP/1.1"})


@pytest.mark.parametrize(
    ("told", "ip"),
    [
        ("10.1.2.3", b"\x0a\x01\x02\x03"),
        ("6.6.6.6, 10.1.2.3", b"\x0a\x01\x02\x03"),  # the first may be the client's own words
        ("10.1.2.3:4711", b"\x0a\x01\x02\x03"),
        ("::1", bytes(15) + b"\x01"),
        ("[::1]:4711", bytes(15) + b"\x01"),
        ("6.6.6.6, unknown", None),
        ("", None),
    ],
)
def test_the_client_is_whom_the_proxy_itself_saw(told: str, ip: bytes | None) -> None:
    assert asked({**FORWARDED, "x-forwarded-for": told}).facts.source_ip == ip
    assert asked({"host": "a", "x-forwarded-for": told}, target="/check/").facts.source_ip == ip


def test_of_several_lines_the_last_is_the_nearest_proxys() -> None:
    facts = asked(
        {**FORWARDED, "x-forwarded-for": "6.6.6.6"}, ("x-forwarded-for", "10.1.2.3")
    ).facts
    assert facts.source_ip == b"\x0a\x01\x02\x03"
