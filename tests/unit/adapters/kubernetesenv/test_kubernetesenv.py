"""`kubernetesenv` against a fake API server: what is told of whom, in which state."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from remixer.adapters.kubernetesenv import INFO, KubernetesEnv, Params
from remixer.adapters.kubernetesenv import handler as handler_module
from remixer.adapters.kubernetesenv import registry as registry_module
from remixer.adapters.kubernetesenv.handler import NotListedError, open_handler
from remixer.attributes.values import Duration
from remixer.drivers.kubernetes import KubernetesError, KubernetesPlace
from remixer.foundation.backoff import Backoff
from remixer.sdk import AdapterInfo, Environment, HandlerContext
from remixer.templates.instances import BUILTIN_TEMPLATES, Kubernetes
from remixer.testing.adapters import AdapterHarness, RejectedParamsError
from remixer.testing.kubernetes_api import (
    PODS,
    REPLICA_SETS,
    REPLICATION_CONTROLLERS,
    FakeKubernetesApi,
    secrets_path,
)

_PATIENCE_S = 60.0
_NOWHERE = KubernetesPlace()
_V4 = bytes(10) + b"\xff\xff"


def _info(place: KubernetesPlace = _NOWHERE) -> AdapterInfo[Params]:
    """The adapter, told where it is, and in a hurry."""

    async def build(
        params: Params, context: HandlerContext, environment: Environment
    ) -> KubernetesEnv:
        hasty = Backoff(0.001, 0.01)
        return await open_handler(params, context, environment, place=place, backoff=hasty)

    return AdapterInfo("kubernetesenv", INFO.description, INFO.templates, Params(), build)


def _owned(kind: str, name: str, version: str = "apps/v1", **more: Any) -> list[dict[str, Any]]:
    return [{"apiVersion": version, "kind": kind, "name": name, "controller": True, **more}]


def _object(name: str, *, namespace: str = "shop", **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name, **metadata}}


def _pod(
    name: str = "cart-6d5f-x2x", ip: str = "10.0.0.1", *, namespace: str = "shop", **more: Any
) -> dict[str, Any]:
    metadata = {"namespace": namespace, "name": name, **more.pop("metadata", {})}
    spec = {"serviceAccountName": "cart", "containers": [], **more.pop("spec", {})}
    status = {"phase": "Running", "podIP": ip, "hostIP": "192.168.0.1", **more.pop("status", {})}
    return {"metadata": metadata, "spec": spec, "status": status}


@asynccontextmanager
async def _running(
    tmp_path: Path,
    *objects: tuple[str, dict[str, Any]],
    params: dict[str, Any] | None = None,
    place: KubernetesPlace = _NOWHERE,
) -> AsyncIterator[tuple[FakeKubernetesApi, KubernetesEnv]]:
    async with FakeKubernetesApi() as fake, AdapterHarness() as harness:
        for path, item in objects:
            fake.apply(path, item)
        wanted = Params(kubeconfig_path=fake.write_kubeconfig(tmp_path), **(params or {}))
        yield fake, await harness.build(_info(place), wanted)


def _by_uid(handler: KubernetesEnv, uid: str) -> dict[str, Any]:
    return dict(handler.generate(Kubernetes("k", source_uid=uid)))


def _by_ip(handler: KubernetesEnv, ip: bytes) -> dict[str, Any]:
    return dict(handler.generate(Kubernetes("k", source_ip=ip)))


async def _until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - what sockets bring sets no event of ours
            await asyncio.sleep(0)


# ---------------------------------------------------------------- what is told


async def test_all_that_is_known_of_both_ends_is_told(tmp_path: Path) -> None:
    cart = _pod(
        metadata={"labels": {"app": "cart"}, "ownerReferences": _owned("ReplicaSet", "cart-6d5f")},
        spec={
            "containers": [
                {"name": "proxy", "ports": [{"containerPort": 15001}]},
                {"name": "main", "ports": [{"containerPort": 80}, {"containerPort": 8080}]},
                {"name": "late", "ports": [{"containerPort": 8080}]},
            ]
        },
    )
    shelf = _pod("shelf", "10.0.0.2", namespace="store", spec={"serviceAccountName": "shelf"})
    replicas = _object("cart-6d5f", ownerReferences=_owned("Deployment", "cart"))
    async with _running(tmp_path, (PODS, cart), (PODS, shelf), (REPLICA_SETS, replicas)) as (
        _,
        handler,
    ):
        outputs = handler.generate(
            Kubernetes(
                "k",
                source_uid="kubernetes://shelf.store",
                destination_ip=bytes([10, 0, 0, 1]),
                destination_port=8080,
            )
        )
    assert outputs == {
        "destination_pod_uid": "kubernetes://cart-6d5f-x2x.shop",
        "destination_pod_ip": _V4 + bytes([10, 0, 0, 1]),
        "destination_pod_name": "cart-6d5f-x2x",
        "destination_labels": {"app": "cart"},
        "destination_namespace": "shop",
        "destination_service_account_name": "cart",
        "destination_host_ip": _V4 + bytes([192, 168, 0, 1]),
        "destination_container_name": "main",
        "destination_workload_uid": "istio://shop/workloads/cart",
        "destination_workload_name": "cart",
        "destination_workload_namespace": "shop",
        "destination_owner": "kubernetes://apis/apps/v1/namespaces/shop/deployments/cart",
        "source_pod_uid": "kubernetes://shelf.store",
        "source_pod_ip": _V4 + bytes([10, 0, 0, 2]),
        "source_pod_name": "shelf",
        "source_namespace": "store",
        "source_service_account_name": "shelf",
        "source_host_ip": _V4 + bytes([192, 168, 0, 1]),
        "source_workload_uid": "istio://store/workloads/shelf",
        "source_workload_name": "shelf",
        "source_workload_namespace": "store",
        "source_owner": "/api/v1/namespaces/store/pods/shelf",
    }


async def test_only_fields_that_the_template_has_are_told(tmp_path: Path) -> None:
    template = next(each for each in BUILTIN_TEMPLATES if each.name == "kubernetes")
    assert template.output is not None
    declared = {each.name for each in template.output.fields}
    pod = _pod(
        metadata={"labels": {"app": "cart"}},
        spec={"containers": [{"name": "main", "ports": [{"containerPort": 80}]}]},
    )
    async with _running(tmp_path, (PODS, pod)) as (_, handler):
        uid = "kubernetes://cart-6d5f-x2x.shop"
        instance = Kubernetes("k", source_uid=uid, destination_uid=uid, destination_port=80)
        assert set(handler.generate(instance)) == declared


async def test_what_a_pod_lacks_is_left_out(tmp_path: Path) -> None:
    bare = {"metadata": {"namespace": "shop", "name": "bare"}}
    async with _running(tmp_path, (PODS, bare)) as (_, handler):
        outputs = handler.generate(Kubernetes("k", destination_uid="bare.shop", destination_port=1))
    assert sorted(outputs) == [
        "destination_namespace",
        "destination_owner",
        "destination_pod_name",
        "destination_pod_uid",
        "destination_workload_name",
        "destination_workload_namespace",
        "destination_workload_uid",
    ]


@pytest.mark.parametrize("port", [0, -1, 81])
async def test_a_port_that_no_container_exposes_names_none(tmp_path: Path, port: int) -> None:
    pod = _pod(spec={"containers": [{"name": "main", "ports": [{"containerPort": 80}]}]})
    async with _running(tmp_path, (PODS, pod)) as (_, handler):
        instance = Kubernetes("k", destination_uid="cart-6d5f-x2x.shop", destination_port=port)
        assert "destination_container_name" not in handler.generate(instance)


# ---------------------------------------------------------------- owners


@pytest.mark.parametrize(
    ("pod_owner", "controllers", "workload", "owner"),
    [
        (
            _owned("StatefulSet", "db"),
            [],
            "db",
            "kubernetes://apis/apps/v1/namespaces/shop/statefulsets/db",
        ),
        (
            _owned("ReplicaSet", "unknown"),
            [],
            "unknown",
            "kubernetes://apis/apps/v1/namespaces/shop/replicasets/unknown",
        ),
        (
            _owned("ReplicaSet", "alone"),
            [(REPLICA_SETS, _object("alone"))],
            "alone",
            "kubernetes://apis/apps/v1/namespaces/shop/replicasets/alone",
        ),
        (
            _owned("ReplicationController", "web-1", "v1"),
            [
                (
                    REPLICATION_CONTROLLERS,
                    _object(
                        "web-1",
                        ownerReferences=_owned("DeploymentConfig", "web", "apps.openshift.io/v1"),
                    ),
                )
            ],
            "web",
            "kubernetes://apis/apps.openshift.io/v1/namespaces/shop/deploymentconfigs/web",
        ),
        (
            _owned("Job", "nightly-1", "batch/v1"),
            [],
            "nightly-1",
            "kubernetes://apis/batch/v1/namespaces/shop/jobs/nightly-1",
        ),
        (
            [{"kind": "ReplicaSet", "name": "not-the-controller", "apiVersion": "apps/v1"}],
            [],
            "p",
            "/api/v1/namespaces/shop/pods/p",
        ),
    ],
)
async def test_the_workload_is_the_root_controller(
    tmp_path: Path,
    pod_owner: list[dict[str, Any]],
    controllers: list[tuple[str, dict[str, Any]]],
    workload: str,
    owner: str,
) -> None:
    pod = _pod("p", metadata={"ownerReferences": pod_owner})
    async with _running(tmp_path, (PODS, pod), *controllers) as (_, handler):
        outputs = _by_uid(handler, "p.shop")
    assert (outputs["source_workload_name"], outputs["source_owner"]) == (workload, owner)


async def test_controllers_of_another_namespace_are_not_followed(tmp_path: Path) -> None:
    pod = _pod("p", metadata={"ownerReferences": _owned("ReplicaSet", "web")})
    other = _object("web", namespace="store", ownerReferences=_owned("Deployment", "wrong"))
    async with _running(tmp_path, (PODS, pod), (REPLICA_SETS, other)) as (_, handler):
        assert _by_uid(handler, "p.shop")["source_workload_name"] == "web"


async def test_controllers_that_own_each_other_end_somewhere(tmp_path: Path) -> None:
    pod = _pod("p", metadata={"ownerReferences": _owned("ReplicaSet", "a")})
    one = _object("a", ownerReferences=_owned("ReplicaSet", "b"))
    two = _object("b", ownerReferences=_owned("ReplicaSet", "a"))
    async with _running(tmp_path, (PODS, pod), (REPLICA_SETS, one), (REPLICA_SETS, two)) as (
        _,
        handler,
    ):
        assert _by_uid(handler, "p.shop")["source_workload_name"] in {"a", "b"}


async def test_a_self_link_of_an_old_api_server_is_told(tmp_path: Path) -> None:
    pod = _pod("p", metadata={"selfLink": "/api/v1/namespaces/shop/pods/p-link"})
    async with _running(tmp_path, (PODS, pod)) as (_, handler):
        assert _by_uid(handler, "p.shop")["source_owner"].endswith("p-link")


# ---------------------------------------------------------------- who is found


@pytest.mark.parametrize(
    "uid",
    [
        "kubernetes://web-1.shop",
        "web-1.shop",
        "kubernetes://shop/web-1",
        "10.0.0.1",
        "kubernetes://10.0.0.1",
        "::ffff:10.0.0.1",
    ],
)
async def test_forms_of_a_uid(tmp_path: Path, uid: str) -> None:
    async with _running(tmp_path, (PODS, _pod("web-1"))) as (_, handler):
        assert _by_uid(handler, uid)["source_pod_name"] == "web-1"


async def test_names_with_dots_are_found(tmp_path: Path) -> None:
    async with _running(tmp_path, (PODS, _pod("web.v1.2"))) as (_, handler):
        assert _by_uid(handler, "kubernetes://web.v1.2.shop")["source_pod_name"] == "web.v1.2"


@pytest.mark.parametrize(
    "uid", ["kubernetes://nobody.shop", "web-1.other", "web-1", "shop/web-1/", ".", "/", "\udc80"]
)
async def test_a_uid_that_nobody_has_finds_nothing(tmp_path: Path, uid: str) -> None:
    async with _running(tmp_path, (PODS, _pod("web-1"))) as (_, handler):
        assert _by_uid(handler, uid) == {}


async def test_an_unknown_uid_is_not_looked_for_by_address(tmp_path: Path) -> None:
    async with _running(tmp_path, (PODS, _pod())) as (_, handler):
        ends = Kubernetes("k", source_uid="nobody.shop", source_ip=bytes([10, 0, 0, 1]))
        assert handler.generate(ends) == {}


@pytest.mark.parametrize(
    ("ip", "is_found"),
    [
        (bytes([10, 0, 0, 1]), True),
        (_V4 + bytes([10, 0, 0, 1]), True),
        (bytes([10, 0, 0, 2]), False),
        (bytes(4), False),
        (bytes(16), False),
        (_V4 + bytes(4), False),
        (b"", False),
        (b"\x01", False),
    ],
)
async def test_addresses(tmp_path: Path, ip: bytes, is_found: bool) -> None:  # noqa: FBT001 - from the table
    unspecified = _pod("none", "0.0.0.0")  # noqa: S104 - what a broken pod may say
    async with _running(tmp_path, (PODS, _pod()), (PODS, unspecified)) as (_, handler):
        assert bool(_by_ip(handler, ip)) is is_found


async def test_every_address_of_a_pod_with_two_finds_it(tmp_path: Path) -> None:
    pod = _pod(status={"podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::7"}]})
    async with _running(tmp_path, (PODS, pod)) as (_, handler):
        six = bytes.fromhex("fd00") + bytes(13) + b"\x07"
        assert _by_ip(handler, six) == _by_ip(handler, bytes([10, 0, 0, 1]))
        assert _by_ip(handler, six)


async def test_pods_in_their_node_s_network_are_found_by_name_alone(tmp_path: Path) -> None:
    """The node's address names none of them: the original gave it to any."""
    node = bytes([192, 168, 0, 1])
    pods = [_pod(name, "192.168.0.1", spec={"hostNetwork": True}) for name in ("a", "b")]
    async with _running(tmp_path, *((PODS, pod) for pod in pods)) as (_, handler):
        assert _by_ip(handler, node) == {}
        assert _by_uid(handler, "b.shop")["source_pod_ip"] == _V4 + node


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
async def test_a_pod_that_ended_does_not_keep_its_address(tmp_path: Path, phase: str) -> None:
    ended = _pod("old", status={"phase": phase})
    async with _running(tmp_path, (PODS, ended), (PODS, _pod("new"))) as (_, handler):
        assert _by_ip(handler, bytes([10, 0, 0, 1]))["source_pod_name"] == "new"
        assert _by_uid(handler, "old.shop")


