"""The session of a handler: opened once, opened again, closed."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from remixer.adapters.remote.session import Session, SessionRefusedError
from remixer.foundation.status import Code
from remixer.transport.remote_port import RpcFailed
from remixer.wire._pb.istio.mixer.adapter.model.v1beta1 import infrastructure_backend_pb2 as pb


class BackEnd:
    """A `RemoteChannel` and a `TaskSpawner`. `failures` are raised before anything is answered."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self.asked: list[str] = []
        self.failures: list[RpcFailed] = []
        self.refusal = 0

    async def unary(
        self, path: str, request: bytes, *, timeout_s: float, is_safe_to_retry: bool
    ) -> bytes:
        await asyncio.sleep(0)
        assert timeout_s > 0
        assert isinstance(request, bytes)
        assert isinstance(is_safe_to_retry, bool)
        method = path.rpartition("/")[2]
        self.asked.append(method)
        if self.failures:
            raise self.failures.pop()
        if method == "CreateSession":
            response = pb.CreateSessionResponse(session_id=f"s{self.asked.count(method)}")
            response.status.code = self.refusal
            return response.SerializeToString()
        return b""

    async def aclose(self) -> None:
        """Nothing is open."""

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        self._group.create_task(work, name=name)

    def session(self) -> Session:
        return Session(channel=self, tasks=self, validate=b"v", create=b"c")


async def test_many_calls_open_one_session() -> None:
    async with asyncio.TaskGroup() as group:
        back_end = BackEnd(group)
        session = back_end.session()
        first, second = await asyncio.gather(session.config(), session.config())
    assert first == second
    assert b"s1" in first
    assert back_end.asked == ["Validate", "CreateSession"]


async def test_back_end_that_is_away_gets_its_session_later() -> None:
    async with asyncio.TaskGroup() as group:
        back_end = BackEnd(group)
        back_end.failures = [RpcFailed(Code.UNAVAILABLE, "away")]
        session = back_end.session()
        await session.start()
        assert b"s1" in await session.config()


async def test_other_failures_of_the_start_are_told() -> None:
    async with asyncio.TaskGroup() as group:
        back_end = BackEnd(group)
        back_end.failures = [RpcFailed(Code.UNIMPLEMENTED, "no sessions here")]
        with pytest.raises(RpcFailed, match="no sessions here"):
            await back_end.session().start()


async def test_refused_session_names_the_status() -> None:
    async with asyncio.TaskGroup() as group:
        back_end = BackEnd(group)
        back_end.refusal = 3
        with pytest.raises(SessionRefusedError, match="INVALID_ARGUMENT"):
            await back_end.session().start()


async def test_only_the_session_in_use_can_be_lost() -> None:
    async with asyncio.TaskGroup() as group:
        back_end = BackEnd(group)
        session = back_end.session()
        first = await session.config()
        session.lose(first)
        second = await session.config()
        session.lose(first)
        assert await session.config() == second != first


async def test_closing_tells_the_back_end_once_and_outlives_its_failure() -> None:
    async with asyncio.TaskGroup() as group:
        back_end = BackEnd(group)
        session = back_end.session()
        await session.aclose()
        await session.config()
        back_end.failures = [RpcFailed(Code.UNAVAILABLE, "away")]
        await session.aclose()
        await session.aclose()
    assert back_end.asked == ["Validate", "CreateSession", "CloseSession"]
