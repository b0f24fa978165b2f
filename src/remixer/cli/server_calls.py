"""Calls to a running server: one or many, and what it means when none is answered."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from remixer.cli.call_flags import DEFAULT_ADDRESS
from remixer.cli.exits import ExitCode, OperatorError
from remixer.cli.interrupts import run_until_interrupted
from remixer.foundation.clock import SystemClock
from remixer.foundation.status import Code
from remixer.transport.client import GrpcClient, RpcClient, RpcFailed


@dataclass(frozen=True, slots=True)
class CallPlan:
    """Where to send, how often."""

    address: str
    repeat: int
    concurrency: int
    timeout_s: float
    rate: int = 0
    """Most requests per second of each of the concurrent senders; none if not positive."""

    @property
    def pause_s(self) -> float:
        """Between two requests of one sender."""
        return 1 / self.rate if self.rate > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One response, and how long it took."""

    number: int
    """From 0, in order of sending."""
    response: bytes
    seconds: float


def send_all(
    plan: CallPlan,
    path: str,
    request: Callable[[int], bytes],
    on_answer: Callable[[Answer], None],
    on_failure: Callable[[RpcFailed], None] | None = None,
) -> None:
    """Send `plan.repeat` requests; `on_answer` gets each answer as it comes.

    Raises `OperatorError` at the first call without an answer, and sends nothing more then; with
    `on_failure`, that gets it, and sending goes on.
    """
    try:
        run_until_interrupted(_send_all(plan, path, request, on_answer, on_failure))
    except ExceptionGroup as failures:
        known = [each for each in failures.exceptions if isinstance(each, OperatorError)]
        if not known:
            raise
        raise known[0] from None


async def _send_all(
    plan: CallPlan,
    path: str,
    request: Callable[[int], bytes],
    on_answer: Callable[[Answer], None],
    on_failure: Callable[[RpcFailed], None] | None,
) -> None:
    client = _client(plan.address)
    numbers = iter(range(plan.repeat))
    clock = SystemClock()

    async def send_next() -> None:
        for number in numbers:  # shared: each number is sent once, whoever takes it
            started_s = clock.monotonic_s()
            try:
                response = await client.unary(path, request(number), timeout_s=plan.timeout_s)
            except RpcFailed as failure:
                if on_failure is None:
                    raise no_answer(plan, failure) from failure
                on_failure(failure)
            else:
                on_answer(Answer(number, response, clock.monotonic_s() - started_s))
            if plan.pause_s:
                await asyncio.sleep(started_s + plan.pause_s - clock.monotonic_s())

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(plan.concurrency, plan.repeat)):
                group.create_task(send_next())
    finally:
        await client.aclose()


def _client(address: str) -> RpcClient:
    try:
        return GrpcClient(address)
    except ValueError as error:
        raise OperatorError(
            what=str(error),
            where="--address",
            next_step=f"write `--address {DEFAULT_ADDRESS}` or `--address unix:/run/mixer.sock`",
        ) from error


def no_answer(plan: CallPlan, failure: RpcFailed) -> OperatorError:
    """What it means for an operator that a call got no answer."""
    match failure.code:
        case Code.UNAVAILABLE:
            return OperatorError(
                what=f"no Mixer is available: {failure.message}",
                where=plan.address,
                next_step=f"start one with `remixer serve --address {plan.address}`, "
                "or name another with --address",
                exit_code=ExitCode.UNREACHABLE,
            )
        case Code.DEADLINE_EXCEEDED:
            return OperatorError(
                what=f"no answer within {plan.timeout_s:g} s",
                where=plan.address,
                next_step="look at the server's log, or wait longer with --timeout",
                exit_code=ExitCode.UNREACHABLE,
            )
        case Code.UNIMPLEMENTED:
            return OperatorError(
                what="the server speaks gRPC, but not `istio.mixer.v1.Mixer`",
                where=plan.address,
                next_step="name a Mixer with --address",
                exit_code=ExitCode.REFUSED,
            )
        case _:
            return OperatorError(
                what=f"the server answered with an error instead: {failure}",
                where=plan.address,
                next_step="look at the server's log and metrics",
                exit_code=ExitCode.REFUSED,
            )