async def test_of_two_pods_with_one_address_the_newer_has_it(tmp_path: Path) -> None:
    pods = [
        _pod(name, metadata={"creationTimestamp": f"2021-06-01T00:00:0{second}Z"})
        for second, name in ((2, "newer"), (1, "older"))
    ]
    async with _running(tmp_path, *((PODS, pod) for pod in pods)) as (fake, handler):
        address = bytes([10, 0, 0, 1])
        assert _by_ip(handler, address)["source_pod_name"] == "newer"
        fake.delete(PODS, pods[0])
        await _until(lambda: _by_ip(handler, address)["source_pod_name"] == "older")


# ---------------------------------------------------------------- freshness


async def test_changes_are_followed(tmp_path: Path) -> None:
    async with _running(tmp_path, (PODS, _pod("p"))) as (fake, handler):
        fake.apply(PODS, _pod("p", "10.0.0.9", metadata={"labels": {"v": "2"}}))
        await _until(lambda: _by_ip(handler, bytes([10, 0, 0, 9])))
        assert _by_ip(handler, bytes([10, 0, 0, 1])) == {}
        assert _by_uid(handler, "p.shop")["source_labels"] == {"v": "2"}
        fake.delete(PODS, _pod("p"))
        await _until(lambda: not _by_uid(handler, "p.shop"))
        assert _by_ip(handler, bytes([10, 0, 0, 9])) == {}


