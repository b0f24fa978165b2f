"""What `deploy/knative` and `remixer knative envoy-config` tell operators to copy is taken as it is.

Envoy reads the bootstraps, and Istio's patches laid over a gateway's configuration as the control
plane would; Remixer reads the Mixer resources; the manifest's arguments are parsed by the program
they are for.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from remixer.adapters.kactivator.endpoint_slices import WatchSettings
from remixer.adapters.kactivator.readiness import Revision
from remixer.cli.commands.adapter import app as adapter_app
from remixer.cli.demo.envoy import find_envoy
from remixer.cli.knative.commented import as_yaml, plain
from remixer.cli.knative.envoy_document import document, title
from remixer.cli.knative.envoy_plan import Endpoints, KnativeEnvoyPlan, Mode, Target
from remixer.cli.knative.istio import envoy_filter
from remixer.testing.made_files import made

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy" / "knative"
PATIENCE_S = 60.0
SCRIPT = (ROOT / "filters" / "activate.lua").read_text()
CART = Target(Revision("shop", "cart-00001"), ("cart.example.com",))
STOCK = Target(Revision("shop", "stock-00007"), ("stock.example.com", "lager.example.com"))
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
MANAGER = (
    "type.googleapis.com/"
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
)


@pytest.fixture(scope="session")
def module_folder() -> Path:
    """Where the filter inside Envoy is; made if need be."""
    return made("build/libremixer_envoy.so").parent


def verdict_of_envoy(config: Any, folder: Path, *, modules: Path | None = None) -> str:
    """`OK`, or what Envoy says is wrong."""
    file = folder / "bootstrap.json"
    file.write_text(json.dumps(config))
    search = None if modules is None else {"ENVOY_DYNAMIC_MODULES_SEARCH_PATH": str(modules)}
    command = [find_envoy(), "--mode", "validate", "--disable-hot-restart", "-c", str(file)]
    done = subprocess.run(  # noqa: S603 - the Envoy of this environment
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        env=search,
    )
    return "OK" if done.returncode == 0 else done.stderr


# ---------------------------------------------------------------- bootstraps


@pytest.mark.parametrize(
    ("mode", "endpoints"),
    [
        (Mode.RETRY, Endpoints.SERVICE),
        (Mode.HOLD, Endpoints.SERVICE),
        (Mode.HOLD, Endpoints.EDS),
        (Mode.HOLD, Endpoints.ORIGINAL_DST),
        (Mode.LUA, Endpoints.SERVICE),
    ],
)
def test_envoy_accepts_every_way_to_wait(mode: Mode, endpoints: Endpoints, tmp_path: Path) -> None:
    plan = KnativeEnvoyPlan(mode, (CART, STOCK), endpoints=endpoints, script=SCRIPT)
    assert verdict_of_envoy(plain(document(plan)), tmp_path) == "OK"
    as_file = yaml.safe_load(as_yaml(document(plan), title=title(plan)))
    assert as_file == plain(document(plan))


@pytest.mark.parametrize("endpoints", [Endpoints.SERVICE, Endpoints.EDS])
def test_envoy_accepts_the_filter(
    endpoints: Endpoints, tmp_path: Path, module_folder: Path
) -> None:
    plan = KnativeEnvoyPlan(Mode.FILTER, (CART, STOCK), endpoints=endpoints)
    assert verdict_of_envoy(plain(document(plan)), tmp_path, modules=module_folder) == "OK"


def test_envoy_would_refuse_a_misspelt_setting(tmp_path: Path) -> None:
    config: Any = plain(document(KnativeEnvoyPlan(Mode.RETRY, (CART,))))
    (listener,) = config["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    route = manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]
    route["retry_policy"]["num_retrys"] = 3
    assert "num_retrys" in verdict_of_envoy(config, tmp_path)


# ---------------------------------------------------------------- Istio


def istio_file(mode: Mode) -> Any:
    return yaml.safe_load((DEPLOY / f"istio-{mode}.yaml").read_text())


@pytest.mark.parametrize("mode", Mode)
def test_istios_files_are_those_that_the_command_prints(mode: Mode) -> None:
    plan = KnativeEnvoyPlan(mode, (CART,), script=SCRIPT if mode is Mode.LUA else "")
    text = (DEPLOY / f"istio-{mode}.yaml").read_text()
    assert text == as_yaml(envoy_filter(plan), title=title(plan))


@pytest.mark.parametrize("mode", [Mode.RETRY, Mode.HOLD, Mode.LUA])
def test_envoy_accepts_what_istios_patches_bring(mode: Mode, tmp_path: Path) -> None:
    assert verdict_of_envoy(patched(gateway(), istio_file(mode)), tmp_path) == "OK"


def test_envoy_accepts_what_istios_patches_for_the_filter_bring(
    tmp_path: Path, module_folder: Path
) -> None:
    config = patched(gateway(), istio_file(Mode.FILTER))
    assert verdict_of_envoy(config, tmp_path, modules=module_folder) == "OK"


@pytest.mark.parametrize("mode", Mode)
def test_istios_patches_are_for_gateways_alone(mode: Mode) -> None:
    spec = istio_file(mode)["spec"]
    assert spec["workloadSelector"]["labels"] == {"istio": "ingressgateway"}
    assert {each["match"]["context"] for each in spec["configPatches"]} == {"GATEWAY"}


def gateway() -> Any:
    """What Istio makes of a VirtualService for one host, as far as patches touch it."""
    cluster = "outbound|80||cart-00001-private.shop.svc.cluster.local"
    manager = {
        "@type": MANAGER,
        "stat_prefix": "outbound",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "cart.example.com:80",
                    "domains": ["cart.example.com"],
                    "routes": [
                        {"match": {"prefix": "/"}, "route": {"cluster": cluster, "timeout": "0s"}}
                    ],
                }
            ]
        },
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}],
    }
    name = "envoy.filters.network.http_connection_manager"
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    return {
        "static_resources": {
            "listeners": [
                {
                    "name": "http",
                    "address": address,
                    "filter_chains": [{"filters": [{"name": name, "typed_config": manager}]}],
                }
            ],
            "clusters": [{"name": cluster, "type": "STATIC"}],
        }
    }


def patched(config: Any, resource: Any) -> Any:
    """As Istio's control plane would lay the patches over it."""
    (listener,) = config["static_resources"]["listeners"]
    network_filter = listener["filter_chains"][0]["filters"][0]
    manager = network_filter["typed_config"]
    (host,) = manager["route_config"]["virtual_hosts"]
    for each in resource["spec"]["configPatches"]:
        value = each["patch"]["value"]
        match each["applyTo"], each["patch"]["operation"]:
            case "CLUSTER", "ADD":
                config["static_resources"]["clusters"].append(value)
            case "HTTP_FILTER", "INSERT_BEFORE":
                manager["http_filters"].insert(-1, value)
            case "NETWORK_FILTER", "MERGE":
                merge(network_filter, value)
            case "VIRTUAL_HOST", "MERGE":
                assert each["match"]["routeConfiguration"]["vhost"]["name"] == host["name"]
                merge(host, value)
            case "HTTP_ROUTE", "MERGE":
                assert each["match"]["routeConfiguration"]["vhost"]["name"] == host["name"]
                merge(host["routes"][0], value)
            case unknown:
                message = f"the test knows no patch {unknown}"
                raise AssertionError(message)
    return config


