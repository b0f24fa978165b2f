"""`remixer knative poke`: what it sends, and what it says that it saw."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator

import pytest

from remixer.testing.knative_autoscaler import KnativeAutoscaler
from remixer.testing.websocket_server import Behaviour
from remixer.wire.knative_stats import encoding_for

pytestmark = pytest.mark.integration

_KEY = "shop/cart-00001"
_SCRIPT = "from remixer.cli.main import run; run()"


@pytest.fixture
async def autoscaler() -> AsyncIterator[KnativeAutoscaler]:
    async with KnativeAutoscaler() as running:
        running.add(_KEY)
        yield running


async def _poke(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _SCRIPT, "knative", "poke", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_a_poke_wakes_and_says_what_was_sent(autoscaler: KnativeAutoscaler) -> None:
    code, out, _ = await _poke(_KEY, "--autoscaler", autoscaler.url)
    assert code == 0
    assert autoscaler.desired(_KEY) == 1
    assert f"connected to {autoscaler.url} in " in out
    assert "sent 1 message(s), 56 bytes" in out
    assert "closed by this command" in out
    assert "the service's?" in out
    await autoscaler.until(lambda: autoscaler.server.closes == [1000])


async def test_a_hold_tells_every_second_and_zero_at_the_end(
    autoscaler: KnativeAutoscaler,
) -> None:
    code, out, _ = await _poke(
        *(_KEY, "--autoscaler", autoscaler.url, "--hold", "1.2", "--output", "json")
    )
    document = json.loads(out)
    assert (code, document["messages"], document["connected"]) == (0, 3, True)
    assert [each.concurrency for each in autoscaler.stats_of(_KEY)] == [1.0, 1.0, 0.0]


async def test_the_encoding_is_the_one_that_was_asked_for() -> None:
    async with KnativeAutoscaler(encoding=encoding_for("gob", release="0.5")) as autoscaler:
        autoscaler.add(_KEY)
        arguments = ("--encoding", "gob", "--release", "0.5")
        code, out, _ = await _poke(_KEY, "--autoscaler", autoscaler.url, *arguments)
        assert (code, autoscaler.desired(_KEY)) == (0, 1)
        assert "as gob 0.5" in out
        assert autoscaler.stats_of(_KEY)[0].time_ns is not None


@pytest.mark.parametrize(
    ("behaviour", "hint"),
    [
        (Behaviour.OK, "bucket"),
        (Behaviour.BAD_REQUEST, "proxy"),
        (Behaviour.FORBIDDEN, "Origin"),
        (Behaviour.NOT_FOUND, "8080"),
    ],
)
async def test_an_answer_that_is_no_upgrade_is_told_with_a_hint(
    autoscaler: KnativeAutoscaler, behaviour: Behaviour, hint: str
) -> None:
    autoscaler.server.behaviour = behaviour
    code, out, _ = await _poke(_KEY, "--autoscaler", autoscaler.url)
    assert code == 4
    assert f"HTTP status {behaviour.value}" in out
    assert hint in out


async def test_nobody_there_is_told(autoscaler: KnativeAutoscaler) -> None:
    await autoscaler.server.stop()
    code, out, _ = await _poke(_KEY, "--autoscaler", autoscaler.url, "--output", "json")
    assert code == 3
    assert json.loads(out)["error"].startswith(autoscaler.url)


async def test_an_autoscaler_that_goes_away_is_told(autoscaler: KnativeAutoscaler) -> None:
    async with asyncio.TaskGroup() as group:
        poking = group.create_task(_poke(_KEY, "--autoscaler", autoscaler.url, "--hold", "60"))
        await autoscaler.until(lambda: autoscaler.messages == 1, within_s=60)
        await autoscaler.server.stop()
    code, out, _ = poking.result()
    assert code == 3
    assert "closed by the autoscaler: 1012 Restarting" in out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("cart", "--autoscaler", "ws://a:1"), "error: `cart` has no namespace"),
        (("shop/*", "--autoscaler", "ws://a:1"), "no name that Kubernetes takes"),
        ((_KEY, "--autoscaler", "http://a:1"), "no websocket address"),
        ((_KEY, "--autoscaler", "ws://a:1", "--encoding", "gob", "--release", "9.9"), "9.9"),
    ],
)
async def test_a_command_line_of_no_use_is_told(arguments: tuple[str, ...], reason: str) -> None:
    code, _, err = await _poke(*arguments)
    assert code == 2
    assert reason in err
