"""Every row runs, in process, and means what it says; tables and pictures can be read."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _bench_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY))


def test_every_row_runs_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench import in_process, measure  # noqa: PLC0415 - outside the package's sources
    from bench.subjects import SUBJECTS  # noqa: PLC0415 - outside the package's sources

    def once(call: Callable[[], object], *, rounds: int) -> measure.Figure:
        call()
        return measure.Figure(1.0, 1.0, float(rounds))

    monkeypatch.setattr(in_process, "cpu_per_call", once)
    for name in ("ROUNDS", "VARIED_CALLS", "STREAM_MESSAGES"):
        monkeypatch.setattr(in_process, name, 1)
    monkeypatch.setattr(in_process, "WAITING_CALLS", in_process.AT_ONCE)
    for subject in SUBJECTS:
        assert in_process.figure(subject).median > 0, subject.key


async def test_verdicts_are_those_that_rows_are_named_for() -> None:
    from bench import in_process  # noqa: PLC0415 - outside the package's sources
    from bench.bodies import recorded  # noqa: PLC0415 - outside the package's sources
    from bench.policies import policy_text  # noqa: PLC0415 - outside the package's sources
    from bench.subjects import CHECK, EXPRESSIONS  # noqa: PLC0415 - outside the package's sources

    from remixer.wire.client_codec import decode_check_response  # noqa: PLC0415 - beside them

    for config in ("lasting", "allow", "none", "deny", "vary", *EXPRESSIONS):
        async with in_process.answering(policy_text(config), CHECK) as call:
            answer = call(recorded("check-25"), in_process.BenchContext())
        assert isinstance(answer, bytes)
        outcome = decode_check_response(answer)
        assert outcome.status.code == (7 if config == "deny" else 0), config


def test_the_rows_of_configuration_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench import configuration, measure  # noqa: PLC0415 - outside the package's sources

    def once(call: Callable[[], object], *, rounds: int) -> measure.Figure:
        call()
        return measure.Figure(1.0, 1.0, float(rounds))

    monkeypatch.setattr(configuration, "cpu_per_call", once)
    monkeypatch.setattr(configuration, "RULES", 40)
    monkeypatch.setattr(configuration, "NAMESPACES", 10)
    assert len(configuration.config_rows()) == 2


def test_a_part_or_a_row_can_be_chosen() -> None:
    from bench.subjects import KEYS, chosen  # noqa: PLC0415 - outside the package's sources

    assert chosen([]) == list(KEYS)
    assert chosen(["library", "deny"]) == ["deny", "library-hit"]
    assert chosen(["reports"]) == ["report-1", "report-100", "report-19-1", "report-19-100"]


def test_goals_are_judged_by_the_median_over_grpc() -> None:
    from bench.columns import GRPCIO, OURS, Cell  # noqa: PLC0415 - outside the package's sources
    from bench.measure import Figure  # noqa: PLC0415 - outside the package's sources
    from bench.table import Run, entries, markdown  # noqa: PLC0415 - outside the package's sources

    cells = [
        Cell("hit", OURS.title, Figure(8.0, 9.0, 12.0)),
        Cell("hit", GRPCIO.title, Figure(90.0, 99.0, 120.0)),
        Cell("no-rule", OURS.title, Figure(14.0, 15.5, 16.0)),
        Cell("no-rule", GRPCIO.title, None, "not in this version"),
    ]
    run = Run.of([OURS.title, GRPCIO.title], cells, [])
    lines = list(markdown(run))
    assert "| check, hit | 9.0 (8.0 to 12.0) | 99.0 | ≤ 9 met | 31 |" in lines
    assert "| check, no rule | 15.5 (14.0 to 16.0) |  | ≤ 15 missed | 57 |" in lines
    assert [(each.row, each.median) for each in entries(run)] == [
        ("hit", 9.0),
        ("hit", 99.0),
        ("no-rule", 15.5),
    ]


def test_history_is_added_to_and_drawn(tmp_path: Path) -> None:
    from bench.history import Entry, append, plot, read  # noqa: PLC0415 - beside the sources

    file = tmp_path / "runs" / "history.jsonl"
    for day in ("2026-01-02", "2026-01-01"):
        append(file, [Entry("abc" + day, day, "m", "hit", "over gRPC", "µs", 8.0, 9.0, 12.0)])
    found = read([file, tmp_path / "absent"])
    assert [each.date for each in found] == ["2026-01-01", "2026-01-02"]
    assert json.loads(file.read_text().splitlines()[0])["median"] == 9.0
    assert "hit, µs" in _texts(plot(found))


def test_a_peer_is_told_by_name_address_and_process() -> None:
    from argparse import ArgumentTypeError  # noqa: PLC0415 - beside them

    from bench.columns import peer_column  # noqa: PLC0415 - outside the package's sources

    column = peer_column("go=127.0.0.1:9091,4711")
    assert (column.title, column.worker) == ("go", "127.0.0.1:9091,4711")
    assert "ext-authz-hit" not in column.keys
    assert "deny" in column.keys
    with pytest.raises(ArgumentTypeError):
        peer_column("127.0.0.1:9091")


def test_a_flame_graph_is_as_wide_as_its_calls() -> None:
    from bench.flame import Flame, svg  # noqa: PLC0415 - outside the package's sources

    flame = Flame.of(
        [
            "main (a.py:1);inner (src/remixer/wire/bag.py:7) 60",
            "main (a.py:2);inner (src/remixer/wire/bag.py:9) 39",
            "main (a.py:2);rare (a.py:4) 1",
            "main (a.py:2);rarest (a.py:4) 0",
            "main (a.py:2);epoll_wait (libc) 500",
        ]
    )
    assert flame.count == 100
    assert flame.heaviest(1) == [(0.99, "inner (wire/bag.py)")]
    drawn = _texts(svg(flame, "a < b"))
    assert "inner (wire/bag.py): 99.0%" in drawn
    assert not any("rarest" in text for text in drawn)


def test_a_picture_of_growth_has_a_panel_for_each_unit() -> None:
    from bench.chart import svg  # noqa: PLC0415 - outside the package's sources
    from bench.growth.__main__ import PARTS, Grown, markdown, panels  # noqa: PLC0415 - beside them
    from bench.growth.point import Reading  # noqa: PLC0415 - outside the package's sources

    by_size = {
        size: [Reading("µs", "check, hit", 9.0), Reading("MB", "resident", size / 10)]
        for size in (1, 1_000)
    }
    grown = Grown(PARTS[0], by_size)
    assert "| check, hit, µs | 9 | 9 |" in list(markdown([grown]))
    drawn = _texts(svg(list(panels([grown]))))
    assert drawn.count("rules in one namespace") == 2
    assert "1k" in drawn


def _texts(document: str) -> list[str]:
    """Of all elements; fails for what is no XML."""
    return [each.text for each in ET.fromstring(document).iter() if each.text]  # noqa: S314 - our own
