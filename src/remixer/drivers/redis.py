"""One client for Redis and Valkey, on redis-py (extra `redis`), made to be shared.

Theory of operation. Connections are pooled and made when needed; a pooled one that the server
closed meanwhile is replaced before a command is sent. A command is sent once: whoever knows that
it may be repeated repeats it. Each call is bounded by `connect_timeout_s` + `command_timeout_s`,
the wait for a free connection included. After `FAILURES_TO_REST` calls in a row found no server,
calls fail at once for a while that doubles up to `LONGEST_REST_S`; then one call tries, and the
others go on failing until it has succeeded. So a server that hangs costs each rest one wait, not
one per call.

Errors are ours, and have the server's address but neither credentials nor keys in their text.
"""

import asyncio
import contextlib
import hashlib
import importlib
import importlib.util
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias, TypeVar, cast

from remixer.drivers.redis_connections import MOST_CONNECTIONS, RedisSettings, open_redis
from remixer.drivers.redis_errors import RedisAnswerError, RedisError, RedisUnavailableError
from remixer.drivers.redis_group import Grouping, RedisGroup, RedisPlace
from remixer.foundation.clock import Clock
from remixer.foundation.errors import RemixerError

__all__ = [
    "MOST_CONNECTIONS",
    "Cancellation",
    "RedisAnswerError",
    "RedisClient",
    "RedisError",
    "RedisNotInstalledError",
    "RedisPubSub",
    "RedisScript",
    "RedisSettings",
    "RedisUnavailableError",
    "RedisValue",
    "redis_is_installed",
]

FAILURES_TO_REST: Final = 3
"""One may be a connection that broke; three in a row are a server that is not there."""
FIRST_REST_S: Final = 0.1
LONGEST_REST_S: Final = 2.0
_SLOW_S: Final = 0.25
"""A caller that gave up after so long tells something of the server; a hasty one does not."""
_CLOSE_S: Final = 1.0
_LONGEST_REASON: Final = 200  # of the server's own text; enough for one log line

RedisValue: TypeAlias = str | bytes | int | float
T = TypeVar("T")


class RedisNotInstalledError(RemixerError):
    """The client library is missing."""

    def __init__(self) -> None:
        super().__init__("the Redis client is not installed: pip install 'remixer[redis]'")


def redis_is_installed() -> bool:
    """Whether the extra `redis` is there; imports nothing."""
    return importlib.util.find_spec("redis") is not None


@dataclass(frozen=True, slots=True)
class RedisScript:
    """A server-side script. Sent whole only to servers that do not know it yet."""

    source: str = field(repr=False)
    sha1: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha1(self.source.encode(), usedforsecurity=False)
        object.__setattr__(self, "sha1", digest.hexdigest())


class _Commands(Protocol):
    """What is used of redis-py's client, which has no types for it."""

    async def execute_command(self, *command: RedisValue) -> object: ...

    def pipeline(self, *, transaction: bool) -> "_Pipeline": ...

    def mget_nonatomic(self, keys: Sequence[RedisValue]) -> Awaitable[Sequence[object]]:
        """Of a cluster's client alone."""
        ...

    def pubsub(self) -> "RedisPubSub": ...


class _Pipeline(Protocol):
    def execute_command(self, *command: RedisValue) -> object: ...

    async def execute(self, *, raise_on_error: bool) -> list[object]: ...


class RedisPubSub(Protocol):
    """A connection that listens."""

    async def subscribe(self, channel: str) -> object: ...

    async def get_message(self, *, timeout: float) -> object:  # noqa: ASYNC109 - the library's name
        """A notice, or None after so long."""
        ...

    async def aclose(self) -> None: ...


class _Rest:
    """When calls are not even tried. Source of the idea: circuit breakers."""

    __slots__ = ("_clock", "_failures", "_rest_s", "_until_s")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._rest_s = 0.0
        self._until_s = 0.0

    def may_try(self) -> bool:
        """Whether to try; after a rest, true for one call until its outcome is known."""
        if self._failures < FAILURES_TO_REST:
            return True
        now_s = self._clock.monotonic_s()
        if now_s < self._until_s:
            return False
        self._until_s = now_s + self._rest_s  # the others wait until this one knows
        return True

    def failed(self) -> None:
        self._failures += 1
        if self._failures >= FAILURES_TO_REST:
            self._rest_s = min(LONGEST_REST_S, self._rest_s * 2 or FIRST_REST_S)
            self._until_s = self._clock.monotonic_s() + self._rest_s

    def succeeded(self) -> None:
        self._failures = 0
        self._rest_s = 0.0


class Cancellation:
    """Passes on a cancellation that the library swallowed, as it does while it connects.

    One from before does not count: whoever cleans up after it may ask on.
    """

    __slots__ = ("_before", "_task")

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._before = 0 if self._task is None else self._task.cancelling()

    def pass_on(self) -> None:
        """Raises `CancelledError` if the task was cancelled since this was made."""
        if self._task is not None and self._task.cancelling() > self._before:
            raise asyncio.CancelledError


