"""The page of flags: its tables are what the code does with the flags of mixs and mixc."""

import re
from pathlib import Path

from typer.testing import CliRunner

from remixer.cli.app import app
from remixer.cli.mixc_flags import UNUSED_FLAGS
from remixer.server.mixer_flag_table import ANY, MIXER_FLAGS, MixerFlag

PAGE = (Path(__file__).parents[3] / "docs" / "migration-flags.md").read_text()

# Every flag of `mixc check` and `mixc report`.
FLAGS_OF_MIXC = frozenset(
    """
    mixer repeat concurrency rate print_response report_batch_size attributes string_attributes
    int64_attributes double_attributes bool_attributes timestamp_attributes duration_attributes
    bytes_attributes stringmap_attributes quotas trace_zipkin_url trace_jaeger_url trace_log_spans
    trace_sampling_rate
    """.split()  # noqa: SIM905 - a list of literals would take as many lines
)


def section(heading: str) -> str:
    _, found, rest = PAGE.partition(f"\n## {heading}\n")
    assert found, heading
    return rest.partition("\n## ")[0]


def rows(heading: str) -> list[str]:
    return [line for line in section(heading).splitlines() if line.startswith("| `-")]


def row_of(flag: MixerFlag) -> str:
    """As the page has it."""
    short = f", `-{flag.short}`" if flag.short else ""
    if flag.becomes is not None:
        fate = "taken"
    elif flag.harmless is ANY:
        fate = "no effect"
    elif flag.harmless:
        values = ", ".join(f"`{each}`" if each else "nothing" for each in sorted(flag.harmless))
        fate = f"refused, but for {values}"
    else:
        fate = "refused"
    return f"| `--{flag.name}`{short} | {fate} | {flag.instead} |"


def test_the_table_of_mixs_is_the_code_s_own() -> None:
    assert rows("Flags of mixs server") == [row_of(flag) for flag in MIXER_FLAGS]


def test_every_flag_of_mixc_has_a_row_that_says_whether_it_counts() -> None:
    said = dict(re.findall(r"^\| `--(\w+)`[^|]* \| ([^|]+?) \|", section("mixc"), re.MULTILINE))
    assert said.keys() == FLAGS_OF_MIXC | UNUSED_FLAGS.keys()
    for name, unused in UNUSED_FLAGS.items():
        wanted = "no effect" if len(unused.of) > 1 else "taken by `report`"
        assert said[name] == wanted, name
    for name in FLAGS_OF_MIXC - UNUSED_FLAGS.keys():
        assert said[name] == "taken", name


def test_flags_of_mixc_that_are_taken_are_ours() -> None:
    for command in ("check", "report"):
        text = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).output
        known = set(re.findall(r"--([a-z0-9-]+)", text))
        wanted = (
            FLAGS_OF_MIXC - UNUSED_FLAGS.keys() - ({"quotas"} if command == "report" else set())
        )
        assert {name.replace("_", "-") for name in wanted} <= known
