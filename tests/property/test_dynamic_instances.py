"""What instances of `template` resources become is what protobuf's own messages read."""

import base64
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.adapters.remote import remote_adapter
from remixer.attributes.bag import plain_bag
from remixer.attributes.values import Duration, Timestamp
from remixer.config.resolve import resolve
from remixer.config.resources import combine, parse_file
from remixer.testing.remote_texts import (
    adapter_resource,
    remote_handler,
    remote_instance,
    template_resource,
)
from remixer.testing.rich_template import rich_descriptor_set, rich_message
from remixer.testing.texts import action, rule
from remixer.wire.descriptors import DescriptorError, decode_template

TYPES = {
    "text": "STRING",
    "count": "INT64",
    "ratio": "DOUBLE",
    "flag": "BOOL",
    "at": "TIMESTAMP",
    "took": "DURATION",
    "ip": "IP_ADDRESS",
    "host": "DNS_NAME",
}
NANOSECONDS = st.integers(-(2**62), 2**62)
SECOND = 1_000_000_000


def configuration() -> str:
    attributes = ", ".join(f"a.{name}: {{valueType: {type_}}}" for name, type_ in TYPES.items())
    fields = ", ".join(f"{name}: a.{name}" for name in TYPES)
    values = ", ".join(f"{name}: a.{name}" for name in TYPES)
    more = "tags: [a.text, a.text], numbers: [a.count, 1, a.count], inner: {name: a.text}"
    return "".join(
        (
            "kind: attributemanifest\nmetadata: {name: words, namespace: shop}\n",
            f"spec: {{attributes: {{{attributes}}}}}\n---\n",
            template_resource("rich", rich_descriptor_set(), namespace="shop"),
            adapter_resource("remote", "rich", namespace="shop"),
            remote_handler("h", "remote", "a:1", namespace="shop"),
            remote_instance(
                "i", "rich", f"{fields}, values: {{{values}}}, {more}", namespace="shop"
            ),
            rule("r", action("h", "i")),
        )
    )


BUILD = (
    resolve(
        combine([parse_file(configuration().encode(), "f.yaml")]),
        adapters={},
        templates={},
        remote=remote_adapter,
    )
    .rules[0]
    .actions[0]
    .instances[0]
    .build
)


@settings(max_examples=200, deadline=None)
@given(
    text=st.text(st.characters(codec="utf-8")),
    count=st.integers(-(2**63), 2**63 - 1),
    ratio=st.floats(allow_nan=False),
    flag=st.booleans(),
    at=NANOSECONDS.map(Timestamp),
    took=NANOSECONDS.map(Duration),
    ip=st.binary(min_size=4, max_size=16),
    host=st.text(st.characters(codec="utf-8")),
)
def test_encoded_values_are_read_back_as_they_were(**values: Any) -> None:
    bag = plain_bag({f"a.{name}": value for name, value in values.items()})
    built: Any = BUILD(bag)
    message = rich_message(built.payload)
    at, took = message.at.value, message.took.value
    assert message.text == values["text"]
    assert message.count == values["count"]
    assert message.ratio == values["ratio"]
    assert message.flag == values["flag"]
    assert at.seconds * SECOND + at.nanos == values["at"]
    assert took.seconds * SECOND + took.nanos == values["took"]
    assert message.ip.value == values["ip"]
    assert message.host.value == values["host"]
    assert list(message.tags) == [values["text"], values["text"]]
    assert list(message.numbers) == [values["count"], 1, values["count"]]
    assert message.inner.name == values["text"]
    dynamic = message.values
    assert dynamic["text"].string_value == values["text"]
    assert dynamic["count"].int64_value == values["count"]
    assert dynamic["ratio"].double_value == values["ratio"]
    assert dynamic["flag"].bool_value == values["flag"]
    assert dynamic["ip"].ip_address_value.value == values["ip"]
    assert dynamic["at"].timestamp_value.value == at
    assert dynamic["took"].duration_value.value == took
    assert {name: value.WhichOneof("value") for name, value in dynamic.items()} == {
        "text": "string_value",
        "count": "int64_value",
        "ratio": "double_value",
        "flag": "bool_value",
        "at": "timestamp_value",
        "took": "duration_value",
        "ip": "ip_address_value",
        "host": "dns_name_value",
    }


@settings(max_examples=200, deadline=None)
@given(cut=st.integers(0, 20_000), noise=st.binary(max_size=20))
def test_broken_descriptors_are_refused_and_nothing_else(cut: int, noise: bytes) -> None:
    whole = rich_descriptor_set()
    at = cut % len(whole)
    broken = whole[:at] + noise + whole[at + len(noise) :]
    with suppress(DescriptorError):
        assert decode_template(base64.b64encode(broken).decode()).path
