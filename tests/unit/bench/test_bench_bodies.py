"""Benchmarks measure what their texts say: recorded bytes and texts agree."""

from pathlib import Path

import pytest

from remixer.attributes.bag import Bag
from remixer.wire._pb.envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from remixer.wire._pb.istio.mixer.v1.report_pb2 import ReportRequest

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _bench_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY))


def test_recorded_bodies_are_what_the_texts_make() -> None:
    from bench.bodies import FOLDER, recording  # noqa: PLC0415 - outside the package's sources

    recorded = {file.stem: file.read_bytes() for file in FOLDER.glob("*.bin")}
    made = recording.record()
    assert recorded.keys() == made.keys(), "next step: make bench ARGS=--record"
    assert [name for name in made if made[name] != recorded[name]] == []


def test_every_recorded_body_has_a_text() -> None:
    from bench.bodies import FOLDER  # noqa: PLC0415 - outside the package's sources

    assert {file.stem for file in FOLDER.glob("*.bin")} == {
        file.stem for file in FOLDER.glob("*.yaml")
    }


def test_requests_of_one_text_differ_where_it_says_so() -> None:
    from bench.bodies import recording  # noqa: PLC0415 - outside the package's sources

    messages = recording.checks("vary", 200)
    assert len(set(messages)) == 200
    first, second = (recording.bag_of(recording.read("vary"), number) for number in (1, 2))
    assert _text(first, "request.path") == "/cart/000001?full=true"
    assert _text(second, "request.path") == "/cart/000002?full=true"
    assert _text(first, "source.namespace") == _text(second, "source.namespace") == "shop"


@pytest.mark.parametrize("name", ["report-100", "report-19-100"])
def test_a_batch_has_a_hundred_bags_told_by_their_differences(name: str) -> None:
    from bench.bodies import recorded  # noqa: PLC0415 - outside the package's sources

    request = ReportRequest.FromString(recorded(name))
    assert len(request.attributes) == 100
    sizes = [bag.ByteSize() for bag in request.attributes]
    assert max(sizes[1:]) < sizes[0]
    assert len({bag.SerializeToString() for bag in request.attributes}) == 100


def test_a_message_of_the_access_log_has_twenty_entries() -> None:
    from bench.bodies import recorded  # noqa: PLC0415 - outside the package's sources

    message = StreamAccessLogsMessage.FromString(recorded("access-log-20"))
    paths = [entry.request.path for entry in message.http_logs.log_entry]
    assert len(set(paths)) == 20


def _text(bag: Bag, name: str) -> object:
    return bag.get(name)
