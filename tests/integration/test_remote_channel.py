"""Calling a back end that has many addresses, dies, hangs, refuses, and comes back."""

import asyncio
import logging
import re
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc import aio

from remixer.foundation.breaker import BreakerLimits, BreakerState
from remixer.foundation.clock import Clock, SystemClock
from remixer.foundation.status import Code
from remixer.testing.clock import VirtualClock
from remixer.testing.http import FakeHttpClient
from remixer.testing.ports import KeptPort
from remixer.transport.remote_channel import ChannelLimits, GrpcRemoteChannel, open_remote_channel
from remixer.transport.remote_port import RemoteSetupError, RpcFailed
from remixer.transport.remote_resolver import ResolutionLimits, ResolveFailed
from remixer.transport.remote_spec import ConnectionSpec
from remixer.transport.remote_subchannel import WireLimits

pytestmark = pytest.mark.integration

SOON = ResolutionLimits(period_s=0.05, soonest_s=0.01)
NEVER_OPEN = BreakerLimits(failures_in_a_row=10**6, calls_in_window=10**6)
TIMEOUT_S = 60.0


class BackEnd(grpc.GenericRpcHandler):
    """A gRPC server without a schema: the last part of the path says what it does."""

    def __init__(self) -> None:
        self.server = aio.server()
        self.server.add_generic_rpc_handlers((self,))
        self.calls = 0
        self.refuses = False
        self.seen: list[tuple[float, str]] = []
        """Time left and authority."""
        self.released = asyncio.Event()
        self.reached = asyncio.Event()

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes]":
        kind = handler_call_details.method.rpartition("/")[2]

        async def serve(request: bytes, context: "aio.ServicerContext[bytes, bytes]") -> bytes:
            self.calls += 1
            self.seen.append((context.time_remaining() or 0.0, context.peer()))
            self.reached.set()
            if self.refuses:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
            if kind == "Hang":
                await self.released.wait()
            if kind == "Flood":
                return bytes(int(request))
            if kind.startswith("Fail"):
                code = next(
                    each
                    for each in grpc.StatusCode
                    if each.value[0] == int(kind.removeprefix("Fail"))
                )
                await context.abort(code, "as asked")
            return request

        return grpc.unary_unary_rpc_method_handler(serve)

    async def start(self, place: str = "127.0.0.1:0") -> str:
        """Listen; HOST:PORT."""
        port = self.server.add_insecure_port(place)
        await self.server.start()
        return place if place.startswith("unix:") else f"{place.rpartition(':')[0]}:{port}"


class Names:
    """A resolver whose answers the test sets."""

    is_fixed = False

    def __init__(self, *addresses: str) -> None:
        self.addresses: Sequence[str] | None = addresses
        self.asked = 0

    async def resolve(self) -> tuple[str, ...]:
        self.asked += 1
        if self.addresses is None:
            message = "adapter.test cannot be resolved (nobody is there)"
            raise ResolveFailed(message)
        return tuple(self.addresses)