async def test_a_controller_that_goes_or_is_set_free_is_its_own_root(tmp_path: Path) -> None:
    pods = [
        (PODS, _pod(f"p{index}", metadata={"ownerReferences": _owned("ReplicaSet", f"r{index}")}))
        for index in (1, 2)
    ]
    sets = [_object(f"r{index}", ownerReferences=_owned("Deployment", "d")) for index in (1, 2)]
    async with _running(tmp_path, *pods, *((REPLICA_SETS, each) for each in sets)) as (
        fake,
        handler,
    ):
        assert _by_uid(handler, "p1.shop")["source_workload_name"] == "d"
        await _until(lambda: fake.watching >= 3)
        fake.delete(REPLICA_SETS, sets[0])
        fake.apply(REPLICA_SETS, _object("r2"))
        await _until(lambda: _by_uid(handler, "p1.shop")["source_workload_name"] == "r1")
        await _until(lambda: _by_uid(handler, "p2.shop")["source_workload_name"] == "r2")


async def test_an_api_server_that_goes_away_takes_no_knowledge_with_it(tmp_path: Path) -> None:
    async with _running(tmp_path, (PODS, _pod("p"))) as (fake, handler):
        await _until(lambda: fake.watching >= 3)
        for path in (PODS, REPLICA_SETS, REPLICATION_CONTROLLERS):
            fake.refusals[path] = 503
        fake.drop_watches()
        asked = len(fake.requests)
        await _until(lambda: len(fake.requests) > asked + 10)
        assert _by_uid(handler, "p.shop")