def merge(into: Any, value: Mapping[str, Any]) -> None:
    """As protobuf merges messages."""
    for key, found in value.items():
        if isinstance(found, dict) and isinstance(into.get(key), dict):
            merge(into[key], found)
        else:
            into[key] = found


# ---------------------------------------------------------------- Mixer's resources


def remixer(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - this environment's own program
        [str(Path(sys.executable).with_name("remixer")), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


def test_remixer_accepts_the_resources() -> None:
    done = remixer("validate", "--strict", str(DEPLOY / "mixer.yaml"))
    assert done.returncode == 0, done.stdout


def test_remixer_accepts_the_resources_for_an_adapter_of_its_own(tmp_path: Path) -> None:
    described = remixer("adapter", "describe", "kactivator")
    assert described.returncode == 0, described.stderr
    (tmp_path / "described.yaml").write_text(described.stdout)
    (tmp_path / "rules.yaml").write_text((DEPLOY / "mixer-out-of-process.yaml").read_text())
    done = remixer("validate", "--strict", str(tmp_path))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["mixer.yaml", "mixer-out-of-process.yaml"])
def test_the_resources_use_the_routed_service_and_ask_only_at_the_gateway(name: str) -> None:
    kinds = {each["kind"]: each["spec"] for each in documents(name)}
    action = kinds["instance"]["params"]["action"]
    assert action["namespace"] == 'destination.service.namespace | "default"'
    assert action["service"] == 'destination.service.name | ""'
    assert '"ingressgateway"' in kinds["rule"]["match"]
    hold = kinds["handler"]["params"]["hold"]["timeout"]
    authz = patched(gateway(), istio_file(Mode.HOLD))["static_resources"]["listeners"][0]
    filters = authz["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
    waits = filters[0]["typed_config"]["grpc_service"]["timeout"]
    assert float(waits.removesuffix("s")) > float(hold.removesuffix("s"))


# ---------------------------------------------------------------- Kubernetes


def documents(name: str) -> list[Any]:
    return [each for each in yaml.safe_load_all((DEPLOY / name).read_text()) if each]


def of_kind(name: str, kind: str) -> Any:
    (found,) = [each for each in documents(name) if each["kind"] == kind]
    return found


def container() -> Any:
    (found,) = of_kind("adapter.yaml", "Deployment")["spec"]["template"]["spec"]["containers"]
    return found


def test_the_pods_name_reaches_the_adapter() -> None:
    variables = {each["name"]: each for each in container()["env"]}
    source = variables["POD_NAME"]["valueFrom"]
    assert source == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert "MY_POD_NAME" not in variables


def test_the_manifests_arguments_are_those_of_the_program() -> None:
    command, name, *arguments = container()["args"]
    assert command == "adapter"
    group: Any = typer.main.get_command(adapter_app)
    context = group.commands[name].make_context(name, arguments)
    assert context.params["address"] == "0.0.0.0:6100"
    assert context.params["hold_timeout"] == 60


def test_the_service_leads_to_the_pods() -> None:
    deployment, service = (of_kind("adapter.yaml", kind) for kind in ("Deployment", "Service"))
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    (port,) = service["spec"]["ports"]
    assert port["targetPort"] in {each["containerPort"] for each in container()["ports"]}
    handler = of_kind("mixer-out-of-process.yaml", "handler")["spec"]
    metadata = service["metadata"]
    host = f"{metadata['name']}.{metadata['namespace']}.svc.cluster.local"
    assert handler["connection"]["address"] == f"{host}:{port['port']}"


def test_the_watch_is_allowed_and_nothing_else() -> None:
    role = of_kind("rbac.yaml", "ClusterRole")
    _, group, _, resource = WatchSettings().watched.path.removeprefix("/").split("/")
    assert role["rules"] == [
        {"apiGroups": [group], "resources": [resource], "verbs": ["list", "watch"]}
    ]
    binding = of_kind("rbac.yaml", "ClusterRoleBinding")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    account = of_kind("adapter.yaml", "ServiceAccount")["metadata"]
    subjects = {(each["name"], each["namespace"]) for each in binding["subjects"]}
    assert (account["name"], account["namespace"]) in subjects


def test_held_calls_may_end_before_the_pod_does() -> None:
    pod = of_kind("adapter.yaml", "Deployment")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > 65
    assert "--drain-grace=65" in container()["args"]
