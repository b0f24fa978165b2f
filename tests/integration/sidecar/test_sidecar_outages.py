"""Mixers that go away, come back, are late, and lie: what the sidecar answers meanwhile."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from remixer.cli.demo.polling import until
from remixer.foundation.clock import SystemClock
from remixer.foundation.status import OK, Code
from remixer.mixer.outcome import CheckOutcome
from remixer.testing.http2_client import (
    Flag,
    Frame,
    FrameReader,
    FrameType,
    frame_bytes,
    message_bytes,
)
from remixer.testing.http2_fields import FieldReader, literal
from remixer.testing.mixer_client import MixerCaller, mixer_caller, traffic
from remixer.transport.own_server import own_servers
from remixer.transport.port import CallContext, Listener, RpcError, TransportLimits, UnaryMethod
from remixer.wire.client_codec import CHECK_PATH, REPORT_PATH

pytestmark = pytest.mark.integration

PATIENCE_S = 60.0
HOT = [f"/{kind}/hot/{number}" for kind in ("deny", "open") for number in range(20)]


async def check_at(place: Any, path: str) -> CheckOutcome:
    async with mixer_caller(f"unix:{place.socket}") as caller:
        return await caller.check({"request.path": path})


# ------------------------------------------------------------ gone, and back again


@dataclass(slots=True)
class Judge:
    """Asks about paths that are remembered and new ones, and tells what must not be answered.

    Always: what is remembered. `closed`: nothing new that a rule denies passes. `open`: nothing new
    that no rule denies is refused. While a Mixer can be reached: every answer is what its rules say.
    """

    is_open: bool
    is_reachable: bool = True
    number: int = 0
    seen: Counter[str] = field(default_factory=Counter)

    async def ask(self, caller: MixerCaller) -> str:
        self.number += 1
        was_reachable = self.is_reachable
        is_hot = self.number % 4 != 0
        path = HOT[self.number % len(HOT)] if is_hot else self._new_path()
        outcome = await caller.check({"request.path": path})
        is_denied = path.startswith("/deny")
        is_sure = is_hot or (was_reachable and self.is_reachable)
        is_right = outcome.status.is_ok is not is_denied
        if is_right:
            kind = "right"
        elif is_sure or outcome.status.is_ok is not self.is_open:
            kind = "WRONG"
        else:
            kind = "by failure policy"
        self.seen[f"{'remembered' if is_hot else 'new'}, {kind}"] += 1
        return "" if kind != "WRONG" else f"{path}: {outcome.status}"

    def _new_path(self) -> str:
        kind = "deny" if self.number % 8 else "open"
        return f"/{kind}/new/{self.number}"


@pytest.mark.parametrize("failure", ["open", "closed"])
async def test_no_answer_is_wrong_while_the_mixer_is_killed_and_comes_back(
    place: Any, failure: str
) -> None:
    mixer = place.mixer()
    sidecar = place.sidecar("--failure", failure, "--timeout", "5s")
    judge = Judge(is_open=failure == "open")
    async with mixer_caller(f"unix:{place.socket}") as caller:
        for path in HOT:
            await caller.check({"request.path": path})

    async def is_back() -> bool | None:
        """Several new questions in a row get the rules' answers."""
        paths = [f"/deny/back/{judge.number}/{number}" for number in range(5)]
        codes = {(await check_at(place, path)).status.code for path in paths}
        return codes == {Code.PERMISSION_DENIED} or None

    async with traffic(f"unix:{place.socket}", judge.ask, clients=4) as running:
        await running.more(300)
        judge.is_reachable = False
        mixer.process.kill()
        assert await mixer.ended() != 0
        await running.more(300)
        await asyncio.to_thread(place.mixer)
        await until(is_back, within_s=PATIENCE_S)
        judge.is_reachable = True
        await running.more(300)
    stale = await sidecar.metric("remixer_client_check_stale_answers_total")
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(judge.seen.items()))
    print(f"\nkilled, failure {failure}: {told}; {stale:.0f} stale; {len(running.wrong)} wrong")
    assert running.wrong == []
    assert judge.seen["new, by failure policy"] > 0
    assert judge.seen["remembered, right"] > 500


async def test_memory_answers_when_its_time_has_passed_and_nobody_else_does(place: Any) -> None:
    mixer = place.mixer()
    flags = ("--failure", "open", "--timeout", "5s", "--cache-max-age", "0.2s")
    place.sidecar(*flags)
    assert not (await check_at(place, "/deny")).status.is_ok
    mixer.process.kill()
    assert await mixer.ended() != 0
    await asyncio.sleep(0.3)  # its time is over
    assert not (await check_at(place, "/deny")).status.is_ok
    assert (await check_at(place, "/deny/new")).status.is_ok


# ------------------------------------------------------------ Mixers that are no good

Decide = Callable[[bytes], Awaitable[bytes]]


@asynccontextmanager
async def bad_mixer(place: Any, decide: Decide) -> AsyncIterator[None]:
    """Serves Mixer's protocol by a function over bytes, where a good one will be later."""

    def check(request: bytes, _call: CallContext) -> Awaitable[bytes]:
        return decide(request)

    server = own_servers(clock=SystemClock())(
        methods=(UnaryMethod(CHECK_PATH, check), UnaryMethod(REPORT_PATH, check)),
        listeners=[Listener(place.address_of())],
        limits=TransportLimits(),
    )
    await server.start()
    try:
        yield
    finally:
        await server.drain(grace_s=0)


async def late(_request: bytes) -> bytes:
    await asyncio.sleep(PATIENCE_S)
    return b""


async def empty(_request: bytes) -> bytes:
    return b""


