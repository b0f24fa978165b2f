"""docs/sidecar.md: its tables are the program's own, its programs run, its files fit together."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from remixer.server.compose import RemixerServer
from remixer.server.settings import Settings
from remixer.server.sidecar_settings import read_sidecar_settings, sidecar_settings_table
from remixer.sidecar.client import MixerClient

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "sidecar.md").read_text()
PROGRAMS = dict(re.findall(r"^```python (\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
RULES = """
kind: handler
metadata: {name: nobody, namespace: istio-system}
spec:
  compiledAdapter: listchecker
  params: {overrides: [ann], blacklist: false}
---
kind: instance
metadata: {name: user, namespace: istio-system}
spec:
  compiledTemplate: listentry
  params: {value: 'request.headers["x-user"] | "nobody"'}
---
kind: rule
metadata: {name: list, namespace: istio-system}
spec:
  match: destination.service.name == "cart"
  actions: [{handler: nobody, instances: [user]}]
"""


def section(heading: str) -> str:
    _, found, rest = PAGE.partition(f"\n## {heading}\n")
    assert found, heading
    return rest.partition("\n## ")[0]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "rules.yaml").write_text(RULES)
    return folder


def server(rules: Path) -> RemixerServer:
    return RemixerServer(
        Settings(
            config_store=f"fs://{rules}",
            address=("127.0.0.1:0",),
            monitoring_address="127.0.0.1:0",
            prometheus_address="127.0.0.1:0",
        )
    )


def main_of(name: str, **replaced: str) -> Any:
    """The program's `main`, with other words for what only its reader knows."""
    text = PROGRAMS[name]
    for word, other in replaced.items():
        text = text.replace(word, other)
    namespace: dict[str, Any] = {"__name__": name}
    exec(compile(text, name, "exec"), namespace)  # noqa: S102 - the page's own
    return namespace["main"]


# ------------------------------------------------------------------ tables


def test_the_table_of_settings_is_the_sidecar_s_own() -> None:
    rows = [line for line in section("Settings").splitlines() if line.startswith("| `--")]
    assert rows == [
        f"| `{row.flag}` | {f'`{row.default}`' if row.default else ''} | {row.about} "
        f"| {row.wanted} |"
        for row in sidecar_settings_table()
    ]


async def test_every_statistic_is_on_the_page_and_no_other() -> None:
    named = re.findall(r"^\| `(total_\w+)` \|", section("Statistics"), re.MULTILINE)
    async with MixerClient("127.0.0.1:1") as client:
        counted = client.statistics()
    assert len(named) == len(set(named))
    assert set(named) == set(counted)


# ------------------------------------------------------------------ programs


async def test_the_asyncio_program_asks_a_mixer(
    rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with server(rules).serving() as mixer:
        (address,) = mixer.addresses.grpc
        await main_of("asyncio", **{"mixer:9091": address})()
    assert capsys.readouterr().out.splitlines() == ["allowed", "3"]


async def test_the_blocking_program_asks_a_mixer(
    rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with server(rules).serving() as mixer:
        (address,) = mixer.addresses.grpc
        await asyncio.to_thread(main_of("blocking", **{"mixer:9091": address, '"ann"': '"eve"'}))
    assert capsys.readouterr().out.splitlines() == ["nobody.istio-system:eve is not whitelisted"]


async def test_the_embedded_program_decides_by_itself(
    rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await main_of("embedded", **{'"rules"': repr(str(rules))})()
    assert capsys.readouterr().out.splitlines() == ["allowed"]


# ------------------------------------------------------------------ files


def containers() -> dict[str, Any]:
    text = (ROOT / "deploy" / "kubernetes" / "sidecar.yaml").read_text()
    pod = yaml.safe_load(text)["spec"]["template"]["spec"]
    return {each["name"]: each for each in pod["containers"]} | {"pod": pod}


def test_the_pod_s_sidecar_has_settings_that_can_be_understood() -> None:
    _, *flags = containers()["remixer"]["args"]
    settings = read_sidecar_settings([part for each in flags for part in each.split("=", 1)], {})
    assert settings.mixer == "mixer.remixer:9091"
    assert settings.report_spill is not None
    assert settings.drain_grace_s + 5 < containers()["pod"]["terminationGracePeriodSeconds"]


def test_envoy_asks_where_the_sidecar_listens_in_a_volume_of_both() -> None:
    envoy = yaml.safe_load((ROOT / "deploy" / "envoy" / "sidecar.yaml").read_text())
    (cluster,) = [
        each for each in envoy["static_resources"]["clusters"] if each["name"] == "remixer"
    ]
    (locality,) = cluster["load_assignment"]["endpoints"]
    path = locality["lb_endpoints"][0]["endpoint"]["address"]["pipe"]["path"]
    found = containers()
    assert f"--address=unix:{path}" in found["remixer"]["args"]
    mount = {"name": "sockets", "mountPath": str(Path(path).parent)}
    assert mount in found["envoy"]["volumeMounts"]
    assert mount in found["remixer"]["volumeMounts"]
    assert f"{{pipe: {{path: {path}}}}}" in PAGE


def test_probes_ask_the_port_that_pages_are_served_at() -> None:
    sidecar = containers()["remixer"]
    (port,) = sidecar["ports"]
    assert f"--monitoring-address=0.0.0.0:{port['containerPort']}" in sidecar["args"]
    for probe, page in (("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")):
        assert sidecar[probe]["httpGet"] == {"path": page, "port": port["name"]}


def test_every_volume_that_is_mounted_is_there() -> None:
    found = containers()
    volumes = {each["name"] for each in found["pod"]["volumes"]}
    mounted = {
        mount["name"] for name in ("envoy", "remixer") for mount in found[name]["volumeMounts"]
    }
    assert mounted == volumes
