"""`kactivator` as a process of its own, called by files that were published for Mixer 1.3."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from remixer.adapters.kactivator import INFO
from remixer.attributes.bag import plain_bag
from remixer.cli.adapter_kactivator import Wanted, kactivator_info
from remixer.cli.exits import OperatorError
from remixer.mixer.request import CheckRequest
from remixer.sdk import Action, Authorization
from remixer.server.adapter_server import templates_of
from remixer.testing.knative_autoscaler import KnativeAutoscaler
from remixer.testing.served_adapter import ServedAdapter, served
from remixer.wire.knative_stats import encoding_for

pytestmark = pytest.mark.integration

_FOLDER = Path(__file__).parents[3] / "examples" / "kactivator"
_KEY = "shop/cart-00001"
_ENDPOINT = "ws://autoscaler.knative-serving.svc.cluster.local:8080"
_REQUEST = Authorization("i", action=Action("shop", "cart-00001-priv"))


@pytest.fixture
async def autoscaler() -> AsyncIterator[KnativeAutoscaler]:
    async with KnativeAutoscaler() as running:
        running.add(_KEY)
        yield running


def _published(address: str, autoscaler: str) -> str:
    vocabulary = (files("remixer.config") / "defaults" / "attributes.yaml").read_text()
    texts = [path.read_text() for path in sorted(_FOLDER.glob("*.yaml"))]
    joined = "\n---\n".join([vocabulary, *texts])
    return joined.replace("[::1]:42059", address).replace(_ENDPOINT, autoscaler)


async def test_published_resources_load_unchanged_and_wake(
    run: Any, autoscaler: KnativeAutoscaler
) -> None:
    async with served(INFO) as adapter:
        running = await run(_published(adapter.address, autoscaler.url))
        assert not running.engine.generation.snapshot.problems
        attributes: dict[str, str | dict[str, str]] = {
            "destination.service.host": "cart-00001-priv.shop.svc.cluster.local"
        }
        outcome = await running.engine.check(CheckRequest(bag=plain_bag({**attributes})))
        assert outcome.status.is_ok
        assert 0 < outcome.valid_duration <= 1_000_000_000
        await autoscaler.until_desired(_KEY, 1)


async def test_a_handler_s_own_endpoint_counts_more_than_the_flag(
    autoscaler: KnativeAutoscaler,
) -> None:
    info = kactivator_info(Wanted("ws://127.0.0.1:9", "protobuf"))
    async with served(info) as adapter:
        verdict = await adapter.check(_REQUEST, {"autoscaler_endpoint": autoscaler.url})
        assert verdict.status.is_ok
        await autoscaler.until_desired(_KEY, 1)


async def test_without_parameters_the_flags_count() -> None:
    async with KnativeAutoscaler(encoding=encoding_for("gob", release="0.8")) as autoscaler:
        autoscaler.add(_KEY)
        info = kactivator_info(Wanted(autoscaler.url, "gob", release="0.8", pod_name="wake-0"))
        async with served(info) as adapter:
            await adapter.check(_REQUEST)
            await autoscaler.until_desired(_KEY, 1)
    assert autoscaler.stats_of(_KEY)[0].pod_name == "activator-wake-0"


def test_flags_that_cannot_be_used_are_told() -> None:
    with pytest.raises(OperatorError, match="autoscaler_endpoint"):
        kactivator_info(Wanted("http://a:1", "protobuf"))
    with pytest.raises(OperatorError, match="readiness"):
        kactivator_info(Wanted("ws://a:1", "protobuf", mode="hold"))


@contextmanager
def _process(*arguments: str, **environment: str) -> Iterator[str]:
    """The command on any port; its address. It must end well."""
    command = [sys.executable, "-c", "from remixer.cli.main import run; run()"]
    process = subprocess.Popen(  # noqa: S603 - our own command
        [*command, "adapter", "kactivator", *arguments, "--log-format", "json"],
        env={**os.environ, **environment},  # noqa: TID251 - handed on to a child
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        seen = ""
        for line in process.stderr:
            seen += line
            if found := re.search(r'"grpc": ?"([^"]+)"', line):
                yield found[1]
                break
        else:
            pytest.fail(seen)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("variables", [{"POD_NAME": "wake-1"}, {"MY_POD_NAME": "wake-1"}], ids=min)
async def test_port_and_environment_are_the_original_s(
    autoscaler: KnativeAutoscaler, variables: dict[str, str]
) -> None:
    with _process("0", AUTOSCALER_ENDPOINT=autoscaler.url, **variables) as address:
        host, _, port = address.rpartition(":")
        assert host == "0.0.0.0"  # noqa: S104 - as the original: all interfaces
        adapter = ServedAdapter(f"127.0.0.1:{port}", templates_of(INFO))
        try:
            assert (await adapter.check(_REQUEST)).status.is_ok
            await autoscaler.until_desired(_KEY, 1, within_s=60)
        finally:
            await adapter.aclose()
    assert autoscaler.stats_of(_KEY)[0].pod_name == "activator-wake-1"


def test_a_certificate_without_the_rest_is_no_start() -> None:
    result = subprocess.run(
        [sys.executable, "-c", "from remixer.cli.main import run; run()", "adapter", "kactivator"],
        env={**os.environ, "GRPC_ADAPTER_CREDENTIAL": "/nowhere/cert.pem"},  # noqa: TID251 - idem
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 2
    assert "--tls-key" in result.stderr