async def test_a_list_after_410_drops_what_is_gone(tmp_path: Path) -> None:
    replicas = _object("r", ownerReferences=_owned("Deployment", "d"))
    pod = _pod("stays", metadata={"ownerReferences": _owned("ReplicaSet", "r")})
    async with _running(
        tmp_path, (PODS, _pod("goes", "10.0.0.2")), (PODS, pod), (REPLICA_SETS, replicas)
    ) as (fake, handler):
        await _until(lambda: fake.watching >= 3)
        fake.delete(PODS, _pod("goes"), silently=True)
        fake.delete(REPLICA_SETS, replicas, silently=True)
        fake.forget_history()
        await _until(lambda: not _by_uid(handler, "goes.shop"))
        await _until(lambda: _by_uid(handler, "stays.shop")["source_workload_name"] == "r")


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"metadata": None},
        {"metadata": {"name": ""}},
        {"metadata": {"name": 7}},
        {"metadata": {"name": "p", "namespace": "shop", "labels": {"a": 1}}, "spec": 3},
        {
            "metadata": {"name": "p", "namespace": "shop", "ownerReferences": [None, {"controller": 1}]},
            "spec": {"containers": [None, {"ports": [None, {"containerPort": "80"}]}]},
            "status": {"podIP": "nonsense", "podIPs": [{"ip": 3}, "x"]},
        },
    ],
    ids=str,
)  # fmt: skip
async def test_objects_that_are_not_what_they_should_be_spoil_no_others(
    tmp_path: Path, item: dict[str, Any]
) -> None:
    async with _running(tmp_path, (PODS, _pod("good"))) as (fake, handler):
        await _until(lambda: fake.watching >= 3)
        for path in (PODS, REPLICA_SETS, secrets_path("istio-system")):
            event = json.dumps({"type": "ADDED", "object": item})
            fake.send(path, event.encode() + b"\n")
        fake.apply(PODS, _pod("later", "10.0.0.3"))
        await _until(lambda: _by_uid(handler, "later.shop"))
        assert _by_uid(handler, "good.shop")


