"""Help is instant because a command imports what it runs with only when it runs."""

import subprocess
import sys

import pytest

HEAVY = (
    "aiohttp",
    "grpc",
    "google.protobuf",
    "prometheus_client",
    "remixer.adapters",
    "remixer.expr.compile",
    "remixer.frontends",
    "remixer.runtime",
    "remixer.wire",
)
SHOW = (
    "import atexit, sys; from remixer.cli.main import run; "
    "atexit.register(lambda: print(*sys.modules, file=sys.stderr)); run()"
)


@pytest.mark.parametrize(
    "command",
    [
        "",
        "serve",
        "sidecar",
        "check",
        "report",
        "validate",
        "explain",
        "cache",
        "cache flush",
        "cache revoke",
        "cache stats",
        "cache advise",
        "expr",
        "expr eval",
        "adapter",
        "adapter new",
        "adapter describe",
        "adapter serve",
        "adapter list",
        "demo",
        "lab",
        "lab availability",
        "version",
    ],
)
def test_help_of_a_command_imports_nothing_heavy(command: str) -> None:
    shown = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", SHOW, *command.split(), "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = set(shown.stderr.split())
    assert "remixer.cli.main" in imported
    assert [each for each in HEAVY if each in imported] == []
