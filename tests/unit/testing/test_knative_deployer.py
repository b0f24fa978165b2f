"""Pods of the laboratory: real processes that come and go as a scaler says."""

import asyncio
from contextlib import suppress

import pytest

from remixer.testing.knative_deployer import Deployer, PodUp

WITHIN_S = 60.0
REVISION = "shop/cart-00001"


class Told:
    """What a deployer told."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.ups: asyncio.Queue[PodUp] = asyncio.Queue()

    def deployer(self) -> Deployer:
        return Deployer(
            pod_start_s=0.0,
            on_start=lambda name: self.events.append(f"start {name}"),
            on_up=self.ups.put_nowait,
            on_down=lambda name: self.events.append(f"down {name}"),
        )

    async def up(self) -> PodUp:
        async with asyncio.timeout(WITHIN_S):
            return await self.ups.get()


async def asked(port: int, extra: bytes = b"") -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET / HTTP/1.1\r\nhost: pod\r\n" + extra + b"\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        return head + await reader.read(1024)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def until_refused(port: int) -> None:
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                await asked(port)
            except (ConnectionError, asyncio.IncompleteReadError):
                return
            await asyncio.sleep(0)


async def test_an_idle_revision_refuses_connections() -> None:
    async with Told().deployer() as deployer:
        port = deployer.reserve(REVISION)
        with pytest.raises(ConnectionRefusedError):
            await asked(port)


async def test_a_pod_answers_at_the_reserved_port_until_it_is_taken_away() -> None:
    told = Told()
    async with told.deployer() as deployer:
        port = deployer.reserve(REVISION)
        deployer.scale(REVISION, 1)
        up = await told.up()
        assert up.revision == REVISION
        assert up.up_at_s > up.started_at_s
        assert b"here I am" in await asked(port)
        deployer.scale(REVISION, 0)
        await until_refused(port)
    assert told.events == [f"start {REVISION}", f"down {REVISION}"]


async def test_a_probe_gets_what_a_queue_proxy_says() -> None:
    told = Told()
    async with told.deployer() as deployer:
        port = deployer.reserve(REVISION)
        deployer.scale(REVISION, 1)
        await told.up()
        assert (await asked(port, b"K-Network-Probe: queue\r\n")).endswith(b"queue")


async def test_every_pod_is_counted_also_those_beyond_need() -> None:
    told = Told()
    async with told.deployer() as deployer:
        deployer.reserve(REVISION)
        deployer.scale(REVISION, 2)
        await told.up()
        deployer.scale(REVISION, 0)
        deployer.scale(REVISION, 1)
        await told.up()
        assert deployer.started == {REVISION: 3}


async def test_no_pod_outlives_its_deployer() -> None:
    told = Told()
    async with told.deployer() as deployer:
        port = deployer.reserve(REVISION)
        deployer.scale(REVISION, 1)
        await told.up()
    with pytest.raises(ConnectionRefusedError):
        await asked(port)
