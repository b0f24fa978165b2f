"""The waiting room: who gets a seat, what ends a hold, and what is left behind."""

import asyncio

import pytest

from remixer.adapters.kactivator.readiness import Revision
from remixer.adapters.kactivator.refusal import CAUSE_HEADER, refusal
from remixer.adapters.kactivator.waiting import ANSWER_MARGIN_S, Held, RoomLimits, WaitingRoom
from remixer.sdk import Code
from remixer.sdk.call_time import set_call_end
from remixer.testing.clock import clock_of_running_loop, in_virtual_time
from remixer.testing.knative import FakeReadiness

CART = Revision("shop", "cart-00001")
STOCK = Revision("shop", "stock-00007")


def room_with(
    readiness: FakeReadiness | None = None, limits: RoomLimits | None = None
) -> WaitingRoom:
    return WaitingRoom(
        readiness=readiness or FakeReadiness(),
        limits=limits or RoomLimits(),
        clock=clock_of_running_loop(),
    )


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@in_virtual_time
async def test_a_revision_that_wakes_up_lets_all_its_requests_go_at_the_same_instant() -> None:
    readiness, clock = FakeReadiness(), clock_of_running_loop()
    room = room_with(readiness)
    gone_at_s: list[float] = []

    async def request() -> Held:
        held = await room.hold(CART)
        gone_at_s.append(clock.monotonic_s())
        return held

    async with asyncio.TaskGroup() as group:
        requests = [group.create_task(request()) for _ in range(200)]
        await asyncio.sleep(3)
        assert room.held_for(CART) == 200
        readiness.wake(CART)
    assert {each.result() for each in requests} == {Held.READY}
    assert set(gone_at_s) == {3.0}
    assert room.requests == 0


@in_virtual_time
async def test_one_revisions_readiness_is_not_anothers() -> None:
    readiness = FakeReadiness()
    room = room_with(readiness)
    async with asyncio.TaskGroup() as group:
        cart = group.create_task(room.hold(CART))
        stock = group.create_task(room.hold(STOCK))
        await settle()
        readiness.wake(STOCK)
        assert await stock is Held.READY
        assert not cart.done()
        assert room.revisions == {CART: 1}
        readiness.wake(CART)


@in_virtual_time
async def test_a_hold_ends_with_the_operators_time() -> None:
    room, clock = room_with(limits=RoomLimits(hold_timeout_s=20.0)), clock_of_running_loop()
    assert await room.hold(CART) is Held.NOT_READY
    assert clock.monotonic_s() == pytest.approx(20.0)
    assert room.counts == {"not-ready": 1}


@in_virtual_time
async def test_a_call_that_ends_sooner_gets_its_answer_before_its_end() -> None:
    room, clock = room_with(limits=RoomLimits(hold_timeout_s=20.0)), clock_of_running_loop()
    set_call_end(5.0)
    assert await room.hold(CART) is Held.NOT_READY
    assert clock.monotonic_s() == pytest.approx(5.0 - ANSWER_MARGIN_S)


@in_virtual_time
async def test_a_call_that_ends_at_once_is_not_held() -> None:
    room = room_with()
    set_call_end(ANSWER_MARGIN_S / 2)
    assert await room.hold(CART) is Held.NOT_READY
    assert clock_of_running_loop().monotonic_s() == 0


@in_virtual_time
async def test_a_pod_that_dies_as_it_becomes_ready_is_waited_for_again() -> None:
    readiness, clock = FakeReadiness(), clock_of_running_loop()
    room = room_with(readiness, RoomLimits(hold_timeout_s=10.0))
    async with asyncio.TaskGroup() as group:
        held = group.create_task(room.hold(CART))
        await asyncio.sleep(2)
        readiness.wake(CART)
        readiness.put_to_sleep(CART)
        await asyncio.sleep(2)
        assert room.held_for(CART) == 1
        readiness.wake(CART)
    assert held.result() is Held.READY
    assert clock.monotonic_s() == pytest.approx(4.0)
    assert room.counts == {"died": 1, "ready": 1}


@in_virtual_time
async def test_dying_again_and_again_does_not_prolong_the_time() -> None:
    readiness, clock = FakeReadiness(), clock_of_running_loop()
    room = room_with(readiness, RoomLimits(hold_timeout_s=10.0))

    async def flap() -> None:
        while True:
            await asyncio.sleep(0.7)
            readiness.wake(CART)
            readiness.put_to_sleep(CART)

    async with asyncio.TaskGroup() as group:
        flapping = group.create_task(flap())
        assert await room.hold(CART) is Held.NOT_READY
        assert clock.monotonic_s() == pytest.approx(10.0)
        flapping.cancel()
    assert room.counts["died"] == 14


@in_virtual_time
async def test_a_cancelled_request_leaves_nothing_behind() -> None:
    readiness = FakeReadiness()
    room = room_with(readiness)
    async with asyncio.TaskGroup() as group:
        requests = [group.create_task(room.hold(CART, size_bytes=1000)) for _ in range(50)]
        await settle()
        for each in requests:
            each.cancel()
    assert (room.requests, room.size_bytes, room.revisions) == (0, 0, {})
    assert readiness.waiting_for(CART) == 0
    assert room.counts == {"cancelled": 50}


@in_virtual_time
async def test_a_cancelled_request_does_not_end_the_others() -> None:
    readiness = FakeReadiness()
    room = room_with(readiness)
    async with asyncio.TaskGroup() as group:
        impatient, patient = (group.create_task(room.hold(CART)) for _ in range(2))
        await settle()
        impatient.cancel()
        await settle()
        assert room.held_for(CART) == 1
        readiness.wake(CART)
    assert patient.result() is Held.READY


