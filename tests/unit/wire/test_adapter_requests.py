"""What a Mixer sends an adapter, read back."""

import pytest

from remixer.wire.adapter_calls import config_field, handle_request, quota_field, report_request
from remixer.wire.adapter_requests import (
    MAX_INSTANCES,
    HandleRequest,
    PackedConfig,
    QuotaAmount,
    decode_handle_request,
)
from remixer.wire.field_bytes import MalformedMessageError, length_delimited

CONFIG = PackedConfig("type.googleapis.com/adapter.a.config.Params", b"\x08\x01")


def test_a_check_is_its_instance_its_configuration_and_its_id() -> None:
    payload = handle_request(b"instance", config_field(CONFIG.type_url, CONFIG.value), "17")
    assert decode_handle_request(payload, is_report=False) == HandleRequest(
        (b"instance",), CONFIG, "17"
    )


def test_the_worked_example_without_configuration_is_understood() -> None:
    payload = bytes.fromhex("0a1b") + b"i" * 27 + bytes.fromhex("1a023137")
    request = decode_handle_request(payload, is_report=False)
    assert request == HandleRequest((b"i" * 27,), None, "17")


def test_a_report_has_as_many_instances_as_it_says() -> None:
    payload = report_request([b"a", b"b"], b"", "1")
    assert decode_handle_request(payload, is_report=True).instances == (b"a", b"b")
    assert decode_handle_request(b"", is_report=True).instances == ()


def test_a_check_without_instance_has_an_empty_one() -> None:
    assert decode_handle_request(b"", is_report=False).instances == (b"",)


def test_a_quota_says_how_much_for_which_instance() -> None:
    payload = handle_request(b"", b"", "d") + quota_field("q.shop", -3, best_effort=True)
    assert decode_handle_request(payload, is_report=False).quotas == {
        "q.shop": QuotaAmount(-3, best_effort=True)
    }


def test_the_type_s_name_is_read_with_and_without_a_host() -> None:
    assert CONFIG.type_name == "adapter.a.config.Params"
    assert PackedConfig("adapter.a.config.Params").type_name == "adapter.a.config.Params"


@pytest.mark.parametrize("extra", [0, 1])
def test_a_report_may_have_so_many_instances_and_not_one_more(extra: int) -> None:
    payload = length_delimited(1, b"") * (MAX_INSTANCES + extra)
    if not extra:
        assert len(decode_handle_request(payload, is_report=True).instances) == MAX_INSTANCES
        return
    with pytest.raises(MalformedMessageError, match=str(MAX_INSTANCES)):
        decode_handle_request(payload, is_report=True)


@pytest.mark.parametrize(
    ("number", "what"), [(2, "adapter_config"), (3, "not UTF-8"), (4, "quota_request")]
)
def test_a_part_that_cannot_be_read_is_named(number: int, what: str) -> None:
    with pytest.raises(MalformedMessageError, match=what):
        decode_handle_request(length_delimited(number, b"\xff"), is_report=False)
