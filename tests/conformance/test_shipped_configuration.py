"""What ships must be in force without a single complaint: the defaults and every example."""

from importlib.resources import files
from pathlib import Path

import pytest

from remixer.adapters.registry import load_adapters
from remixer.adapters.remote import remote_adapter
from remixer.cli.config_files import load_paths
from remixer.config.resolve import resolve
from remixer.config.resources import LoadedResources
from remixer.config.snapshot import Snapshot
from remixer.config.stores.embedded import EmbeddedStore, with_default_vocabulary
from remixer.templates.registry import load_templates

EXAMPLES = Path(__file__).parents[2] / "examples"
ALL_FOLDERS = sorted(each for each in EXAMPLES.iterdir() if each.is_dir())
# A package has no configuration of its own, and a client's is not a server's; `tests/unit/docs`
# tests both.
NO_SERVER = {"sidecar"}
FOLDERS = [
    each
    for each in ALL_FOLDERS
    if each.name not in NO_SERVER and not (each / "pyproject.toml").exists()
]


def snapshot_of(loaded: LoadedResources) -> Snapshot:
    templates = load_templates().templates
    adapters = load_adapters().adapters
    return resolve(loaded, adapters=adapters, templates=templates, remote=remote_adapter)


async def test_the_embedded_defaults_have_no_problems() -> None:
    snapshot = snapshot_of(await EmbeddedStore().load())
    assert snapshot.problems == ()
    assert {handler.display_name for handler in snapshot.handlers} == {
        "gone.demo",
        "members.demo",
        "prometheus.istio-system",
        "ratelimit.demo",
        "stdio.istio-system",
    }


async def test_the_demos_rules_are_in_a_namespace_of_their_own() -> None:
    snapshot = snapshot_of(await EmbeddedStore().load())
    by_namespace = {rule.namespace for rule in snapshot.rules}
    assert by_namespace == {"istio-system", "demo"}
    mesh_wide = [rule for rule in snapshot.rules if rule.namespace == "istio-system"]
    templates = {
        instance.template.name
        for rule in mesh_wide
        for action in rule.actions
        for instance in action.instances
    }
    assert templates == {"logentry", "metric"}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_an_example_has_no_problems(folder: Path) -> None:
    snapshot = snapshot_of(with_default_vocabulary(load_paths([folder], flag="PATH")))
    assert snapshot.problems == ()
    assert snapshot.rules


def test_every_example_is_in_the_list() -> None:
    readme = (EXAMPLES / "README.md").read_text()
    assert [each.name for each in ALL_FOLDERS if f"| `{each.name}` |" not in readme] == []


def test_defaults_are_package_data() -> None:
    names = {each.name for each in (files("remixer.config") / "defaults").iterdir()}
    assert {"access_log.yaml", "attributes.yaml", "demo.yaml", "metrics.yaml"} <= names