async def garbage(_request: bytes) -> bytes:
    return b"\xff" * 1_000


async def large(_request: bytes) -> bytes:
    return b"\0" * (5 << 20)


async def broken(_request: bytes) -> bytes:
    raise RpcError(Code.INTERNAL, "broken")


BAD = [late, empty, garbage, large, broken]


@pytest.mark.parametrize("decide", BAD, ids=lambda each: each.__name__)
async def test_bad_answers_are_failures(place: Any, decide: Decide) -> None:
    sidecar = place.sidecar("--failure", "open", "--timeout", "0.2s")
    async with bad_mixer(place, decide):
        for number in range(5):
            assert (await check_at(place, f"/deny/{number}")).status.is_ok
    assert await sidecar.metric("remixer_client_check_failed_open_total") == 5
    assert await sidecar.metric("remixer_client_remote_call_successes_total") == 0


async def test_after_bad_answers_a_good_mixer_is_asked_again(place: Any) -> None:
    place.sidecar("--failure", "open", "--timeout", "0.2s")
    async with bad_mixer(place, broken):
        for number in range(20):
            assert (await check_at(place, f"/deny/{number}")).status.is_ok
    await good_again(place)


async def good_again(place: Any) -> None:
    await asyncio.to_thread(place.mixer)

    async def denied() -> bool | None:
        return (await check_at(place, "/deny")).status.code == Code.PERMISSION_DENIED or None

    await until(denied, within_s=PATIENCE_S)


ALLOWED_ANSWER = bytes((0x12, 0x00))  # a precondition that says nothing: OK, for this once
ANSWER_HEADERS = literal(":status", "200") + literal("content-type", "application/grpc")
TRAILERS = literal("grpc-status", "0")
ACK = Flag.END_STREAM  # one bit, by kind of frame


NO_SUCH_METHOD = ANSWER_HEADERS + literal("grpc-status", "12")


def frame_of_headers(stream_id: int, block: bytes, *, is_last: bool = False) -> bytes:
    flags = Flag.END_HEADERS | Flag.END_STREAM if is_last else Flag.END_HEADERS
    return frame_bytes(FrameType.HEADERS, block, flags=flags, stream_id=stream_id)


def answer_to(stream_id: int, *, messages: int = 1) -> bytes:
    payload = message_bytes(ALLOWED_ANSWER) * messages
    return (
        frame_of_headers(stream_id, ANSWER_HEADERS)
        + frame_bytes(FrameType.DATA, payload, stream_id=stream_id)
        + frame_of_headers(stream_id, TRAILERS, is_last=True)
    )


async def twice(stream_id: int) -> bytes:
    return answer_to(stream_id) * 2


async def unasked(stream_id: int) -> bytes:
    """Also to calls that nobody made, by clients and by servers."""
    return answer_to(stream_id + 1_000) + answer_to(2) + answer_to(stream_id)


async def two_messages(stream_id: int) -> bytes:
    return answer_to(stream_id, messages=2)


@dataclass(slots=True)
class LyingPeer:
    """Answers every check, on the level of HTTP/2 frames, as `answer` says."""

    answer: Callable[[int], Awaitable[bytes]]
    seen: Counter[str] = field(default_factory=Counter)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen["connections"] += 1
        self.writers.append(writer)
        writer.write(frame_bytes(FrameType.SETTINGS))
        await reader.readexactly(24)  # the preface
        frames, fields = FrameReader(), FieldReader()
        checks: set[int] = set()
        while octets := await reader.read(1 << 16):
            for frame in frames.feed(octets):
                writer.write(self.greeting_to(frame, fields, checks))
                if frame.kind == FrameType.DATA and frame.stream_id in checks:
                    self.seen["calls"] += 1
                    writer.write(await self.answer(frame.stream_id))

    def greeting_to(self, frame: Frame, fields: FieldReader, checks: set[int]) -> bytes:
        """What any server sends. It has one method."""
        if frame.kind == FrameType.HEADERS:
            if (":path", CHECK_PATH) not in fields.read(frame.payload):
                return frame_of_headers(frame.stream_id, NO_SUCH_METHOD, is_last=True)
            checks.add(frame.stream_id)
        elif frame.kind in {FrameType.SETTINGS, FrameType.PING} and not frame.flags & ACK:
            payload = frame.payload if frame.kind == FrameType.PING else b""
            return frame_bytes(frame.kind, payload, flags=ACK)
        return b""

    @asynccontextmanager
    async def listening(self, path: str) -> AsyncIterator[None]:
        server = await asyncio.start_unix_server(self.talk, path)
        try:
            yield
        finally:
            server.close()
            for writer in self.writers:
                writer.transport.abort()
                with suppress(ConnectionError):
                    await writer.wait_closed()


@pytest.mark.parametrize("answer", [twice, unasked, two_messages], ids=lambda each: each.__name__)
async def test_answers_that_nobody_asked_for_reach_nobody(
    place: Any, answer: Callable[[int], Awaitable[bytes]]
) -> None:
    codes: Counter[str] = Counter()
    peer = LyingPeer(answer)
    async with peer.listening(place.address_of().removeprefix("unix:")):
        flags = ("--failure", "closed", "--timeout", "0.5s", "--cache", "off")
        sidecar = await asyncio.to_thread(place.sidecar, *flags)
        for number in range(10):
            status = (await check_at(place, f"/{number}")).status
            codes["OK" if status == OK else Code(status.code).name] += 1
    print(f"\n{answer.__name__}: {dict(codes)}, {dict(peer.seen)}")
    assert set(codes) <= {"OK", "UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED", "UNIMPLEMENTED"}
    assert peer.seen["calls"] > 0
    assert sidecar.process.poll() is None
