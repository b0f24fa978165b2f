"""The file of secrets: what is in it, what is refused, how it changes."""

from pathlib import Path

import pytest

from remixer.tiers.shared.secrets import SecretsError, SecretsFile

ONE = b"0123456789abcdef"
TWO = b"fedcba9876543210"


async def test_one_secret_a_line_the_first_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "secrets"
    path.write_bytes(b"# signs\n" + ONE + b"\n\n  " + TWO + b"  \r\n")
    assert await SecretsFile(path).read() == (ONE, TWO)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no secret"),
        (b"# nothing\n", "no secret"),
        (b"short\n", "less than 16"),
        (b"\n".join([ONE] * 5), "4 are the most"),
        (b"x" * 5_000, "more than 4096 bytes"),
    ],
)
async def test_files_of_no_use_say_why_and_nothing_of_their_content(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "secrets"
    path.write_bytes(content)
    with pytest.raises(SecretsError, match=reason) as caught:
        await SecretsFile(path).read()
    assert str(path) in str(caught.value)
    assert "short" not in str(caught.value)


async def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SecretsError, match="No such file"):
        await SecretsFile(tmp_path / "nowhere").read()


async def test_what_has_changed_is_told_once_and_what_is_broken_never(tmp_path: Path) -> None:
    path = tmp_path / "secrets"
    path.write_bytes(ONE)
    file = SecretsFile(path)
    await file.read()
    assert await file.changed() is None
    path.write_bytes(TWO + b"\n" + ONE)
    assert await file.changed() == (TWO, ONE)
    assert await file.changed() is None
    path.write_bytes(b"")
    assert await file.changed() is None
    path.write_bytes(ONE)
    assert await file.changed() == (ONE,)
