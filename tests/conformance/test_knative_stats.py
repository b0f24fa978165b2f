"""The bytes of stats of every release, and which release reads which."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from remixer.wire.knative_stats import RevisionKey, Stat, StatError, layout_named, protobuf
from remixer.wire.knative_stats.gob_bytes import GobReader, floating, signed, unsigned
from remixer.wire.knative_stats.gob_decoder import decode
from remixer.wire.knative_stats.gob_encoder import encode

_TABLE = yaml.safe_load((Path(__file__).parent / "knative" / "stats.yaml").read_text())
_SAMPLE = Stat(RevisionKey("default", "hello-00001"), "activator-x", 1.0, request_count=1.0)
_PAIRS = [
    (sender, reader, wanted)
    for sender, row in _TABLE["senders"].items()
    for reader, wanted in zip(_TABLE["readers"], row, strict=True)
]


def _stat(case: dict[str, Any]) -> Stat:
    fields = dict(case["stat"])
    return Stat(RevisionKey(fields.pop("namespace"), fields.pop("name")), **fields)


@pytest.mark.parametrize("case", _TABLE["messages"], ids=lambda case: case["note"])
def test_a_message_is_the_table_s(case: dict[str, Any]) -> None:
    wanted = bytes.fromhex(case["hex"].replace(" ", ""))
    assert len(wanted) == case["size"]
    stat = _stat(case)
    if case["layout"] == "protobuf":
        assert protobuf.encode([stat]) == wanted
        assert protobuf.decode(wanted) == (stat,)
    else:
        layout = layout_named(case["layout"])
        assert encode(stat, layout, first_id=case["first_id"]) == wanted
        assert decode(wanted, layout) == stat


@pytest.mark.parametrize("case", _TABLE["unsigned"], ids=lambda case: case["hex"])
def test_an_unsigned_number_is_the_table_s(case: dict[str, Any]) -> None:
    assert unsigned(case["value"]).hex() == case["hex"]
    assert GobReader(bytes.fromhex(case["hex"])).unsigned() == case["value"]


@pytest.mark.parametrize("case", _TABLE["signed"], ids=lambda case: case["hex"])
def test_a_signed_number_is_the_table_s(case: dict[str, Any]) -> None:
    assert signed(case["value"]).hex() == case["hex"]
    assert GobReader(bytes.fromhex(case["hex"])).signed() == case["value"]


@pytest.mark.parametrize("case", _TABLE["floating"], ids=lambda case: case["hex"])
def test_a_floating_number_is_the_table_s(case: dict[str, Any]) -> None:
    assert floating(case["value"]).hex() == case["hex"]
    assert GobReader(bytes.fromhex(case["hex"])).floating() == case["value"]


@pytest.mark.parametrize(
    ("sender", "reader", "wanted"), _PAIRS, ids=[f"{s}-to-{r}" for s, r, _ in _PAIRS]
)
def test_who_reads_whom_is_the_table_s(sender: str, reader: str, wanted: object) -> None:
    layout = layout_named(reader)
    if sender == "protobuf":
        payload = protobuf.encode([_SAMPLE])
    else:
        payload = encode(_SAMPLE, layout_named(sender))
    if wanted is True:
        stat = decode(payload, layout)
        assert (stat.key, stat.pod_name, stat.concurrency) == (_SAMPLE.key, "activator-x", 1.0)
    else:
        with pytest.raises(StatError, match=str(wanted)):
            decode(payload, layout)
