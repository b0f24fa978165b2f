"""Benchmarks measure what their texts say: recorded bytes and texts agree."""

import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _bench_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY))


def test_recorded_bodies_are_what_the_texts_make() -> None:
    from bench import bodies  # noqa: PLC0415 - outside the package's sources

    recorded = {file.stem: file.read_bytes() for file in bodies.FOLDER.glob("*.bin")}
    made = bodies.record()
    assert recorded.keys() == made.keys(), "next step: make bench ARGS=--record"
    assert [name for name in made if made[name] != recorded[name]] == []


def test_the_rows_of_configuration_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench import configuration, measure  # noqa: PLC0415 - outside the package's sources

    def once(call: object, *, rounds: int) -> object:
        assert callable(call)
        call()
        return measure.Figure(1.0, 1.0, float(rounds))

    monkeypatch.setattr(configuration, "cpu_per_call", once)
    monkeypatch.setattr(configuration, "RULES", 40)
    monkeypatch.setattr(configuration, "NAMESPACES", 10)
    assert len(configuration.config_rows()) == 2


def test_every_in_process_row_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench import in_process, measure  # noqa: PLC0415 - outside the package's sources

    def once(call: object) -> object:
        assert callable(call)
        call()
        return measure.Figure(1.0, 1.0, 1.0)

    monkeypatch.setattr(in_process, "cpu_per_call", once)
    names = [row.name for row in in_process.engine_rows()]
    assert "ext_authz check, allow through a list rule" in names
    assert "access-log entry, 2 metrics" in names
    assert len(set(names)) == len(names)
    assert "bench" in sys.modules
