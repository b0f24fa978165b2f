"""The table of keys of `kactivator`."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from remixer.adapters.kactivator.keys import KeyRules, revision_of

_CASES = yaml.safe_load((Path(__file__).parent / "adapters" / "kactivator_keys.yaml").read_text())[
    "cases"
]


@pytest.mark.parametrize("case", _CASES, ids=[case["note"] for case in _CASES])
def test_a_key_is_the_table_s(case: dict[str, Any]) -> None:
    found = revision_of(case["namespace"], case["service"], KeyRules())
    assert (None if found is None else str(found)) == case.get("key")


def test_the_notes_are_unique() -> None:
    assert len({case["note"] for case in _CASES}) == len(_CASES)
