"""Every row of what Envoy's messages say, as Mixer's attributes."""

from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.json_format import ParseDict

from remixer.attributes.bag import Bag
from remixer.attributes.values import Duration, StringMap, Timestamp, ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.frontends.envoy.access_log.attributes import HTTP_ATTRIBUTES, TCP_ATTRIBUTES
from remixer.frontends.envoy.access_log.codec import StreamDecoder
from remixer.frontends.envoy.access_log.response_flags import SHORT_CODES
from remixer.frontends.envoy.ext_authz.attributes import CHECK_ATTRIBUTES
from remixer.frontends.envoy.ext_authz.codec import CheckDecoder
from remixer.transport.peer_trust import PeerTrust
from remixer.transport.port import Peer
from remixer.wire._pb.envoy.data.accesslog.v3.accesslog_pb2 import ResponseFlags
from remixer.wire._pb.envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from remixer.wire._pb.envoy.service.auth.v3.external_auth_pb2 import CheckRequest
from remixer.wire.forwarded_reader import ForwardedReader

_HERE = Path(__file__).parent
_CHECK_CASES = yaml.safe_load((_HERE / "envoy_check_attributes.yaml").read_text())
_LOG_CASES = yaml.safe_load((_HERE / "envoy_log_attributes.yaml").read_text())

VOCABULARY = Vocabulary(
    {
        "destination.port": ValueType.INT64,
        "destination.ip": ValueType.IP_ADDRESS,
        "destination.labels": ValueType.STRING_MAP,
        "connection.mtls": ValueType.BOOL,
        "request.time": ValueType.TIMESTAMP,
        "request.size": ValueType.INT64,
        "response.duration": ValueType.DURATION,
    }
)


def _note(case: dict[str, Any]) -> str:
    return str(case["note"])


def _expected(value: Any) -> object:
    """The carrier that a YAML value stands for; maps as plain dicts."""
    match value:
        case {"ip": text}:
            return ip_address(text).packed
        case {"at_ns": number}:
            return Timestamp(number)
        case {"ns": number}:
            return Duration(number)
        case {"map": entries}:
            return entries
        case _:
            return value


def _carriers(bag: Bag, names: Mapping[str, Any]) -> dict[str, object]:
    """What the bag has; string maps as plain dicts, after reading them key by key."""
    found: dict[str, object] = {}
    for name in names:
        value: Any = bag[name]
        if hasattr(value, "whole"):
            value = _plain(value)
        found[name] = value
    return found


def _plain(entries: StringMap) -> dict[str, str]:
    whole = dict(entries.whole())
    assert {key: entries[key] for key in whole} == whole
    assert entries["no-such-key"] is None
    return whole


def _assert_attributes(bag: Bag, case: dict[str, Any]) -> None:
    expected = {name: _expected(value) for name, value in case["attributes"].items()}
    found = _carriers(bag, expected)
    assert found == expected
    types = {name: type(value) for name, value in found.items()}
    assert types == {name: type(value) for name, value in expected.items()}
    present = set(bag.names())
    assert {name for name in expected if name in present} == {
        name for name, value in expected.items() if value is not None
    }


@pytest.mark.parametrize("case", _CHECK_CASES, ids=_note)
def test_check_request_says(case: dict[str, Any]) -> None:
    request = ParseDict({"attributes": case["message"]}, CheckRequest())
    bag = CheckDecoder().decode(request.SerializeToString(), VOCABULARY, _read_forwarded(case))
    _assert_attributes(bag, case)


def _read_forwarded(case: dict[str, Any]) -> Callable[[str], Mapping[str, str]]:
    """As for a proxy that the case calls trusted, or for any other."""
    trust = PeerTrust.of(["10.0.0.0/8"] if case.get("trusted") else [])
    return partial(ForwardedReader(trust=trust).read, peer=Peer("ipv4:10.1.1.1:4711"))


@pytest.mark.parametrize("case", _LOG_CASES, ids=_note)
def test_log_entry_says(case: dict[str, Any]) -> None:
    kind = "http" if "http" in case else "tcp"
    message = {
        "identifier": {"node": case.get("node", {})},
        f"{kind}_logs": {"log_entry": [case[kind]]},
    }
    entries = ParseDict(message, StreamAccessLogsMessage())
    (bag,) = StreamDecoder().decode(entries.SerializeToString(), VOCABULARY)
    _assert_attributes(bag, case)


def test_every_attribute_of_a_check_has_a_case() -> None:
    assert CHECK_ATTRIBUTES.keys() <= _shown(_CHECK_CASES)


def test_every_attribute_of_a_request_log_has_a_case() -> None:
    assert HTTP_ATTRIBUTES.keys() <= _shown(case for case in _LOG_CASES if "http" in case)


def test_every_attribute_of_a_connection_log_has_a_case() -> None:
    assert TCP_ATTRIBUTES.keys() <= _shown(_LOG_CASES)


def _shown(cases: Any) -> set[str]:
    """Names that at least one case has with a value."""
    return {
        name for case in cases for name, value in case["attributes"].items() if value is not None
    }


def test_every_response_flag_has_a_short_code() -> None:
    flags = {field.name for field in ResponseFlags.DESCRIPTOR.fields}
    assert flags == SHORT_CODES.keys()
    assert len(set(SHORT_CODES.values())) == len(SHORT_CODES)
