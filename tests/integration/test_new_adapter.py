"""From `remixer adapter new` to a decision: Remixer calls what it wrote, by the files it wrote."""

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from remixer.adapters import denier
from remixer.attributes.bag import plain_bag
from remixer.attributes.values import Timestamp
from remixer.cli.scaffold.package import ADDRESS, Scaffold, write_package
from remixer.foundation.clock import SystemClock
from remixer.foundation.status import Code, Status
from remixer.mixer.request import CheckRequest, QuotaArgs
from remixer.sdk import AdapterInfo
from remixer.server.settings import Transport
from remixer.templates.instances import BUILTIN_TEMPLATES
from remixer.templates.schema import Variety
from remixer.testing.engine import RunningEngine, running_engine
from remixer.testing.served_adapter import served

TEMPLATES = {each.name: each for each in BUILTIN_TEMPLATES}
CHECKS = sorted(name for name, each in TEMPLATES.items() if each.variety is Variety.CHECK)
REPORTS = sorted(name for name, each in TEMPLATES.items() if each.variety is Variety.REPORT)
BAG = plain_bag(
    {
        "destination.namespace": "shop",
        "context.reporter.kind": "inbound",
        "request.path": "/cart",
        "request.time": Timestamp(1_622_505_600_000_000_000),
        "source.ip": b"\x0a\x00\x00\x01",
    }
)
PATIENCE_S = 60.0


@contextmanager
def new_package(template: str, folder: Path) -> Iterator[tuple[AdapterInfo[Any], Path]]:
    """The adapter of a package that was just written, and the package."""
    package, _ = write_package(Scaffold("geo", TEMPLATES[template], in_process=False), folder)
    name = f"geo_{template}_adapter"
    spec = importlib.util.spec_from_file_location(name, package / "geo" / "adapter.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
        yield module.INFO, package
    finally:
        del sys.modules[name]


def resources(package: Path, address: str) -> dict[str, str]:
    """The package's own files, at the address where it is served now."""
    attributes = files("remixer.config") / "defaults" / "attributes.yaml"
    found = {each.name: each.read_text() for each in (package / "resources").iterdir()}
    assert ADDRESS in found["handler.yaml"]
    found["handler.yaml"] = found["handler.yaml"].replace(ADDRESS, address)
    return {**found, "attributes.yaml": attributes.read_text()}


@asynccontextmanager
async def calling(
    info: AdapterInfo[Any],
    package: Path,
    *,
    transport: Transport = Transport.GRPCIO,
    edit: Callable[[dict[str, str]], None] = lambda _files: None,
) -> AsyncIterator[RunningEngine]:
    """Remixer with the package's resources, and the package's adapter on a port."""
    async with served(info, transport=transport) as adapter:
        texts = resources(package, adapter.address)
        edit(texts)
        async with running_engine(
            texts, adapters=[], clock=SystemClock(), adapter_timeout_s=PATIENCE_S
        ) as running:
            assert running.engine.generation.snapshot.problems == ()
            yield running


@pytest.mark.parametrize("transport", list(Transport), ids=lambda each: each.value)
@pytest.mark.parametrize("template", CHECKS)
async def test_a_check_is_decided_by_the_new_adapter(
    tmp_path: Path, template: str, transport: Transport
) -> None:
    with new_package(template, tmp_path) as (info, package):
        async with calling(info, package, transport=transport) as running:
            outcome = await running.engine.check(CheckRequest(bag=BAG))
    assert outcome.status.code == Code.PERMISSION_DENIED
    assert outcome.status.message.endswith("closed (geo.instance.shop)")
    assert (outcome.valid_duration, outcome.valid_use_count) == (5_000_000_000, 1000)


async def test_a_quota_is_granted_by_the_new_adapter(tmp_path: Path) -> None:
    with new_package("quota", tmp_path) as (info, package):
        async with calling(info, package) as running:
            granted = [
                (
                    await running.engine.check(
                        CheckRequest(bag=BAG, quotas={"geo": QuotaArgs(amount, best_effort=False)})
                    )
                )
                .quotas["geo"]
                .granted
                for amount in (3, 4)
            ]
    assert granted == [3, 0]


class Counted(list[object]):
    """Instances that the adapter was told of, and whoever waits for them."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived = asyncio.Event()


def counting(info: AdapterInfo[Any], counted: Counted) -> AdapterInfo[Any]:
    """The same adapter, listened to."""

    async def build(*arguments: Any) -> Any:
        handler = await info.build(*arguments)
        report = handler.report

        def heard(instances: Any) -> None:
            report(instances)
            counted.extend(instances)
            counted.arrived.set()

        handler.report = heard
        return handler

    return AdapterInfo(
        info.name, info.description, info.templates, info.defaults, build, info.validate
    )


@pytest.mark.parametrize("template", REPORTS)
async def test_a_report_reaches_the_new_adapter(tmp_path: Path, template: str) -> None:
    counted = Counted()
    with new_package(template, tmp_path) as (info, package):
        async with calling(counting(info, counted), package) as running:
            running.engine.report([BAG, BAG])
            async with asyncio.timeout(PATIENCE_S):
                await counted.arrived.wait()
    assert [type(each) for each in counted] == [TEMPLATES[template].message.carrier] * 2
    assert {getattr(each, "name") for each in counted} == {"geo.instance.shop"}  # noqa: B009 - any carrier


SECOND_RULE = """\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: gate, namespace: shop}
spec:
  compiledAdapter: denier
  params: {status: {code: 7, message: found it}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: nothing, namespace: shop}
spec: {compiledTemplate: checknothing}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: second, namespace: shop}
spec:
  match: source.name == "found"
  actions: [{handler: gate, instances: [nothing]}]
"""


async def test_generated_attributes_are_there_for_other_rules(tmp_path: Path) -> None:

    with new_package("kubernetes", tmp_path) as (info, package):
        async with served(info) as adapter:
            texts: Mapping[str, str] = {
                **resources(package, adapter.address),
                "second.yaml": SECOND_RULE,
            }
            async with running_engine(
                texts,
                adapters=[denier.INFO],
                clock=SystemClock(),
                adapter_timeout_s=PATIENCE_S,
            ) as running:
                assert running.engine.generation.snapshot.problems == ()
                outcome = await running.engine.check(CheckRequest(bag=BAG))
    assert outcome.status == Status(Code.PERMISSION_DENIED, "gate.shop:found it")


async def test_changed_parameters_reach_the_adapter_with_the_next_call(tmp_path: Path) -> None:
    with new_package("checknothing", tmp_path) as (info, package):
        async with served(info) as adapter:
            texts = resources(package, adapter.address)
            async with running_engine(
                texts, adapters=[], clock=SystemClock(), adapter_timeout_s=PATIENCE_S
            ) as running:
                before = await running.engine.check(CheckRequest(bag=BAG))
                texts["handler.yaml"] = texts["handler.yaml"].replace("closed", "shut")
                await running.apply(texts)
                after = await running.engine.check(CheckRequest(bag=BAG))
    assert "closed" in before.status.message
    assert "shut" in after.status.message
