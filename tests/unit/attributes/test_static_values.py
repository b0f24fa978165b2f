"""Text of proxies' configurations as typed attributes."""

import pytest

from remixer.attributes.static_values import static_value
from remixer.attributes.values import Duration, PlainStringMap, Timestamp, ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.frontends.envoy.ext_authz.codec import CheckDecoder
from remixer.wire._pb.envoy.service.auth.v3.external_auth_pb2 import CheckRequest


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (ValueType.STRING, "a", "a"),
        (ValueType.URI, "http://a", "http://a"),
        (ValueType.DNS_NAME, "a.b", "a.b"),
        (ValueType.EMAIL_ADDRESS, "a@b", "a@b"),
        (ValueType.INT64, "-5", -5),
        (ValueType.INT64, "9223372036854775807", 2**63 - 1),
        (ValueType.INT64, "9223372036854775808", None),
        (ValueType.INT64, "9" * 30, None),
        (ValueType.INT64, "1.0", None),
        (ValueType.INT64, "", None),
        (ValueType.INT64, "\u0665", None),
        (ValueType.DOUBLE, "1.5", 1.5),
        (ValueType.DOUBLE, "x", None),
        (ValueType.DOUBLE, "1_000", None),
        (ValueType.INT64, "+5", 5),
        (ValueType.BOOL, "true", True),
        (ValueType.BOOL, "false", False),
        (ValueType.BOOL, "1", None),
        (ValueType.TIMESTAMP, "1970-01-01T01:00:00.5+01:00", Timestamp(500_000_000)),
        (ValueType.TIMESTAMP, "1970-01-01T00:00:00", None),
        (ValueType.TIMESTAMP, "soon", None),
        (ValueType.TIMESTAMP, "1970-01-01T00:00:00.000000001Z", Timestamp(1)),
        (ValueType.TIMESTAMP, "9999-01-01T00:00:00Z", None),
        (ValueType.TIMESTAMP, "1970-W01-4T00:00:00Z", None),
        (ValueType.DURATION, "1m", Duration(60_000_000_000)),
        (ValueType.DURATION, "60", None),
        (ValueType.IP_ADDRESS, "10.0.0.1", b"\x0a\x00\x00\x01"),
        (ValueType.IP_ADDRESS, "::1", bytes(15) + b"\x01"),
        (ValueType.IP_ADDRESS, "10.0.0", None),
        (ValueType.STRING_MAP, "a=1, b=x=y", PlainStringMap(a="1", b="x=y")),
        (ValueType.STRING_MAP, "", PlainStringMap()),
        (ValueType.STRING_MAP, "a", None),
    ],
)
def test_text_is_read_as_the_declared_type(type_: ValueType, text: str, value: object) -> None:
    found = static_value(text, type_)
    assert found == value
    assert type(found) is type(value)


def test_a_name_that_nobody_declares_is_text() -> None:
    request = CheckRequest()
    request.attributes.context_extensions["x"] = "5"
    message = request.SerializeToString()
    assert CheckDecoder().decode(message, Vocabulary())["x"] == "5"
    assert CheckDecoder().decode(message, Vocabulary({"x": ValueType.INT64}))["x"] == 5