class Tasks:
    """Runs background work in the test's own group."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group

    def spawn(self, work: Coroutine[object, None, None], *, name: str) -> None:
        self._group.create_task(work, name=name)


@asynccontextmanager
async def back_ends(*places: str) -> AsyncIterator[list[tuple[BackEnd, str]]]:
    servers = [BackEnd() for _ in places]
    try:
        yield [
            (server, await server.start(place))
            for server, place in zip(servers, places, strict=True)
        ]
    finally:
        for server in servers:
            server.released.set()
            await server.server.stop(0)


@asynccontextmanager
async def channel(
    address: str = "adapter.test:1",
    *,
    names: Names | None = None,
    timeout_s: float | None = None,
    limits: ChannelLimits | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[GrpcRemoteChannel]:
    async with asyncio.TaskGroup() as group:
        options = {} if names is None else {"resolver_of": lambda _: names}
        opened = await open_remote_channel(
            ConnectionSpec(address, timeout_s),
            clock=clock or SystemClock(),
            tasks=Tasks(group),
            http=FakeHttpClient(),
            limits=limits or ChannelLimits(resolution=SOON, wire=WireLimits(first_backoff_s=0.05)),
            **options,
        )
        try:
            yield opened
        finally:
            await opened.aclose()


async def call(
    on: GrpcRemoteChannel,
    method: str = "Echo",
    request: bytes = b"hello",
    *,
    timeout_s: float = TIMEOUT_S,
    is_safe: bool = False,
) -> bytes:
    return await on.unary(
        f"/pkg.Service/{method}", request, timeout_s=timeout_s, is_safe_to_retry=is_safe
    )


async def failure(on: GrpcRemoteChannel, method: str = "Echo", **options: object) -> RpcFailed:
    with pytest.raises(RpcFailed) as caught:
        await call(on, method, **options)  # type: ignore[arg-type] # passed on as they came
    return caught.value


def breaker_of(channel: GrpcRemoteChannel) -> BreakerState:
    """As it is now: it may have moved since it was asked for last."""
    return channel.status.breaker


async def until_ready(on: GrpcRemoteChannel, count: int) -> None:
    """Until so many addresses are connected."""
    await until(lambda: on.status.ready == count)


async def until(holds: Callable[[], bool]) -> None:
    """The background work of a channel tells nobody when it did something."""
    async with asyncio.timeout(TIMEOUT_S):
        while not holds():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.005)


def target(address: str) -> str:
    return f"ipv6:{address}" if address.startswith("[") else f"ipv4:{address}"


@pytest.fixture
def nowhere() -> Iterator[KeptPort]:
    """Where nobody listens."""
    with KeptPort() as port:
        yield port


# ------------------------------------------------------------------ addresses


async def test_every_address_of_a_name_gets_its_share() -> None:
    async with back_ends("127.0.0.1:0", "127.0.0.2:0", "[::1]:0") as servers:
        names = Names(*(target(address) for _, address in servers))
        async with channel(names=names) as on:
            await until_ready(on, 3)
            for _ in range(30):
                await call(on)
            assert [server.calls for server, _ in servers] == [10, 10, 10]


async def test_addresses_that_appear_are_used_and_vanished_ones_are_not() -> None:
    async with back_ends("127.0.0.1:0", "127.0.0.2:0") as ((old, at_old), (new, at_new)):
        names = Names(target(at_old))
        async with channel(names=names) as on:
            await call(on)
            names.addresses = (target(at_old), target(at_new))
            await until_ready(on, 2)
            await call(on)
            await call(on)
            assert (old.calls, new.calls) == (2, 1)
            names.addresses = (target(at_new),)
            await until_ready(on, 1)
            before = old.calls
            for _ in range(4):
                await call(on)
            assert old.calls == before


async def test_a_call_under_way_survives_that_its_address_vanishes() -> None:
    async with back_ends("127.0.0.1:0", "127.0.0.2:0") as ((old, at_old), (_, at_new)):
        names = Names(target(at_old))
        async with channel(names=names) as on, asyncio.TaskGroup() as group:
            waiting = group.create_task(call(on, "Hang"))
            await old.reached.wait()
            names.addresses = (target(at_new),)
            await until(lambda: on.status.addresses == names.addresses)
            old.released.set()
            assert await waiting == b"hello"


async def test_addresses_found_once_are_used_while_the_name_does_not_resolve() -> None:
    async with back_ends("127.0.0.1:0") as ((server, address),):
        names = Names(target(address))
        async with channel(names=names) as on:
            await call(on)
            names.addresses = None
            asked = names.asked
            await until(lambda: names.asked >= asked + 2)
            await call(on)
            assert server.calls == 2


async def test_a_name_that_never_resolved_fails_calls_at_once_and_later_works() -> None:
    names = Names()
    names.addresses = None
    async with back_ends("127.0.0.1:0") as ((_, address),), channel(names=names) as on:
        failed = await failure(on)
        assert failed.code is Code.UNAVAILABLE
        assert "adapter.test:1: adapter.test cannot be resolved" in failed.message
        names.addresses = (target(address),)
        await until_ready(on, 1)
        assert await call(on) == b"hello"


async def test_a_dead_address_beside_a_living_one_is_not_called(nowhere: KeptPort) -> None:
    async with back_ends("127.0.0.1:0") as ((server, address),):
        names = Names(target(nowhere.address), target(address))
        async with channel(names=names) as on:
            for _ in range(10):
                await call(on)
            assert server.calls == 10


async def test_unix_sockets_and_localhost_are_addresses_too(tmp_path: Path) -> None:
    place = f"unix:{tmp_path}/a.sock"
    async with back_ends(place, "127.0.0.1:0") as ((_, at_socket), (_, at_port)):
        async with channel(at_socket) as on:
            assert await call(on) == b"hello"
        # The machine may know localhost as ::1 too, where nobody listens.
        async with channel(f"localhost:{at_port.rpartition(':')[2]}") as on:
            assert await call(on) == b"hello"


# ------------------------------------------------------------------ trouble


async def test_a_back_end_that_is_away_fails_no_opening_and_is_found_when_it_comes(
    nowhere: KeptPort,
) -> None:
    address = nowhere.address
    limits = ChannelLimits(
        resolution=SOON, wire=WireLimits(first_backoff_s=0.05), breaker=NEVER_OPEN
    )
    async with channel(address, limits=limits) as on:
        failed = await failure(on)
        assert failed.code is Code.UNAVAILABLE
        assert failed.message.startswith(f"{address}: ")
        assert "refused" in failed.message
        async with back_ends(address):
            await until_ready(on, 1)
            assert await call(on) == b"hello"


@pytest.mark.parametrize("health_service", ["", "pkg.Service"])
async def test_why_nobody_can_be_connected_is_told_in_plain_words(
    health_service: str, nowhere: KeptPort
) -> None:
    limits = ChannelLimits(wire=WireLimits(health_service=health_service))
    async with channel(nowhere.address, limits=limits) as on:
        failed = await failure(on)
    at, cause = target(nowhere.address), "nobody listens there (connection refused)"
    assert failed.message == f"{nowhere.address}: cannot connect to {at}: {cause}"


async def test_a_call_that_is_safe_to_retry_goes_to_another_address_when_one_dies() -> None:
    async with back_ends("127.0.0.1:0", "127.0.0.2:0") as ((dying, a), (living, b)):
        names = Names(target(a), target(b))
        async with channel(names=names) as on, asyncio.TaskGroup() as group:
            await until_ready(on, 2)
            waiting = [group.create_task(call(on, "Hang", is_safe=True)) for _ in range(2)]
            await dying.reached.wait()
            await living.reached.wait()
            await dying.server.stop(0)
            living.released.set()
            assert [await each for each in waiting] == [b"hello", b"hello"]
            assert (on.status.counts.retried, on.status.counts.failed) == (1, 0)


@pytest.mark.parametrize("is_safe", [True, False])
async def test_only_absence_is_retried_and_only_if_that_is_safe(is_safe: bool) -> None:  # noqa: FBT001 - a table
    async with back_ends("127.0.0.1:0") as ((server, address),), channel(address) as on:
        for code in Code:
            if code is Code.OK:
                continue
            before = server.calls
            failed = await failure(on, f"Fail{code.value}", is_safe=is_safe)
            assert (failed.code, failed.message) == (code, f"{address}: as asked")
            made = server.calls - before
            assert made == (2 if is_safe and code is Code.UNAVAILABLE else 1), code


async def test_retries_stop_when_most_calls_fail() -> None:
    limits = ChannelLimits(breaker=NEVER_OPEN)
    async with (
        back_ends("127.0.0.1:0") as ((server, address),),
        channel(address, limits=limits) as on,
    ):
        for _ in range(50):
            await failure(on, "Fail14", is_safe=True)
        assert server.calls == 55
        assert on.status.counts.retried == 5


async def test_the_shorter_of_callers_and_connections_time_counts() -> None:
    async with back_ends("127.0.0.1:0") as ((server, address),):
        async with channel(address, timeout_s=40.0) as on:
            await call(on, timeout_s=60.0)
            await call(on, timeout_s=20.0)
            assert 20.1 < server.seen[0][0] <= 40.1
            assert server.seen[1][0] <= 20.1
        async with channel(address, timeout_s=0.05) as on:
            failed = await failure(on, "Hang")
            assert failed.code is Code.DEADLINE_EXCEEDED
            assert re.search(r"no (answer|connection) within 0\.0", failed.message)
            assert (await failure(on, timeout_s=0.0)).code is Code.DEADLINE_EXCEEDED


async def test_an_unresponsive_address_is_passed_over_while_another_answers() -> None:
    limits = ChannelLimits(breaker=NEVER_OPEN)
    async with back_ends("127.0.0.1:0", "127.0.0.2:0") as ((stuck, a), (well, b)):
        names = Names(target(a), target(b))
        # Long enough for the one that answers, on whatever machine; three calls take as long.
        async with channel(names=names, timeout_s=1.0, limits=limits) as on:
            await until_ready(on, 2)
            well.released.set()
            for _ in range(6):
                try:
                    await call(on, "Hang")
                except RpcFailed as error:
                    assert error.code is Code.DEADLINE_EXCEEDED  # noqa: PT017 - every second one
            assert stuck.calls == 3
            for _ in range(6):
                await call(on)
            assert stuck.calls == 3


async def calls(on: GrpcRemoteChannel, count: int) -> list[Code]:
    """So many at once, which a server that hangs does not answer; how each ended."""

    async def one() -> Code:
        try:
            await call(on, "Hang")
        except RpcFailed as error:
            return error.code
        return Code.OK

    return await asyncio.gather(*(one() for _ in range(count)))


async def test_an_address_that_hangs_takes_no_other_with_it_and_is_tried_by_one_call() -> None:
    clock = VirtualClock()
    late = Code.DEADLINE_EXCEEDED
    async with back_ends("127.0.0.1:0", "127.0.0.2:0") as ((stuck, a), (well, b)):
        names = Names(target(a), target(b))
        async with channel(names=names, timeout_s=2.0, clock=clock) as on:
            await until_ready(on, 2)
            well.released.set()
            assert sorted(await calls(on, 16)) == [Code.OK] * 8 + [late] * 8
            for _ in range(2):
                assert await calls(on, 16) == [Code.OK] * 16
            assert breaker_of(on) is BreakerState.CLOSED
            assert stuck.calls == 8
            clock.advance(5.0)
            assert sorted(await calls(on, 16)) == [Code.OK] * 15 + [late]
            stuck.released.set()
            clock.advance(5.0)
            await calls(on, 2)
            assert stuck.calls == 10
            assert await calls(on, 16) == [Code.OK] * 16
            assert stuck.calls == 18


async def test_an_address_that_hangs_keeps_few_calls_before_it_is_known() -> None:
    async with back_ends("127.0.0.1:0", "127.0.0.2:0") as ((stuck, a), (well, b)):
        names = Names(target(a), target(b))
        async with channel(names=names) as on, asyncio.TaskGroup() as group:
            await until_ready(on, 2)
            well.released.set()
            waiting = [group.create_task(call(on, "Hang")) for _ in range(2)]
            await stuck.reached.wait()
            await until(lambda: on.status.calls_under_way == 1)
            for _ in range(20):
                await call(on)
            assert (stuck.calls, well.calls) == (1, 21)
            stuck.released.set()
            assert [await each for each in waiting] == [b"hello", b"hello"]


async def test_an_address_that_refuses_every_call_takes_no_other_with_it() -> None:
    async with back_ends("127.0.0.1:0", "127.0.0.2:0") as ((bad, a), (well, b)):
        names = Names(target(a), target(b))
        async with channel(names=names, clock=VirtualClock()) as on:
            await until_ready(on, 2)
            bad.refuses = True
            well.released.set()
            ends = [*await calls(on, 6), *await calls(on, 20)]
            assert (ends.count(Code.UNAVAILABLE), ends.count(Code.OK)) == (3, 23)
            assert bad.calls == 3
            assert breaker_of(on) is BreakerState.CLOSED


async def test_when_all_addresses_hang_calls_fail_fast_and_each_is_probed_in_turn() -> None:
    clock = VirtualClock()
    async with back_ends("127.0.0.1:0", "127.0.0.2:0") as ((stuck, a), (back, b)):
        names = Names(target(a), target(b))
        async with channel(names=names, timeout_s=1.0, clock=clock) as on:
            await until_ready(on, 2)
            await calls(on, 16)
            assert breaker_of(on) is BreakerState.OPEN
            assert "not called" in (await failure(on)).message
            back.released.set()
            stuck_before = stuck.calls
            for pause_s in (1.0, 2.0):
                clock.advance(pause_s)
                await calls(on, 1)
            assert breaker_of(on) is BreakerState.CLOSED
            assert stuck.calls <= stuck_before + 1
            assert Code.OK in await calls(on, 1)


async def test_breaker_opens_fails_fast_probes_and_closes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = VirtualClock()
    async with (
        back_ends("127.0.0.1:0") as ((server, address),),
        channel(address, clock=clock) as on,
    ):
        with caplog.at_level(logging.INFO):
            for _ in range(5):
                await failure(on, "Fail14")
            assert breaker_of(on) is BreakerState.OPEN
            failed = await failure(on)
            assert failed.code is Code.UNAVAILABLE
            assert failed.message.startswith(f"{address}: not called")
            assert server.calls == 5
            clock.advance(1.0)
            await failure(on, "Fail14")
            clock.advance(1.9)
            assert "0.1 s" in (await failure(on)).message
            clock.advance(0.1)
            assert await call(on) == b"hello"
        assert breaker_of(on) is BreakerState.CLOSED
        assert on.status.counts.refused == 2
        events = [each.msg for each in caplog.records if each.msg.startswith("back_end_b")]
        opened, closed = "back_end_breaker_opened", "back_end_breaker_closed"
        assert events == [opened, opened, closed]


async def test_a_back_end_that_is_back_is_called_at_once(nowhere: KeptPort) -> None:
    clock = VirtualClock()
    async with channel(nowhere.address, clock=clock) as on:
        for _ in range(5):
            assert "refused" in (await failure(on)).message
        assert breaker_of(on) is BreakerState.OPEN
        async with back_ends(nowhere.address):
            await until_ready(on, 1)
            assert await call(on) == b"hello"
        assert breaker_of(on) is BreakerState.CLOSED


async def test_no_probe_is_spent_while_nobody_can_be_connected(
    nowhere: KeptPort, caplog: pytest.LogCaptureFixture
) -> None:
    clock = VirtualClock()
    with caplog.at_level(logging.INFO):
        async with channel(nowhere.address, clock=clock) as on:
            for _ in range(5):
                await failure(on)
            for _ in range(5):
                clock.advance(10.0)
                failed = await failure(on)
                assert failed.code is Code.UNAVAILABLE
                assert failed.message.endswith("tried again when somebody is there")
            assert (on.status.counts.failed, on.status.counts.refused) == (5, 5)
    assert "back_end_probed" not in [each.msg for each in caplog.records]


async def test_clients_with_no_patience_cannot_open_the_breaker() -> None:
    async with back_ends("127.0.0.1:0") as ((_, address),), channel(address) as on:
        await call(on)
        for _ in range(10):
            assert (await failure(on, "Hang", timeout_s=0.01)).code is Code.DEADLINE_EXCEEDED
        assert breaker_of(on) is BreakerState.CLOSED


async def test_a_caller_that_gives_up_is_not_the_back_ends_fault() -> None:
    async with back_ends("127.0.0.1:0") as ((server, address),), channel(address) as on:
        for _ in range(10):
            server.reached.clear()
            async with asyncio.TaskGroup() as group:
                waiting = group.create_task(call(on, "Hang"))
                await server.reached.wait()
                waiting.cancel()
            assert waiting.cancelled()
        assert breaker_of(on) is BreakerState.CLOSED
        assert on.status.calls_under_way == 0


# ------------------------------------------------------------------ limits


async def test_calls_over_the_bound_are_refused_and_others_go_on() -> None:
    limits = ChannelLimits(most_calls=2)
    async with (
        back_ends("127.0.0.1:0") as ((server, address),),
        channel(address, limits=limits) as on,
        asyncio.TaskGroup() as group,
    ):
        waiting = [group.create_task(call(on, "Hang")) for _ in range(2)]
        await server.reached.wait()
        failed = await failure(on)
        assert failed.code is Code.RESOURCE_EXHAUSTED
        assert f"{address}: 2 calls are under way" in failed.message
        server.released.set()
        assert [await each for each in waiting] == [b"hello", b"hello"]
        assert await call(on) == b"hello"


async def test_messages_over_the_bound_are_refused_in_both_directions() -> None:
    limits = ChannelLimits(wire=WireLimits(max_message_bytes=1_000))
    async with (
        back_ends("127.0.0.1:0") as ((server, address),),
        channel(address, limits=limits) as on,
    ):
        assert len(await call(on, "Flood", b"1000")) == 1_000
        assert (await failure(on, "Flood", request=b"1001")).code is Code.RESOURCE_EXHAUSTED
        assert await call(on, "Echo", bytes(1_000)) == bytes(1_000)
        before = server.calls
        assert (await failure(on, request=bytes(1_001))).code is Code.RESOURCE_EXHAUSTED
        assert server.calls == before


async def test_a_peer_that_talks_garbage_fails_the_call_and_nothing_else() -> None:
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 100)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, channel(address) as on:
        assert (await failure(on, is_safe=True)).code is Code.UNAVAILABLE


async def test_a_peer_that_accepts_and_says_nothing_costs_no_more_than_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        async with channel(address) as on:
            assert (await failure(on, timeout_s=0.2)).code is Code.DEADLINE_EXCEEDED


# ------------------------------------------------------------------ end


async def test_calls_under_way_may_end_when_the_channel_closes() -> None:
    async with (
        back_ends("127.0.0.1:0") as ((server, address),),
        asyncio.TaskGroup() as group,
        channel(address) as on,
    ):
        waiting = group.create_task(call(on, "Hang"))
        await server.reached.wait()
        closing = group.create_task(on.aclose())
        await asyncio.sleep(0)
        assert "closed" in (await failure(on)).message
        server.released.set()
        assert await waiting == b"hello"
        await closing


async def test_calls_that_do_not_end_are_cut_after_the_bound() -> None:
    limits = ChannelLimits(close_s=0.05)
    async with (
        back_ends("127.0.0.1:0") as ((server, address),),
        asyncio.TaskGroup() as group,
        channel(address, limits=limits) as on,
    ):
        waiting = group.create_task(failure(on, "Hang"))
        await server.reached.wait()
        await on.aclose()
        assert (await waiting).code is Code.UNAVAILABLE
        await on.aclose()


async def test_calls_fail_at_once_when_the_background_work_was_cancelled() -> None:
    async with back_ends("127.0.0.1:0") as ((_, address),), asyncio.TaskGroup() as group:
        started = []

        class Kept(Tasks):
            def spawn(self, work: Coroutine[object, None, None], *, name: str) -> None:
                started.append(group.create_task(work, name=name))

        on = await open_remote_channel(
            ConnectionSpec(address), clock=SystemClock(), tasks=Kept(group), http=FakeHttpClient()
        )
        assert await call(on) == b"hello"
        waiting = group.create_task(failure(on, "Hang"))
        await until(lambda: on.status.calls_under_way == 1)
        started[0].cancel()
        assert (await waiting).code is Code.UNAVAILABLE
        assert "the connection is closed" in (await failure(on)).message
        await on.aclose()


async def test_a_connection_that_cannot_be_is_refused_at_opening() -> None:
    async with asyncio.TaskGroup() as group:
        with pytest.raises(
            RemoteSetupError, match=r"connection\.address `nowhere` is not HOST:PORT"
        ):
            await open_remote_channel(
                ConnectionSpec("nowhere"),
                clock=SystemClock(),
                tasks=Tasks(group),
                http=FakeHttpClient(),
            )