@pytest.mark.parametrize(
    ("limits", "seated", "refused", "why"),
    [
        (RoomLimits(most_requests=2), [(CART, 0), (STOCK, 0)], (CART, 0), Held.ROOM_FULL),
        (RoomLimits(most_per_revision=2), [(CART, 0)] * 2, (CART, 0), Held.REVISION_FULL),
        (RoomLimits(most_revisions=1), [(CART, 0)], (STOCK, 0), Held.TOO_MANY_REVISIONS),
        (RoomLimits(most_bytes=100), [(CART, 60)], (STOCK, 41), Held.BYTES_FULL),
    ],
)
def test_who_finds_no_seat_is_told_at_once_why(
    limits: RoomLimits,
    seated: list[tuple[Revision, int]],
    refused: tuple[Revision, int],
    why: Held,
) -> None:
    @in_virtual_time
    async def play() -> None:
        readiness = FakeReadiness()
        room = room_with(readiness, limits)
        async with asyncio.TaskGroup() as group:
            held = [
                group.create_task(room.hold(revision, size_bytes=size)) for revision, size in seated
            ]
            await settle()
            assert room.requests == len(seated)
            assert await room.hold(refused[0], size_bytes=refused[1]) is why
            assert clock_of_running_loop().monotonic_s() == 0
            for revision, _ in seated:
                readiness.wake(revision)
        assert {each.result() for each in held} == {Held.READY}

    play()


@pytest.mark.parametrize(
    ("limits", "seated"),
    [
        (RoomLimits(most_requests=2), [(CART, 0), (STOCK, 0)]),
        (RoomLimits(most_per_revision=2), [(CART, 0)] * 2),
        (RoomLimits(most_revisions=1), [(CART, 0)] * 3),
        (RoomLimits(most_bytes=100), [(CART, 60), (STOCK, 40)]),
    ],
)
def test_the_last_seat_is_given(limits: RoomLimits, seated: list[tuple[Revision, int]]) -> None:
    @in_virtual_time
    async def play() -> None:
        room = room_with(limits=limits)
        async with asyncio.TaskGroup() as group:
            held = [
                group.create_task(room.hold(revision, size_bytes=size)) for revision, size in seated
            ]
            await settle()
            assert room.requests == len(seated)
            for each in held:
                each.cancel()

    play()


@in_virtual_time
async def test_a_seat_that_became_free_is_given_again() -> None:
    room = room_with(limits=RoomLimits(most_requests=1, hold_timeout_s=1.0))
    assert [await room.hold(CART) for _ in range(3)] == [Held.NOT_READY] * 3


@in_virtual_time
async def test_ten_thousand_made_up_hosts_take_no_more_than_their_seats() -> None:
    readiness = FakeReadiness()
    room = room_with(readiness, RoomLimits(most_revisions=100))
    async with asyncio.TaskGroup() as group:
        requests = [
            group.create_task(room.hold(Revision("scan", f"host-{number}")))
            for number in range(10_000)
        ]
        await settle()
        assert len(room.revisions) == 100
        for each in requests:
            each.cancel()
    assert room.counts == {"too-many-revisions": 9_900, "cancelled": 100}
    assert room.revisions == {}


@in_virtual_time
async def test_closing_lets_everybody_go_with_a_refusal() -> None:
    readiness = FakeReadiness()
    room = room_with(readiness)
    async with asyncio.TaskGroup() as group:
        held = group.create_task(room.hold(CART))
        await settle()
        room.close()
        await readiness.aclose()
    assert held.result() is Held.CLOSING
    assert await room.hold(CART) is Held.CLOSING


@in_virtual_time
async def test_a_wake_up_in_the_instant_of_the_deadline_counts() -> None:
    readiness = FakeReadiness()
    room = room_with(readiness, RoomLimits(hold_timeout_s=1.0))

    async def wake() -> None:
        await asyncio.sleep(1.0)
        readiness.wake(CART)

    async with asyncio.TaskGroup() as group:
        group.create_task(wake())
        held = group.create_task(room.hold(CART))
    assert held.result() is Held.READY


class TestRefusals:
    """What the client reads."""

    def test_is_a_503_with_a_cause_and_a_time_to_come_back(self) -> None:
        result = refusal(Held.NOT_READY, CART, retry_after_s=4.2)
        assert result.status.code == Code.UNAVAILABLE
        response = result.direct_response
        assert response is not None
        assert response.code == 503
        assert response.headers["retry-after"] == "5"
        assert response.headers[CAUSE_HEADER] == "not-ready"
        assert response.body == (
            "shop/cart-00001 had no ready endpoint in time; try again in 5 s\n"
        )

    def test_is_never_remembered(self) -> None:
        result = refusal(Held.ROOM_FULL, CART, retry_after_s=1.0)
        assert (result.valid_duration, result.valid_use_count) == (0, 0)

    @pytest.mark.parametrize("held", [each for each in Held if each is not Held.READY])
    def test_says_something_for_every_end(self, held: Held) -> None:
        result = refusal(held, CART, retry_after_s=1.0)
        assert str(CART) in result.status.message
        assert result.direct_response is not None
        assert result.direct_response.headers[CAUSE_HEADER] == held.value

    def test_puts_nothing_into_headers_that_came_from_the_request(self) -> None:
        injected = Revision("shop\r\nset-cookie: a=b", "x" * 1000 + "<script>")
        response = refusal(Held.NOT_READY, injected, retry_after_s=1.0).direct_response
        assert response is not None
        assert not any("cookie" in value for value in response.headers.values())
        assert "\r" not in response.body
        assert "<" not in response.body
        assert len(response.body) < 250
