"""What is written is read again; what nobody wrote never does more than fail as it should."""

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.wire.knative_stats import (
    LAYOUTS,
    Encoding,
    GobLayout,
    RevisionKey,
    Stat,
    StatError,
    encode_messages,
    encoding_for,
    message_template,
    protobuf,
)
from remixer.wire.knative_stats.gob_decoder import decode
from remixer.wire.knative_stats.gob_encoder import encode
from remixer.wire.knative_stats.gob_layouts import NUMBERS, TIME

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
_names = _texts.filter(lambda text: "/" not in text)
_numbers = st.floats(min_value=0, max_value=1e300)
_counts = st.integers(0, 2**31 - 1).map(float)
_times = st.none() | st.integers(-(2**60), 2**60)
_stats = st.builds(
    Stat,
    st.builds(RevisionKey, _names, _names),
    _texts,
    _numbers,
    _numbers,
    _counts,
    _counts,
    _numbers,
    _times,
)


def _held_by(layout: GobLayout, stat: Stat) -> Stat:
    """What of a stat a layout can tell."""
    declared = {name for name, _ in layout.fields}
    numbers = {ours: getattr(stat, ours) for theirs, ours in NUMBERS.items() if theirs in declared}
    return Stat(
        stat.key, stat.pod_name, **numbers, time_ns=stat.time_ns if TIME in declared else None
    )


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@settings(max_examples=60)
@given(stat=_stats, first_id=st.sampled_from([64, 65, 126, 500]))
def test_gob_reads_what_it_wrote(layout: GobLayout, stat: Stat, first_id: int) -> None:
    assert decode(encode(stat, layout, first_id=first_id), layout) == _held_by(layout, stat)


@settings(max_examples=200)
@given(stats=st.lists(_stats, max_size=5))
def test_protobuf_reads_what_it_wrote(stats: list[Stat]) -> None:
    read = protobuf.decode(protobuf.encode(stats))
    for sent, got in zip(stats, read, strict=True):
        assert (got.key, got.pod_name) == (sent.key, sent.pod_name)
        assert [getattr(got, each) for each in NUMBERS.values()] == [
            getattr(sent, each) for each in NUMBERS.values()
        ]
        whole_seconds = None if sent.time_ns is None else sent.time_ns // 10**9 * 10**9
        assert got.time_ns == (whole_seconds or None)


@settings(max_examples=200)
@given(payload=st.binary(max_size=200), layout=st.sampled_from(LAYOUTS))
def test_garbage_is_refused_and_nothing_else(payload: bytes, layout: GobLayout) -> None:
    for read in (protobuf.decode, lambda sent: decode(sent, layout)):
        with contextlib.suppress(StatError):
            read(payload)


@settings(max_examples=200)
@given(stat=_stats, layout=st.sampled_from(LAYOUTS), choice=st.data())
def test_a_damaged_message_is_refused_or_read(
    stat: Stat, layout: GobLayout, choice: st.DataObject
) -> None:
    for payload, read in (
        (encode(stat, layout), lambda sent: decode(sent, layout)),
        (protobuf.encode([stat]), protobuf.decode),
    ):
        damaged = bytearray(payload)
        at = choice.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = choice.draw(st.integers(0, 255))
        cut = choice.draw(st.integers(0, len(damaged)))
        with contextlib.suppress(StatError):
            read(bytes(damaged[:cut]))


@given(_stats, _names, _names)
def test_a_template_writes_what_the_encoder_writes(stat: Stat, namespace: str, name: str) -> None:
    for encoding in (Encoding(), encoding_for("gob", release="0.12")):
        told = replace(stat, key=RevisionKey(namespace, name))
        assert message_template(stat, encoding)(namespace, name) == next(
            encode_messages([told], encoding)
        )


@pytest.mark.parametrize("length", [0, 1, 63, 127, 128, 200])
def test_a_template_takes_names_of_every_length(length: int) -> None:
    stat = Stat(RevisionKey("a", "b"), "activator-x", 1.0)
    told = replace(stat, key=RevisionKey("n" * length, "r" * length))
    assert protobuf.template(stat)("n" * length, "r" * length) == protobuf.encode([told])
