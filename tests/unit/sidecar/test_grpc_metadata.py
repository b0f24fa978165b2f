"""gRPC metadata as headers, and header operations on it."""

import pytest

from remixer.mixer.outcome import HeaderOperation, HeaderOperationKind
from remixer.sidecar.grpc_metadata import (
    Metadata,
    MetadataHeaders,
    changed_head,
    changed_request,
    plain_metadata,
)

REPLACE, REMOVE, APPEND = HeaderOperationKind
SENT: Metadata = (("x-a", "1"), ("x-bin", b"\0\xff"), ("x-a", "2"))


def test_of_a_repeated_name_the_last_is_the_header() -> None:
    headers = MetadataHeaders(SENT)
    assert headers["x-a"] == "2"
    assert headers["x-none"] is None
    assert headers.lines("x-a") == "1,2"


def test_binary_entries_are_no_headers_but_have_a_size() -> None:
    headers = MetadataHeaders(SENT)
    assert headers["x-bin"] is None
    assert headers.whole() == {"x-a": "2"}
    assert headers.lines("x-bin") == ""
    assert headers.size() == len("x-a1x-a2x-bin") + 2


def test_metadata_may_be_nothing_at_all() -> None:
    assert plain_metadata(None) == plain_metadata(()) == ()


def test_names_are_in_lower_case() -> None:
    assert plain_metadata([("X-A", "B")]) == (("x-a", "B"),)


@pytest.mark.parametrize(
    "name",
    [":path", "host", "Content-Type", "te", "grpc-timeout", "GRPC-Status", "x y", "x!", "ü", "x:y"],
)
@pytest.mark.parametrize("kind", HeaderOperationKind)
def test_what_is_grpcs_own_and_what_is_no_name_stays(name: str, kind: HeaderOperationKind) -> None:
    operations = (HeaderOperation(name, "1", kind),)
    assert changed_request(SENT, operations) == SENT
    assert changed_head(SENT, operations) == SENT


@pytest.mark.parametrize("name", ["connection", "content-length", "transfer-encoding"])
def test_what_frames_messages_is_never_sent(name: str) -> None:
    assert changed_head((), (HeaderOperation(name, "1"),)) == ()


def test_operations_on_binary_metadata_are_in_base64_padded_or_not() -> None:
    operations = (
        HeaderOperation("x-bin", "AAH/"),
        HeaderOperation("y-bin", "AA==", APPEND),
        HeaderOperation("y-bin", "AAE", APPEND),
        HeaderOperation("z-bin", "no base64", APPEND),
    )
    found = (
        ("x-a", "1"),
        ("x-a", "2"),
        ("x-bin", b"\0\1\xff"),
        ("y-bin", b"\0"),
        ("y-bin", b"\0\1"),
    )
    assert changed_request(SENT, operations) == found
    assert changed_head(SENT, operations) == found


def test_operations_are_carried_out_in_order() -> None:
    operations = (
        HeaderOperation("X-A", kind=REMOVE),
        HeaderOperation("x-b", "1", APPEND),
        HeaderOperation("x-b", "2", REPLACE),
        HeaderOperation("x-b", "3", APPEND),
    )
    assert changed_head((("x-a", "0"),), operations) == (("x-b", "2"), ("x-b", "3"))


def test_a_handler_sees_text_as_it_is_but_only_ascii_is_sent() -> None:
    operations = (HeaderOperation("x-name", "Jürgen\r\n€"),)
    assert changed_request((), operations) == (("x-name", "Jürgen  €"),)
    assert changed_head((), operations) == (("x-name", "J\\xfcrgen  \\u20ac"),)


def test_entries_have_the_names_of_grpcios() -> None:
    (entry,) = changed_request((), (HeaderOperation("x-a", "1"),))
    assert (getattr(entry, "key", None), getattr(entry, "value", None)) == ("x-a", "1")
