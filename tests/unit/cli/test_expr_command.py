"""`remixer expr eval`: one expression, or a stream of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from remixer.cli.app import app
from remixer.cli.exits import ExitCode

MANIFEST = """
apiVersion: config.istio.io/v1alpha2
kind: attributemanifest
metadata: {name: ours, namespace: istio-system}
spec:
  attributes:
    my.size: {value_type: INT64}
"""
BATCH = ["expr", "eval", "--batch", "-"]


@pytest.fixture
def attributes(tmp_path: Path) -> Path:
    path = tmp_path / "attributes.json"
    path.write_text(
        json.dumps(
            {
                "request.size": 7,
                "request.headers": {"x-user": "al"},
                "request.time": "2021-06-01T06:00:00Z",
                "source.user": None,
            }
        )
    )
    return path


def evaluate(*arguments: str | Path, stdin: str | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["expr", "eval", *map(str, arguments)], input=stdin)
    return result.exit_code, result.stdout, result.stderr


def test_the_value_alone_is_printed(attributes: Path) -> None:
    assert evaluate("request.size > 3", "--attributes", attributes) == (0, "true\n", "")


def test_declared_types_are_read_from_plain_text(attributes: Path) -> None:
    code, stdout, _ = evaluate("request.time", "--attributes", attributes, "-o", "json")

    assert code == ExitCode.DONE
    assert json.loads(stdout)["value"] == {"timestamp": "2021-06-01T06:00:00Z"}


def test_explain_shows_type_value_and_what_was_read(attributes: Path) -> None:
    text = 'source.user | request.headers["x-user"]'

    assert evaluate(text, "--attributes", attributes, "--explain") == (
        ExitCode.DONE,
        "type        STRING\n"
        + "value       al\n"
        + "referenced  request.headers[x-user] (exact)\n"
        + "            source.user (absent)\n",
        "",
    )


def test_json_has_type_value_and_references(attributes: Path) -> None:
    code, stdout, _ = evaluate("request.size", "--attributes", attributes, "--output", "json")

    assert code == ExitCode.DONE
    assert json.loads(stdout) == {
        "type": "INT64",
        "value": 7,
        "referenced_attributes": [{"name": "request.size", "key": None, "condition": "exact"}],
    }


def test_every_compile_error_is_shown_under_its_place() -> None:
    assert evaluate('request.sise == 3 && nope == ""') == (
        ExitCode.FAILED,
        "",
        "error: column 1: unknown attribute request.sise (EXPR004). "
        + "Did you mean `request.size`?\n"
        + '  request.sise == 3 && nope == ""\n'
        + "  ^\n"
        + "column 22: unknown attribute nope (EXPR004)\n"
        + '  request.sise == 3 && nope == ""\n'
        + "                       ^\n",
    )


def test_compile_errors_are_a_list_for_machines() -> None:
    code, stdout, stderr = evaluate("nope", "-o", "json")

    assert (code, stderr) == (ExitCode.FAILED, "")
    document = json.loads(stdout)
    assert document["stage"] == "compile"
    assert [(each["code"], each["line"], each["column"]) for each in document["errors"]] == [
        ("EXPR004", 1, 1)
    ]


def test_no_value_is_a_failure_with_what_was_read() -> None:
    code, stdout, stderr = evaluate("source.user", "--explain")

    assert code == ExitCode.FAILED
    assert "value       (none)\nreferenced  source.user (absent)\n" in stdout
    assert stderr == "error: lookup failed: 'source.user'\n"
    assert json.loads(evaluate("source.user", "-o", "json")[1])["stage"] == "eval"


def test_a_vocabulary_of_ones_own_replaces_the_default(tmp_path: Path) -> None:
    vocabulary = tmp_path / "ours.yaml"
    vocabulary.write_text(MANIFEST)

    assert evaluate("my.size | 4", "--vocabulary", vocabulary)[:2] == (ExitCode.DONE, "4\n")
    assert evaluate("request.size | 4", "--vocabulary", vocabulary)[0] == ExitCode.FAILED


def test_a_broken_vocabulary_is_told(tmp_path: Path) -> None:
    vocabulary = tmp_path / "ours.yaml"
    vocabulary.write_text(MANIFEST.replace("INT64", "INT46"))

    code, _, stderr = evaluate("1 == 1", "--vocabulary", vocabulary)

    assert code == ExitCode.USAGE
    assert f"; {vocabulary}:7:" in stderr
    assert "ours.attributemanifest.istio-system spec.attributes[my.size]" in stderr


def test_quirks_of_mixer_are_kept_on_demand(attributes: Path) -> None:
    text = "(request.size == 7) | false"

    def value(semantics: str) -> str:
        return evaluate(text, "--attributes", attributes, "--semantics", semantics)[1]

    assert (value("fixed"), value("mixer-1.3")) == ("true\n", "false\n")


def test_a_batch_answers_each_line_in_order_and_keeps_going(tmp_path: Path) -> None:
    lines = [
        '{"id": 1, "expr": "a == 2", "vocabulary": {"a": "INT64"}, "attributes": {"a": 2}}',
        "no json",
        '{"id": 3, "expr": "nope"}',
    ]
    file = tmp_path / "batch.jsonl"
    file.write_text("\n".join(lines))

    from_file = evaluate("--batch", file)
    from_stdin = evaluate("--batch", "-", stdin="\n".join(lines))

    assert from_file == from_stdin
    assert from_file[0] == ExitCode.DONE
    answers = [json.loads(line) for line in from_file[1].splitlines()]
    assert [answer["id"] for answer in answers] == [1, None, 3]
    assert ["value" in answer for answer in answers] == [True, False, False]


def test_a_batch_of_bytes_that_are_no_text_is_still_answered(tmp_path: Path) -> None:
    file = tmp_path / "batch.jsonl"
    file.write_bytes(b'\xff\n{"id": 2, "expr": "1 == 1"}\n')

    answers = [json.loads(line) for line in evaluate("--batch", file)[1].splitlines()]

    assert [answer.get("value") for answer in answers] == [None, True]


@pytest.mark.parametrize("arguments", [(), ("1 == 1", "--batch", "-")])
def test_either_an_expression_or_a_batch_is_wanted(arguments: tuple[str, ...]) -> None:
    code, _, stderr = evaluate(*arguments)

    assert code == ExitCode.USAGE
    assert stderr.startswith("error: either an expression or --batch is wanted; remixer expr eval")


@pytest.mark.parametrize("flag", ["--attributes", "--batch", "--vocabulary"])
def test_a_missing_file_is_told_with_its_flag(flag: str, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    arguments = (flag, missing) if flag == "--batch" else ("1 == 1", flag, missing)

    code, _, stderr = evaluate(*arguments)

    assert code == ExitCode.USAGE
    assert stderr == (
        f"error: `{missing}` cannot be read: No such file or directory; {flag}; "
        "check the path and your rights to it\n"
    )


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is not JSON: Expecting property name"),
        ("[]", "is not a JSON object; --attributes; write an object of attributes"),
        ('{"a": [1]}', "attribute `a`: no attribute value: [1]; --attributes"),
        ('{"a": {"ip": "x"}}', "attribute `a`: no ip: 'x'; --attributes"),
    ],
)
def test_an_attribute_file_that_cannot_be_used_is_told(
    content: str, complaint: str, tmp_path: Path
) -> None:
    file = tmp_path / "attributes.json"
    file.write_text(content)

    code, _, stderr = evaluate("1 == 1", "--attributes", file)

    assert code == ExitCode.USAGE
    assert complaint in stderr


def test_a_batch_answers_a_line_before_it_reads_the_next() -> None:
    with subprocess.Popen(  # noqa: S603 - our own text
        [sys.executable, "-c", "from remixer.cli.main import run; run()", *BATCH],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        for number in (1, 2):
            running.stdin.write(f'{{"id": {number}, "expr": "1 == 1"}}\n')
            assert json.loads(running.stdout.readline())["id"] == number
        running.stdin.close()
    assert running.returncode == ExitCode.DONE
