"""`remixer validate`: good and bad files, and the exit codes that scripts rely on."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from remixer.cli.app import app
from remixer.cli.exits import ExitCode

GOOD = """\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: deny, namespace: shop}
spec:
  compiledAdapter: denier
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: nothing, namespace: shop}
spec:
  compiledTemplate: checknothing
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: closed, namespace: shop}
spec:
  match: request.size > 3
  actions:
  - handler: deny
    instances: [nothing]
"""
MISSPELT = GOOD.replace("request.size", "request.sise")
WARNED = GOOD + "---\n" + GOOD.partition("---")[0]  # a resource twice


def validate(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["validate", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "shop.yaml"


def test_good_files_are_summed_up(file: Path) -> None:
    file.write_text(GOOD)

    assert validate(file) == (
        ExitCode.DONE,
        "resources  1 handler, 1 instance, 1 rule\n"
        + "in force   1 rule, 1 handler in use\n"
        + "problems   0 errors, 0 warnings\n",
        "",
    )


def test_a_bad_file_fails_with_the_place_of_each_fault(file: Path) -> None:
    file.write_text(MISSPELT)

    code, stdout, _ = validate(file)

    assert code == ExitCode.FAILED
    assert f"{file}:17:" in stdout
    assert "closed.rule.shop spec.match" in stdout
    assert "Did you mean `request.size`?" in stdout


def test_problems_are_one_document_for_machines(file: Path) -> None:
    file.write_text(MISSPELT)

    code, stdout, _ = validate(file, "--output", "json")

    document = json.loads(stdout)
    assert code == ExitCode.FAILED
    assert (document["ok"], document["errors"], document["rules"]) == (False, 1, [])
    [problem] = [each for each in document["problems"] if each["severity"] == "error"]
    assert (problem["file"], problem["line"], problem["resource"], problem["field"]) == (
        str(file),
        17,
        "closed.rule.shop",
        "spec.match",
    )


def test_warnings_fail_only_when_strict(file: Path) -> None:
    file.write_text(WARNED)

    assert validate(file)[0] == ExitCode.DONE
    assert "0 errors, 1 warning" in validate(file)[1]
    assert validate(file, "--strict")[0] == ExitCode.FAILED
    assert json.loads(validate(file, "--strict", "-o", "json")[1])["ok"] is False


def test_directories_are_read_with_everything_below(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    parts = GOOD.split("---\n")
    for number, part in enumerate(parts):
        (tmp_path / "deep" / "er" / f"{number}.yaml").write_text(part)

    code, stdout, _ = validate(tmp_path)

    assert code == ExitCode.DONE
    assert "1 handler, 1 instance, 1 rule" in stdout


def test_several_paths_are_one_configuration(tmp_path: Path) -> None:
    handler, instance, rule = GOOD.split("---\n")
    (tmp_path / "a.yaml").write_text(handler + "---\n" + instance)
    (tmp_path / "b.yaml").write_text(rule)

    assert validate(tmp_path / "b.yaml")[0] == ExitCode.FAILED
    assert validate(tmp_path / "b.yaml", tmp_path / "a.yaml")[0] == ExitCode.DONE


def test_the_default_namespace_is_where_hints_look_for_more(file: Path) -> None:
    file.write_text(GOOD.replace("name: closed, namespace: shop", "name: closed, namespace: a"))

    assert "write `deny.handler.shop`" in validate(file, "--default-namespace", "shop")[1]
    assert "write `deny.handler.shop`" not in validate(file)[1]


def test_a_path_that_does_not_exist_is_a_usage_error(file: Path) -> None:
    assert validate(file) == (
        ExitCode.USAGE,
        "",
        f"error: `{file}` cannot be read: No such file or directory; PATH; "
        + "check the path and your rights to it\n",
    )


def test_no_path_is_a_usage_error() -> None:
    code, _, stderr = validate()

    assert code == ExitCode.USAGE
    assert stderr.startswith("error: missing argument")
