"""A check that another process decides, against a bare grpcio client call of the same size.

    python -m bench.out_of_process

Both go over loopback to one back end in a process of its own, so that the CPU time of this process
is the caller's alone. Rounds alternate, so that a busy machine slows both.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

import grpc
from grpc import aio

from bench.measure import Figure, Row
from remixer.attributes.bag import plain_bag
from remixer.foundation.clock import SystemClock
from remixer.foundation.deadline import Deadline
from remixer.mixer.request import CheckRequest
from remixer.templates.instances import BUILTIN_TEMPLATES
from remixer.testing.engine import running_engine
from remixer.testing.remote_texts import (
    adapter_resource,
    params_descriptor_set,
    remote_handler,
    remote_instance,
    template_resource,
)
from remixer.testing.texts import action, rule
from remixer.wire.adapter_calls import config_field, handle_request
from remixer.wire.adapter_model import handle_path
from remixer.wire.field_bytes import length_delimited

PATH = handle_path("authorization", "Authorization")
ANSWER = bytes.fromhex("120308f001")  # valid for 240 s
ROUNDS = 7
CALLS = 1_000
AT_ONCE = 16
"""Calls under way together: what a proxy with a few streams asks."""
GOAL = 1.5
DEADLINE_S = 5.0

ATTRIBUTES = {
    "user": "ann",
    "namespace": "shop",
    "host": "cart.shop.svc.cluster.local",
    "path": "/items/17",
    "method": "GET",
}
PARAMS = "autoscaler_endpoint: 'ws://autoscaler.knative-serving.svc.cluster.local:8080'"


def policy(address: str, told: Mapping[str, str] | None = None) -> str:
    """An `authorization` adapter behind resources, asked about everything.

    `told`: an expression for each of `ATTRIBUTES`; None: attributes of these names.
    """
    authorization = next(each for each in BUILTIN_TEMPLATES if each.name == "authorization")
    manifest = ""
    if told is None:
        told = {name: name for name in ATTRIBUTES}
        declared = ", ".join(f"{name}: {{valueType: STRING}}" for name in ATTRIBUTES)
        manifest = (
            "kind: attributemanifest\nmetadata: {name: words, namespace: istio-system}\n"
            f"spec: {{attributes: {{{declared}}}}}\n---\n"
        )
    return "".join(
        (
            manifest,
            template_resource("authorization", authorization),
            adapter_resource(
                "remote",
                "authorization",
                config=params_descriptor_set("config.bench", autoscaler_endpoint="string"),
            ),
            remote_handler("h", "remote", address, PARAMS),
            remote_instance(
                "i",
                "authorization",
                f"subject: {{user: {told['user']}}}, action: {{namespace: {told['namespace']}, "
                f"service: {told['host']}, path: {told['path']}, method: {told['method']}}}",
            ),
            rule("r", action("h", "i"), namespace="istio-system"),
        )
    )


def rows() -> list[Row]:
    """Both kinds of call."""
    return asyncio.run(_rows())


async def _rows() -> list[Row]:
    with back_end() as address:
        async with checks(address) as (check, request), bare_calls(address, request) as call:
            await _round(check)
            await _round(call)
            samples: tuple[list[float], list[float]] = ([], [])
            for _ in range(ROUNDS):
                samples[0].append(await _round(call))
                samples[1].append(await _round(check))
    bare, ours = Figure.of(samples[0]), Figure.of(samples[1])
    size = len(request)
    return [
        Row(f"bare grpcio asyncio call, {size} bytes over loopback", bare),
        Row("out-of-process check over loopback, whole engine", ours, bare.median * GOAL),
    ]


async def _round(call: Callable[[], Awaitable[object]]) -> float:
    """Microseconds of this process's CPU per call."""

    async def caller() -> None:
        for _ in range(CALLS // AT_ONCE):
            await call()

    begun = time.process_time_ns()
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(caller())
    return (time.process_time_ns() - begun) / 1e3 / (CALLS // AT_ONCE * AT_ONCE)


@asynccontextmanager
async def checks(
    address: str,
) -> AsyncIterator[tuple[Callable[[], Awaitable[object]], bytes]]:
    """A check through the engine, and the bytes that it sends."""
    clock = SystemClock()
    bag = plain_bag(ATTRIBUTES)
    async with running_engine(
        {"rules.yaml": policy(address)}, adapters=(), clock=clock, adapter_timeout_s=DEADLINE_S
    ) as running:
        snapshot = running.engine.generation.snapshot
        if snapshot.problems:
            raise SystemExit("\n".join(map(str, snapshot.problems)))
        instance: object = snapshot.rules[0].actions[0].instances[0].build(bag)
        payload: bytes = getattr(instance, "payload", b"")
        endpoint = b"ws://autoscaler.knative-serving.svc.cluster.local:8080"
        config = config_field(
            "type.googleapis.com/config.bench.Params", length_delimited(1, endpoint)
        )

        async def check() -> None:
            deadline = Deadline(clock.monotonic_s() + DEADLINE_S)
            outcome = await running.engine.check(CheckRequest(bag=bag, deadline=deadline))
            assert outcome.valid_duration

        yield check, handle_request(payload, config, str(clock.unix_ns()))


@asynccontextmanager
async def bare_calls(
    address: str, request: bytes
) -> AsyncIterator[Callable[[], Awaitable[object]]]:
    """What a client without any policy would do."""
    async with aio.insecure_channel(address) as channel:
        method: aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(PATH, None, None)

        async def call() -> None:
            assert await method(request, timeout=DEADLINE_S) == ANSWER

        yield call


@contextmanager
def back_end() -> Iterator[str]:
    """A server in a process of its own; gives its address."""
    command = [sys.executable, "-m", "bench.out_of_process", "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own module
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield process.stdout.readline().decode().strip()
        finally:
            process.stdin.close()
            process.wait()


async def serve() -> None:
    """Answers every call alike until standard input ends."""
    server = aio.server()

    async def answer(_request: bytes, _context: object) -> bytes:
        return ANSWER

    service, _, method = PATH.removeprefix("/").partition("/")
    handler = grpc.unary_unary_rpc_method_handler(answer)
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(service, {method: handler})]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)


def main() -> None:
    if "--serve" in sys.argv:
        asyncio.run(serve())
        return
    found = rows()
    for row in found:
        print(
            f"{row.name}: {row.figure.median:.1f} µs ({row.figure.minimum:.1f} to "
            f"{row.figure.maximum:.1f})"
        )
    print(f"ratio {found[1].figure.median / found[0].figure.median:.2f}, goal {GOAL}")


if __name__ == "__main__":
    main()
