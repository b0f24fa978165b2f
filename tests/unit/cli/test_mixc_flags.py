"""Command lines of `mixc`."""

import pytest

from remixer.cli.mixc_flags import UNUSED_FLAGS, rewritten


@pytest.mark.parametrize("flag", sorted(UNUSED_FLAGS))
def test_a_flag_without_a_meaning_is_left_out_with_one_line(flag: str) -> None:
    value = ["x"] if UNUSED_FLAGS[flag].takes_value else []
    for spelling in (f"--{flag}", f"--{flag.replace('_', '-')}"):
        found = rewritten("check", ["-s", "a=b", spelling, *value, "-i", "c=1"])
        assert found.arguments == ["-s", "a=b", "-i", "c=1"]
        (note,) = found.notes
        assert note.startswith(f"--{flag} has no effect: ")


def test_a_value_may_follow_an_equals_sign() -> None:
    found = rewritten("check", ["--trace_zipkin_url=http://z", "--trace_log_spans=true", "-r", "2"])
    assert found.arguments == ["-r", "2"]
    assert len(found.notes) == 2


def test_a_flag_given_twice_is_noted_once() -> None:
    assert len(rewritten("check", ["--log_target=a", "--log_target=b"]).notes) == 1


def test_a_batch_size_means_something_for_reports_alone() -> None:
    assert rewritten("report", ["--report_batch_size", "5"]).arguments == [
        "--report_batch_size", "5",
    ]  # fmt: skip
    assert rewritten("check", ["--report_batch_size", "5"]).arguments == []


@pytest.mark.parametrize(
    ("given", "ours"),
    [
        ("--print_response=false", "--no-print-response"),
        ("--print_response=true", "--print-response"),
        ("--print_response", "--print_response"),
        ("-s=a=b", "-sa=b"),
        ("-r=5", "-r5"),
        ("-sa=b", "-sa=b"),
        ("-s", "-s"),
        ("-x=1", "-x=1"),
        ("--string_attributes=a=b", "--string_attributes=a=b"),
    ],
)
def test_forms_of_go_s_parser_become_ours(given: str, ours: str) -> None:
    found = rewritten("check", [given])
    assert (found.arguments, found.notes) == ([ours], [])
