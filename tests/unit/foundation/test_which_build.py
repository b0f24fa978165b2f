"""Whoever looks into a slow or a strange server needs to know which code it runs."""

from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from remixer.foundation.build import is_compiled


def test_a_build_is_compiled_where_the_code_of_its_modules_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / f"remixer__mypyc{EXTENSION_SUFFIXES[0]}").touch()

    assert is_compiled(beside=tmp_path)


@pytest.mark.parametrize("name", ["remixer__mypyc.cpython-27-pdp11.so", "other.py"])
def test_what_this_python_would_not_use_does_not_count(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()

    assert not is_compiled(beside=tmp_path)