async def test_pods_beyond_the_bound_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("remixer.adapters.kubernetesenv.cache.MOST_PODS", 3)
    monkeypatch.setattr("remixer.adapters.kubernetesenv.cache.MOST_CONTROLLERS", 1)
    pods = [(PODS, _pod(f"p{index}", f"10.0.0.{index}")) for index in range(6)]
    sets = [
        (REPLICA_SETS, _object(f"r{index}", ownerReferences=_owned("Deployment", "d")))
        for index in range(3)
    ]
    async with _running(tmp_path, *pods, *sets) as (_, handler):
        cache = handler._local.cache
        assert (len(cache.pods), cache.pods.not_kept) == (3, 3)
        replica_sets = cache.controllers["ReplicaSet"]
        assert (len(replica_sets), replica_sets.not_kept) == (1, 2)
    events = [record.msg for record in caplog.records]
    assert events.count("kubernetes_pods_not_kept") == 1
    assert events.count("kubernetes_controllers_not_kept") == 1


# ---------------------------------------------------------------- before the first list


async def test_before_the_first_list_a_lookup_is_a_failure_that_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler_module, "SYNC_TIMEOUT_S", 0.05)
    async with FakeKubernetesApi() as fake, AdapterHarness() as harness:
        fake.apply(PODS, _pod("p"))
        fake.refusals[REPLICA_SETS] = 403
        params = Params(kubeconfig_path=fake.write_kubeconfig(tmp_path))
        handler = await harness.build(_info(), params)
        await _until(lambda: "403" in handler._local.missing)
        with pytest.raises(NotListedError, match=f"GET {REPLICA_SETS}: 403"):
            _by_uid(handler, "p.shop")
        with pytest.raises(NotListedError):
            _by_ip(handler, bytes([10, 0, 0, 1]))
        assert handler.generate(Kubernetes("k")) == {}
        del fake.refusals[REPLICA_SETS]
        await _until(lambda: handler._local.is_synced)
        assert _by_uid(handler, "p.shop")