class RedisClient:
    """Commands and scripts. `start` before the first, `aclose` after the last."""

    def __init__(self, settings: RedisSettings, *, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._rest = _Rest(clock)
        # The pools of groups refuse what is too much; here it waits.
        self._places = asyncio.Semaphore(min(settings.pool_size, MOST_CONNECTIONS))
        self._redis: _Commands | None = None
        self._close: Callable[[], Awaitable[None]] | None = None
        self._errors: _Errors | None = None

    async def start(self) -> None:
        """Load the library and lay out the pool; nothing is sent.

        Raises `RedisNotInstalledError`.
        """
        if not redis_is_installed():
            raise RedisNotInstalledError
        # Loading takes a third of a second: requests go on meanwhile.
        await asyncio.to_thread(importlib.import_module, "redis.asyncio")
        from redis import exceptions  # noqa: PLC0415 - an optional extra

        self._errors = _Errors(
            refused=(exceptions.ResponseError, exceptions.AuthenticationError),
            unknown_script=exceptions.NoScriptError,
        )
        client, self._close = open_redis(self._settings)
        self._redis = cast("_Commands", client)

    @property
    def address(self) -> RedisPlace:
        return self._settings.address

    async def ping(self) -> None:
        """Raises `RedisError` unless a server answers and accepts the credentials."""
        await self.execute("PING")

    async def execute(self, *command: RedisValue) -> object:
        """One command's answer; texts come as bytes. Raises `RedisError`."""
        return await self._bounded(lambda redis: redis.execute_command(*command))

    async def execute_many(self, commands: Sequence[Sequence[RedisValue]]) -> Sequence[object]:
        """The answers of commands that are sent together, one round trip for all.

        Raises `RedisError` if one of them failed; the others may have had their effect.
        """

        async def run(redis: _Commands) -> Sequence[object]:
            pipeline = redis.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            answers = await pipeline.execute(raise_on_error=False)
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer
            return answers

        return await self._bounded(run)

    async def get_many(self, keys: Sequence[bytes]) -> Sequence[object]:
        """The value of each key, None where there is none. Raises `RedisError`."""
        if self._is_cluster:
            return await self._bounded(lambda redis: redis.mget_nonatomic(keys))
        answer = await self.execute("MGET", *keys)
        return cast("Sequence[object]", answer)

    def pub_sub(self) -> RedisPubSub:
        """A connection of its own; whoever asks for it closes it.

        Its methods raise what the library raises; `told` makes that ours.
        """
        if self._redis is None:
            raise RedisUnavailableError(self._told("the client is not started"))
        return self._redis.pubsub()

    def told(self, error: Exception) -> RedisError:
        """Our error for what a method of `pub_sub` raised."""
        return error if isinstance(error, RedisError) else self._ours(error)

    def _ours(self, error: Exception) -> RedisError:
        reason = _reason(error)
        if self._errors is not None and isinstance(error, self._errors.refused):
            return RedisAnswerError(self._told(reason))
        # The library trips over answers that make no sense; which way, nobody can list.
        return RedisUnavailableError(self._told(reason))

    async def run_script(
        self, script: RedisScript, keys: Sequence[bytes], arguments: Sequence[RedisValue]
    ) -> object:
        """The script's answer. It is sent by its digest, and whole if the server forgot it.

        Raises `RedisError`.
        """

        async def run(redis: _Commands) -> object:
            assert self._errors is not None  # noqa: S101 - set by `start`, as `redis` is
            try:
                return await redis.execute_command(
                    "EVALSHA", script.sha1, len(keys), *keys, *arguments
                )
            except self._errors.unknown_script:
                # A script that the server does not know has done nothing: it may be repeated.
                return await redis.execute_command(
                    "EVAL", script.source, len(keys), *keys, *arguments
                )

        return await self._bounded(run)

    async def aclose(self) -> None:
        """Close all connections; once or twice."""
        close, self._close = self._close, None
        self._redis = None
        if close is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await close()

    @property
    def _is_cluster(self) -> bool:
        place = self._settings.address
        return isinstance(place, RedisGroup) and place.grouping is Grouping.CLUSTER

    async def _bounded(self, exchange: Callable[[_Commands], Awaitable[T]]) -> T:
        redis = self._redis
        if redis is None:
            raise RedisUnavailableError(self._told("the client is not started"))
        if not self._rest.may_try():
            raise RedisUnavailableError(self._told("not asked: it was not there just now"))
        begun_s = self._clock.monotonic_s()
        cancellation = Cancellation()
        try:
            answer = await self._translated(exchange(redis))
            cancellation.pass_on()
        except RedisUnavailableError:
            self._rest.failed()
            cancellation.pass_on()
            raise
        except RedisAnswerError:
            self._rest.succeeded()
            cancellation.pass_on()
            raise
        except asyncio.CancelledError:
            if self._clock.monotonic_s() - begun_s >= _SLOW_S:
                self._rest.failed()
            raise
        self._rest.succeeded()
        return answer

    async def _translated(self, exchange: Awaitable[T]) -> T:
        """Bounded in time, with errors of ours only."""
        limit_s = self._settings.connect_timeout_s + self._settings.command_timeout_s
        try:
            async with asyncio.timeout(limit_s), self._places:
                return await exchange
        except TimeoutError as error:
            raise RedisUnavailableError(self._told(f"no answer within {limit_s:g} s")) from error
        except RedisError:
            raise  # of a password file
        except Exception as error:
            raise self._ours(error) from error

    def _told(self, reason: str) -> str:
        return f"{self._settings.address}: {reason}"


@dataclass(frozen=True, slots=True)
class _Errors:
    """The library's exception classes, by what they mean to us."""

    refused: tuple[type[Exception], ...]
    unknown_script: type[Exception]


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"
