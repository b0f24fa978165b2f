"""A file that a setting names and that cannot be used is a setting that cannot be used."""

import subprocess
import sys
from pathlib import Path

import pytest

from remixer.cli.exits import ExitCode

pytestmark = pytest.mark.integration

PATIENCE_S = 60.0
RUN = "from remixer.cli.main import run; run()"
DESTINATIONS = """
"shop.example:80": {destination.namespace: shop}
"books.example:80": {destination.namespace: books}
"""


@pytest.mark.parametrize(
    ("command", "flag", "content", "code"),
    [
        ("serve", "--forward-auth-destinations", DESTINATIONS, "SET006"),
        ("sidecar", "--forward-auth-destinations", DESTINATIONS, "SET006"),
        ("sidecar", "--client-config", "kind: nothing\n---\nkind: such\n", "CLNT001"),
    ],
)
def test_all_its_faults_are_told_and_the_command_ends_with_2(
    command: str, flag: str, content: str, code: str, tmp_path: Path
) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(content)
    addresses = ("--address", f"unix:{tmp_path}/s", "--forward-auth-address", "127.0.0.1:0")
    ended = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", RUN, command, flag, str(file), *addresses],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert ended.returncode == ExitCode.USAGE
    lines = [each for each in ended.stderr.splitlines() if each.startswith("error: ")]
    assert [f"error {code}: " in each for each in lines] == [True, True]
