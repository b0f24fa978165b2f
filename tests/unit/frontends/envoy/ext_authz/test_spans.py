"""Parts of a CheckRequest are found by skipping fields."""

import pytest

from remixer.frontends.envoy.ext_authz.parsing import written_anew
from remixer.frontends.envoy.ext_authz.spans import is_http, spans_of
from remixer.wire._pb.envoy.service.auth.v3.attribute_context_pb2 import AttributeContext
from remixer.wire._pb.envoy.service.auth.v3.external_auth_pb2 import CheckRequest
from remixer.wire.framing import embedded


def request(*, path: str = "/", source: str = "me") -> CheckRequest:
    message = CheckRequest()
    message.attributes.source.service = source
    message.attributes.destination.service = "you"
    message.attributes.request.time.seconds = 1
    message.attributes.request.http.path = path
    message.attributes.context_extensions["a"] = "b"
    return message


# Lengths of one, two and three octets, at their limits.
@pytest.mark.parametrize("size", [0, 1, 100, 127, 128, 300, 16_383, 16_384, 70_000])
@pytest.mark.parametrize("is_long", ["path", "source"])
def test_parts_stand_in_their_spans(size: int, is_long: str) -> None:
    message = request(**{is_long: "x" * size})
    octets = message.SerializeToString()
    spans = spans_of(octets)
    assert spans is not None
    parts = [octets[begin:end] for begin, end in zip(spans[::2], spans[1::2], strict=True)]
    context = message.attributes
    assert AttributeContext.Peer.FromString(parts[0]) == context.source
    assert AttributeContext.Peer.FromString(parts[1]) == context.destination
    assert AttributeContext.Request.FromString(parts[2]) == context.request
    assert (
        octets[spans[-1] :] == AttributeContext(context_extensions={"a": "b"}).SerializeToString()
    )


def test_parts_that_are_not_there_are_empty() -> None:
    assert spans_of(embedded(1, b"")) == (2, 2, 2, 2, 2, 2)
    only_destination = embedded(1, embedded(2, b"x"))
    assert spans_of(only_destination) == (2, 2, 4, 5, 5, 5)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x0a",
        b"\x0a\x01",
        b"\x12\x00",
        embedded(1, b"") + embedded(1, b""),
        embedded(1, embedded(4, b"abc")[:-1]),
        embedded(1, b"\x0a\xff\xff"),
        embedded(1, b"\x0a\x7f"),
    ],
    ids=repr,
)
def test_what_is_not_written_as_envoy_writes_has_no_spans(message: bytes) -> None:
    assert spans_of(message) is None


def test_a_message_is_written_anew_in_the_order_of_numbers() -> None:
    message = request()
    context = message.attributes
    end = AttributeContext(context_extensions=context.context_extensions).SerializeToString()
    turned = embedded(1, end + embedded(4, context.request.SerializeToString()))
    anew = written_anew(turned)
    spans = spans_of(anew)
    assert spans is not None
    assert anew[spans[-1] :] == end
    assert CheckRequest.FromString(anew) == CheckRequest.FromString(turned)


@pytest.mark.parametrize(
    ("part", "is_sure"),
    [
        (AttributeContext.Request(http=AttributeContext.HttpRequest()).SerializeToString(), True),
        (request().attributes.request.SerializeToString(), True),
        (embedded(1, b""), False),
        (b"", False),
        (embedded(2, b"") + embedded(1, b""), True),
        (b"\x18\x01" + embedded(2, b""), False),
    ],
)
def test_whether_a_request_is_http_shows_before_it_is_parsed(part: bytes, *, is_sure: bool) -> None:
    octets = embedded(1, embedded(4, part))
    spans = spans_of(octets)
    assert spans is not None
    assert is_http(octets, spans) is is_sure
