"""The activator stand-in against a real autoscaler stand-in and real pods."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from remixer.testing.knative_cluster import KnativeCluster

WITHIN_S = 60.0
REVISIONS = ("shop/cart-00001", "shop/pay-00001")


@asynccontextmanager
async def activator(cluster: KnativeCluster) -> AsyncIterator[int]:
    """Its port."""
    settings = {
        "autoscaler": cluster.autoscaler.url,
        "kubernetes": cluster.api.url,
        "namespace": "shop",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "remixer.testing.knative_activator", json.dumps(settings)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(WITHIN_S):
            yield int(await process.stdout.readline())
    finally:
        process.stdin.close()
        await process.wait()


async def asked(port: int, revision: str, body: bytes = b"") -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    namespace, _, name = revision.partition("/")
    head = (
        f"POST / HTTP/1.1\r\nhost: x\r\nknative-serving-namespace: {namespace}\r\n"
        f"knative-serving-revision: {name}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return answer.partition(b"\r\n")[0]


async def test_held_requests_are_answered_by_the_pod_that_one_stat_started() -> None:
    async with KnativeCluster(REVISIONS, pod_start_s=0.05) as cluster, activator(cluster) as port:
        async with asyncio.TaskGroup() as group:
            answers = [
                group.create_task(asked(port, REVISIONS[0], b"x" * 70_000)) for _ in range(20)
            ]
        assert {each.result() for each in answers} == {b"HTTP/1.1 200 OK"}
        story = cluster.story(REVISIONS[0])
        assert story.pods_started == 1
        assert cluster.story(REVISIONS[1]).stats_at_s == ()


async def test_a_request_without_a_revision_is_refused() -> None:
    async with KnativeCluster(REVISIONS, pod_start_s=0.05) as cluster, activator(cluster) as port:
        assert b"400" in await asked(port, "/")


async def test_a_request_outlives_the_autoscaler() -> None:
    async with KnativeCluster(REVISIONS, pod_start_s=0.0) as cluster, activator(cluster) as port:
        await cluster.stop_autoscaler()
        async with asyncio.TaskGroup() as group:
            answer = group.create_task(asked(port, REVISIONS[0]))
            await cluster.start_autoscaler(REVISIONS[:1])
        assert b"200" in answer.result()
        # Nothing was decided yet: what came late is acted upon at a tick, not at once.
        decision = cluster.autoscaler.decisions[0]
        assert (decision.before, decision.was_poked) == (-1, False)
