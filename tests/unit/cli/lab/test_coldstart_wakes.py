"""What cold starts come to, what is said of them, and their picture."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from remixer.cli.exits import OperatorError
from remixer.cli.lab.coldstart_plot import timeline, write_timeline
from remixer.cli.lab.coldstart_program import pod_start_seconds
from remixer.cli.lab.coldstart_steps import TOLD
from remixer.cli.lab.coldstart_table import ColdstartReport, goals, report_json, report_text
from remixer.cli.lab.coldstart_wakes import (
    Burst,
    Row,
    Story,
    Survival,
    Wake,
    Warm,
    percentile,
)
from remixer.cli.lab.options import ColdstartOptions

STORY = Story((10.001, 11.0), decided_at_s=10.002, most_desired=1, pods_started=1, up_at_s=10.502)


def wake(answer_ms: float = 4.0, status: int = 200, story: Story = STORY) -> Wake:
    return Wake(10.0, 10.502 + answer_ms / 1000, status, story)


def row(name: str, *answers_ms: float, failed: int = 0, added_us: float = 0.0) -> Row:
    return Row(
        name,
        f"the {name}",
        tuple(wake(each) for each in answers_ms),
        Burst(200, failed, 12.0, 2, 0),
        Warm(110.0, 220.0, 100.0, 50.0 + added_us, added_us),
        Survival(200, 1.5),
    )


def report(*rows: Row) -> ColdstartReport:
    return ColdstartReport(ColdstartOptions(), rows, {"another": "it is away"})


def test_steps_have_goals_only_if_somebody_looked() -> None:
    looked = replace(row("hold", 5.0), steps=({TOLD: 0.4}, {TOLD: 1.2}, {}))
    assert looked.step_ms(TOLD, 0.5) == 0.4
    assert looked.step_ms("answered", 0.5) is None
    found = {goal.text: (goal.found, goal.is_met) for goal in goals(report(looked))}
    assert found["hold: stat on the wire, p99 ≤ 1 ms"] == ("1.20 ms", False)
    assert not any("wire" in goal.text for goal in goals(report(row("hold", 5.0))))


def test_the_pods_own_start_is_no_overhead() -> None:
    phases = wake().phases
    assert phases is not None
    assert phases.report_ms == pytest.approx(1.0)
    assert phases.decision_ms == pytest.approx(1.0)
    assert phases.pod_ms == pytest.approx(500.0)
    assert phases.answer_ms == pytest.approx(4.0)
    assert phases.overhead_ms == pytest.approx(6.0)


@pytest.mark.parametrize(
    "failed",
    [
        wake(status=503),
        wake(story=replace(STORY, stats_at_s=())),
        wake(story=replace(STORY, decided_at_s=None)),
        wake(story=replace(STORY, up_at_s=None)),
    ],
)
def test_a_wake_that_failed_counts_as_failed_and_in_no_percentile(failed: Wake) -> None:
    found = replace(row("hold", 4.0), wakes=(wake(), failed))
    assert found.failed == 1
    assert len(found.phases) == 1


def test_the_99th_of_thirty_is_the_largest() -> None:
    assert percentile([float(each) for each in range(30)], 0.99) == 29.0
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([], 0.5) is None


def test_pods_beyond_the_first_are_too_many() -> None:
    found = replace(row("hold"), wakes=(wake(), wake(story=replace(STORY, pods_started=3))))
    assert found.pods_beyond_need == 2
    assert found.stats_per_wake == 2.0


def test_goals_compare_architectures_of_the_same_run() -> None:
    found = {
        goal.text: (goal.found, goal.is_met)
        for goal in goals(
            report(row("activator", 8.0), row("hold", 5.0), row("filter", 1.5, added_us=6.0))
        )
    }
    assert found["hold ÷ Activator, p50 ≤ 0.8"] == ("0.70", True)
    assert found["filter ÷ hold, p99 ≤ 1"] == ("0.50", True)
    assert found["filter, p50 ≤ 3 ms"] == ("3.50 ms", False)
    assert found["failed in the burst, hold = 0"] == ("0", True)
    assert found["filter when awake ≤ 5 µs of Envoy's CPU"] == ("+6.0 µs", False)


def test_an_architecture_that_did_not_run_has_no_goal() -> None:
    assert [goal.text for goal in goals(report(row("hold", 5.0, failed=3)))] == [
        "failed in the burst, hold = 0"
    ]


def test_everything_is_told_to_people_and_machines() -> None:
    told = report(row("activator", 8.0), row("hold"))
    console = Console(width=400, file=StringIO())
    console.print(report_text(told))
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert "the activator" in text
    assert "Not measured: another. it is away." in text
    document = json.loads(json.dumps(report_json(told)))
    assert [each["name"] for each in document["rows"]] == ["activator", "hold"]
    assert document["rows"][1]["overhead_p50_ms"] is None


def test_the_picture_has_a_bar_of_four_phases_for_each_architecture() -> None:
    picture = ET.fromstring(timeline([row("activator", 8.0), row("a<b", 4.0)]))  # noqa: S314 - ours
    bars = [each for each in picture.iter() if each.tag.endswith("title")]
    assert len(bars) == 2 * 4
    texts = [each.text for each in picture.iter() if each.tag.endswith("text")]
    assert "the a<b" in texts
    assert "10.0 ms" in texts


def test_the_picture_follows_the_readers_scheme() -> None:
    assert "prefers-color-scheme:dark" in timeline([row("activator", 8.0)])


def test_an_architecture_that_never_woke_has_no_bar() -> None:
    assert "no wake succeeded" in timeline([row("hold")])


def test_a_picture_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="cannot write"):
        write_timeline([row("hold", 4.0)], tmp_path / "no" / "such.svg")


@pytest.mark.parametrize(("text", "seconds"), [("500ms", 0.5), ("2s", 2.0), ("0s", 0.0)])
def test_the_start_of_pods_is_a_duration(text: str, seconds: float) -> None:
    assert pod_start_seconds(text) == seconds


@pytest.mark.parametrize("text", ["5", "soon", "-1s", "61s"])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(OperatorError, match="no duration"):
        pod_start_seconds(text)