async def test_building_waits_for_the_first_list(tmp_path: Path) -> None:
    async with _running(tmp_path, (PODS, _pod("p"))) as (_, handler):
        assert _by_uid(handler, "p.shop")


async def test_credentials_that_are_missing_fail_the_build() -> None:
    async with AdapterHarness() as harness:
        with pytest.raises(KubernetesError, match="/nowhere: no such file"):
            await harness.build(_info(), Params(kubeconfig_path="/nowhere"))


async def test_without_a_kubeconfig_the_service_account_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    async with AdapterHarness() as harness:
        with pytest.raises(KubernetesError, match="in-cluster"):
            await harness.build(INFO)


async def test_the_environment_s_kubeconfig_goes_before_the_parameter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeKubernetesApi() as fake, AdapterHarness() as harness:
        monkeypatch.setenv("KUBECONFIG", fake.write_kubeconfig(tmp_path))
        handler = await harness.build(INFO, Params(kubeconfig_path="/nowhere"))
        assert handler.generate(Kubernetes("k", source_uid="p.shop")) == {}


async def test_a_negative_refresh_is_refused() -> None:
    async with AdapterHarness() as harness:
        with pytest.raises(RejectedParamsError, match="cache_refresh_duration"):
            await harness.build(INFO, Params(cache_refresh_duration=Duration(-1)))


def test_a_missing_library_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    (problem,) = INFO.validate(Params(), HandlerContext("h", ()))
    assert "pip install 'remixer[kubernetes]'" in problem.hint


# ---------------------------------------------------------------- further clusters


def _secret(name: str, **clusters: Any) -> dict[str, Any]:
    data = {
        key: base64.b64encode(
            value if isinstance(value, bytes) else yaml.safe_dump(value).encode()
        ).decode()
        for key, value in clusters.items()
    }
    return {
        "metadata": {
            "namespace": "istio-system",
            "name": name,
            "labels": {"istio/multiCluster": "true"},
        },
        "data": data,
    }


