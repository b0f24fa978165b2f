"""The table of `rbac` decisions, read as an operator's files are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from remixer.adapters.rbac.decoding import decode
from remixer.adapters.rbac.index import RbacIndex
from remixer.drivers.yaml_files import YamlDocument
from remixer.sdk import Action, Subject

_TABLE = yaml.safe_load((Path(__file__).parent / "adapters" / "rbac.yaml").read_text())
_CASES = _TABLE["cases"]


def _metadata(title: str) -> dict[str, str]:
    name, _, namespace = title.partition(".")
    return {"name": name, "namespace": namespace or "shop"}


def _documents(case: dict[str, Any]) -> Iterator[YamlDocument]:
    for title, rules in case.get("roles", {}).items():
        yield _document("ServiceRole", title, {"rules": rules})
    for title, binding in case.get("bindings", {}).items():
        reference = {"kind": binding.get("kind", "ServiceRole"), "name": binding["role"]}
        yield _document(
            "ServiceRoleBinding", title, {"subjects": binding["subjects"], "roleRef": reference}
        )


def _document(kind: str, title: str, spec: Any) -> YamlDocument:
    value = {
        "apiVersion": "rbac.istio.io/v1alpha1",
        "kind": kind,
        "metadata": _metadata(title),
        "spec": spec,
    }
    return YamlDocument("table.yaml", 1, value)


@pytest.mark.parametrize("case", _CASES, ids=[case["note"] for case in _CASES])
def test_a_decision_is_the_table_s(case: dict[str, Any]) -> None:
    policies, _ = decode(_documents(case))
    asked = _TABLE["question"] | case.get("question", {})
    subject = Subject(asked["user"], asked.get("group", ""), asked.get("subject", {}))
    action = Action(
        asked["namespace"],
        asked["service"],
        asked["method"],
        asked["path"],
        asked.get("action", {}),
    )
    assert RbacIndex(policies).admits(subject, action) is case["allowed"]


def test_the_table_is_long_and_its_notes_are_unique() -> None:
    assert len({case["note"] for case in _CASES}) == len(_CASES) >= 60
