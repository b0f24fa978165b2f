"""An address that is none ends a command as the rest of its line would, before anything starts."""

import pytest
from typer.testing import CliRunner

from remixer.cli.app import app
from remixer.cli.exits import ExitCode


@pytest.mark.parametrize(
    "line",
    [
        "adapter serve denier --address nonsense",
        "adapter serve denier --metrics-address nonsense",
        "adapter kactivator --address nonsense",
        "adapter kactivator 0 --metrics-address nonsense",
        "demo --address nonsense",
        "demo --envoy-address nonsense",
        "demo --monitoring-address nonsense",
        "demo --prometheus-address nonsense",
        "demo --address unix:nonsense",
    ],
)
def test_what_is_no_address_is_a_command_line_that_cannot_be_understood(line: str) -> None:
    result = CliRunner().invoke(app, line.split())
    assert result.exit_code == ExitCode.USAGE
    assert "nonsense` is not HOST:PORT" in " ".join(result.stderr.split())
