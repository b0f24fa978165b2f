"""Envoy itself reads what `deploy/` tells operators to copy.

The plain files also serve in `test_envoy.py`. Istio's patches are laid over the plain file as its
control plane would: what they bring must be known to Envoy, field by field.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from remixer.cli.demo.envoy import find_envoy

pytestmark = pytest.mark.integration

DEPLOY = Path(__file__).parents[2] / "deploy"
PATIENCE_S = 60.0


def verdict_of_envoy(config: Any, folder: Path) -> str:
    """`OK`, or what Envoy says is wrong."""
    file = folder / "bootstrap.json"
    file.write_text(json.dumps(config))
    command = [find_envoy(), "--mode", "validate", "--disable-hot-restart", "-c", str(file)]
    done = subprocess.run(  # noqa: S603 - the Envoy of this environment
        command, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    return "OK" if done.returncode == 0 else done.stderr


def plain() -> Any:
    return yaml.safe_load((DEPLOY / "envoy" / "remixer.yaml").read_text())


@pytest.mark.parametrize("name", ["remixer.yaml", "remixer-tcp.yaml", "sidecar.yaml"])
def test_envoy_accepts_the_plain_files(name: str, tmp_path: Path) -> None:
    config = yaml.safe_load((DEPLOY / "envoy" / name).read_text())
    assert verdict_of_envoy(config, tmp_path) == "OK"


def test_envoy_accepts_what_istios_patches_bring(tmp_path: Path) -> None:
    config = plain()
    _patch(config)
    assert verdict_of_envoy(config, tmp_path) == "OK"


def test_envoy_refuses_a_misspelt_field(tmp_path: Path) -> None:
    config = plain()
    http_filters = _connection_manager(config)["http_filters"]
    http_filters[0]["typed_config"]["status_on_eror"] = {"code": 503}
    assert "status_on_eror" in verdict_of_envoy(config, tmp_path)


def _connection_manager(config: Any) -> Any:
    (listener,) = config["static_resources"]["listeners"]
    return listener["filter_chains"][0]["filters"][0]["typed_config"]


def _patch(config: Any) -> None:
    """Replace Remixer's parts of the plain file by those of the EnvoyFilter."""
    resource = yaml.safe_load((DEPLOY / "istio" / "remixer.yaml").read_text())
    patches = {
        each["applyTo"]: each["patch"]["value"] for each in resource["spec"]["configPatches"]
    }
    clusters = config["static_resources"]["clusters"]
    kept = [each for each in clusters if each["name"] != "remixer"]
    config["static_resources"]["clusters"] = [*kept, patches["CLUSTER"]]
    manager = _connection_manager(config)
    manager["http_filters"] = [patches["HTTP_FILTER"], manager["http_filters"][-1]]
    manager["route_config"]["virtual_hosts"][0].update(patches["VIRTUAL_HOST"])
    manager.update(patches["NETWORK_FILTER"]["typed_config"])
