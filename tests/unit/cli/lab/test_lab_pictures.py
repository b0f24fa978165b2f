"""Pictures of laboratories: what cannot be drawn is told before anything is measured."""

from pathlib import Path

import pytest

from remixer.cli.exits import OperatorError
from remixer.cli.lab.bar_chart import require_svg


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"does not end in .svg"):
        require_svg(tmp_path / "a.png")


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"cannot write .*: No such file"):
        require_svg(tmp_path / "no" / "such.svg")


def test_nothing_is_left_of_the_trial(tmp_path: Path) -> None:
    require_svg(tmp_path / "a.svg")
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_exists_stays_until_there_is_another(tmp_path: Path) -> None:
    picture = tmp_path / "a.svg"
    picture.write_text("before")
    require_svg(picture)
    assert picture.read_text() == "before"