_SECRETS = secrets_path("istio-system")


async def test_further_clusters_are_followed_as_secrets_come_change_and_go(
    tmp_path: Path,
) -> None:
    async with FakeKubernetesApi() as east, FakeKubernetesApi() as west:
        east.apply(PODS, _pod("east-pod", "10.1.0.1"))
        west.apply(PODS, _pod("west-pod", "10.2.0.1"))
        async with _running(tmp_path, (PODS, _pod("local"))) as (fake, handler):
            fake.apply(_SECRETS, _secret("s", remote=east.kubeconfig()))
            await _until(lambda: _by_uid(handler, "east-pod.shop"))
            assert _by_uid(handler, "local.shop")
            fake.apply(_SECRETS, _secret("s", remote=west.kubeconfig()))
            await _until(lambda: _by_ip(handler, bytes([10, 2, 0, 1])))
            assert _by_uid(handler, "east-pod.shop") == {}
            fake.delete(_SECRETS, _secret("s"))
            await _until(lambda: not _by_uid(handler, "west-pod.shop"))
            await _until(lambda: east.watching == west.watching == 0)


async def test_a_cluster_is_dropped_with_its_entry_and_with_a_secret_that_went_unseen(
    tmp_path: Path,
) -> None:
    async with FakeKubernetesApi() as east:
        both = _secret("s", one=east.kubeconfig(), two=east.kubeconfig())
        async with _running(tmp_path, (_SECRETS, both)) as (fake, handler):

            def names() -> list[str]:
                return [each.name for each in handler._registry.clusters]

            await _until(lambda: names() == ["one", "two"])
            fake.apply(_SECRETS, _secret("s", two=east.kubeconfig()))
            await _until(lambda: names() == ["two"])
            fake.delete(_SECRETS, both, silently=True)
            fake.forget_history()
            await _until(lambda: names() == [])


async def test_the_local_cluster_goes_first_and_the_others_by_name(tmp_path: Path) -> None:
    async with FakeKubernetesApi() as east, FakeKubernetesApi() as west:
        for each in (east, west):
            each.apply(PODS, _pod("p"))
        east.apply(PODS, _pod("q", "10.1.0.1"))
        west.apply(PODS, _pod("q", "10.2.0.1"))
        secret = _secret("s", west=west.kubeconfig(), east=east.kubeconfig())
        async with _running(tmp_path, (PODS, _pod("p", "10.9.9.9")), (_SECRETS, secret)) as (
            _,
            handler,
        ):
            await _until(lambda: len(handler._registry.clusters) == 2)
            await _until(lambda: all(each.is_synced for each in handler._clusters()))
            assert [each.name for each in handler._clusters()] == ["", "east", "west"]
            assert _by_uid(handler, "p.shop")["source_pod_ip"] == _V4 + bytes([10, 9, 9, 9])
            assert _by_uid(handler, "q.shop")["source_pod_ip"] == _V4 + bytes([10, 1, 0, 1])


async def test_a_further_cluster_that_is_away_keeps_nobody_waiting(tmp_path: Path) -> None:
    async with FakeKubernetesApi() as gone:
        pass
    secret = _secret("s", gone=gone.kubeconfig())
    async with _running(tmp_path, (PODS, _pod("p")), (_SECRETS, secret)) as (_, handler):
        await _until(lambda: handler._registry.clusters)
        assert _by_uid(handler, "p.shop")
        assert _by_uid(handler, "other.shop") == {}


async def test_a_secret_without_the_label_or_of_another_namespace_means_nothing(
    tmp_path: Path,
) -> None:
    async with FakeKubernetesApi() as east:
        plain = _secret("plain", remote=east.kubeconfig())
        plain["metadata"]["labels"] = {}
        elsewhere = _secret("elsewhere", remote=east.kubeconfig())
        async with _running(tmp_path, (_SECRETS, plain), (secrets_path("shop"), elsewhere)) as (
            fake,
            handler,
        ):
            await _until(lambda: fake.count(_SECRETS, watch=True))
            assert handler._registry.clusters == ()


@pytest.mark.parametrize(
    ("parameter", "place", "wanted"),
    [
        ("", "", "istio-system"),
        ("", "mesh", "mesh"),
        ("registries", "mesh", "registries"),
    ],
)
async def test_the_namespace_of_the_secrets(
    tmp_path: Path, parameter: str, place: str, wanted: str
) -> None:
    async with _running(
        tmp_path,
        params={"cluster_registries_namespace": parameter},
        place=KubernetesPlace(pod_namespace=place),
    ) as (fake, _):
        await _until(lambda: fake.count(secrets_path(wanted), watch=False))


@pytest.mark.parametrize(
    ("secrets", "event"),
    [
        ([_secret("s", bad=b"nonsense")], "kubernetes_cluster_not_followed"),
        (
            [_secret("s", bad={"users": [{"user": {"exec": {"command": "sh"}}}]})],
            "kubernetes_cluster_not_followed",
        ),
        ([{**_secret("s"), "data": {"bad": "***"}}], "kubernetes_cluster_refused"),
        ([{**_secret("s"), "data": {"bad": 7}}], "kubernetes_cluster_refused"),
        ([_secret("a", x=b"1"), _secret("b", x=b"2")], "kubernetes_cluster_refused"),
    ],
)
async def test_a_bad_entry_is_told_and_spoils_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, secrets: list[dict[str, Any]], event: str
) -> None:
    async with FakeKubernetesApi() as east:
        east.apply(PODS, _pod("east-pod", "10.1.0.1"))
        good = _secret("z", good=east.kubeconfig())
        async with _running(tmp_path, *((_SECRETS, each) for each in (*secrets, good))) as (
            _,
            handler,
        ):
            await _until(lambda: _by_uid(handler, "east-pod.shop"))
            await _until(lambda: event in [record.msg for record in caplog.records])


async def test_clusters_beyond_the_bound_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(registry_module, "MOST_CLUSTERS", 2)
    secret = _secret("s", a=b"1", b=b"2", c=b"3")
    async with _running(tmp_path, (_SECRETS, secret)) as (_, handler):
        await _until(lambda: "kubernetes_cluster_refused" in [r.msg for r in caplog.records])
        assert [each.name for each in handler._registry.clusters] == ["a", "b"]


async def test_secrets_that_may_not_be_read_keep_nobody_from_working(tmp_path: Path) -> None:
    async with FakeKubernetesApi() as fake, AdapterHarness() as harness:
        fake.refusals[_SECRETS] = 403
        fake.apply(PODS, _pod("p"))
        params = Params(kubeconfig_path=fake.write_kubeconfig(tmp_path))
        handler = await harness.build(_info(), params)
        assert _by_uid(handler, "p.shop")


async def test_closing_ends_every_watch_of_every_cluster(tmp_path: Path) -> None:
    async with FakeKubernetesApi() as east:
        secret = _secret("s", remote=east.kubeconfig())
        async with _running(tmp_path, (_SECRETS, secret)) as (fake, _):
            await _until(lambda: fake.watching == 4 and east.watching == 3)
            # Leaving the block closes the handler while both servers still answer.
        await _until(lambda: east.watching == 0)


# ---------------------------------------------------------------- what operators copy


async def test_the_manifest_grants_what_is_asked_for_and_no_more(tmp_path: Path) -> None:
    file = Path(__file__).parents[4] / "deploy/kubernetes/kubernetesenv-rbac.yaml"
    roles = [each for each in yaml.safe_load_all(file.read_text()) if "rules" in each]
    granted = {
        (f"/apis/{group}/v1" if group else "/api/v1")
        + (f"/namespaces/{role['metadata']['namespace']}/" if role["kind"] == "Role" else "/")
        + resource
        for role in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        if rule["verbs"] == ["list", "watch"]
    }
    async with _running(tmp_path) as (fake, _):
        await _until(lambda: len({path for path, _ in fake.requests}) == len(granted))
        assert {path for path, _ in fake.requests} == granted
