"""`redisquota`: asks the script, words its answer.

Each allocation is one round trip. A server that is away does not keep the handler from being
built, since rules without a handler would limit nothing: calls are answered UNAVAILABLE until it
is there, and the caller decides what that means.
"""

from typing import Final

from remixer.adapters.redisquota.keys import deduplication_key
from remixer.adapters.redisquota.limits import MOST_AMOUNT, QuotaLimits, load_scripts
from remixer.adapters.redisquota.params import Params, validate
from remixer.attributes.values import Duration
from remixer.drivers.redis import RedisAnswerError, RedisClient, RedisError, RedisSettings
from remixer.drivers.redis_address import parse_redis_address
from remixer.foundation.clock import Clock
from remixer.foundation.event_limit import EventLimit
from remixer.foundation.log import event_log
from remixer.foundation.status import Code, Status
from remixer.sdk import AdapterInfo, Environment, HandlerContext, QuotaRequest, QuotaResult
from remixer.templates.instances import Quota as QuotaInstance

_DEFAULT_POOL_SIZE: Final = 10
_MICROSECOND: Final = 1_000
_SLACK_US: Final = 10_000_000
"""Keys outlive their window by so much: Mixers that count together may have different clocks."""
_LOG_INTERVAL_S: Final = 1.0

# Source of the texts: Mixer 1.4.
_EXHAUSTED: Final = QuotaResult(
    status=Status(Code.RESOURCE_EXHAUSTED, "redisquota: Resource exhausted")
)
_UNAVAILABLE: Final = QuotaResult(
    status=Status(Code.UNAVAILABLE, "redisquota: Service Unavailable")
)
_INTERNAL: Final = QuotaResult(status=Status(Code.INTERNAL, "redisquota: Internal Error"))
_NOTHING: Final = QuotaResult()

_log: Final = event_log(__name__)


class RedisQuota:
    """Counts in Redis. State outlives the handler and is everybody's who uses the same keys."""

    def __init__(self, params: Params, *, client: RedisClient, clock: Clock, name: str) -> None:
        scripts = load_scripts()
        self._client = client
        self._clock = clock
        self._name = name
        self._limits = {quota.name: QuotaLimits(quota, scripts) for quota in params.quotas}
        self._failures_logged = EventLimit(interval_s=_LOG_INTERVAL_S)

    async def allocate(self, instance: QuotaInstance, request: QuotaRequest, /) -> QuotaResult:
        """Grant, or release a negative amount, by the quota's algorithm.

        A de-duplication id that was granted something gets the same again while that holds.
        RESOURCE_EXHAUSTED: nothing is left. UNAVAILABLE: the server did not count.
        """
        limits = self._limits.get(instance.name)
        if limits is None:
            self._tell_failure("quota_not_configured", instance.name)
            return _INTERNAL
        if request.amount == 0:
            return _NOTHING
        if request.amount > MOST_AMOUNT and not request.best_effort:
            return _EXHAUSTED
        key, limit = limits.counter_of(instance.dimensions)
        try:
            answer = await self._count(limits, key, limit, request)
        except RedisError as error:
            self._tell_failure("redis_quota_failed", str(error))
            return _UNAVAILABLE
        granted, duration_us = answer
        if request.amount < 0:
            return QuotaResult(granted)
        if granted <= 0:
            return _EXHAUSTED
        # A clock that is behind the one that began the window would see it last longer.
        duration = min(duration_us * _MICROSECOND, limits.valid_duration)
        return QuotaResult(granted, Duration(duration))

    async def start(self) -> None:
        """Look whether the server is there; tell if it is not."""
        try:
            await self._client.ping()
        except RedisError as error:
            _log.error("redis_not_reached", handler=self._name, reason=str(error))

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _count(
        self, limits: QuotaLimits, key: bytes, limit: int, request: QuotaRequest
    ) -> tuple[int, int]:
        """Amount granted or released, and for how many microseconds. Raises `RedisError`."""
        identifier = request.deduplication_id
        answer = await self._client.run_script(
            limits.script,
            keys=(key + b".meta", key + b".data", deduplication_key(identifier, key)),
            arguments=(
                limit,
                limits.window_us,
                limits.bucket_us,
                int(request.best_effort),
                max(-MOST_AMOUNT, min(request.amount, MOST_AMOUNT)),
                self._clock.unix_ns() // _MICROSECOND,
                int(bool(identifier)),
                _SLACK_US,
            ),
        )
        return _read(answer, self._client)

    def _tell_failure(self, event: str, reason: str) -> None:
        held_back = self._failures_logged.pass_now(event, now_s=self._clock.monotonic_s())
        if held_back is not None:
            _log.warning(event, handler=self._name, reason=reason, held_back=held_back)


def _read(answer: object, client: RedisClient) -> tuple[int, int]:
    match answer:
        case [bytes() as granted, bytes() as duration] if granted.isdigit() and duration.isdigit():
            return int(granted), int(duration)
    message = f"{client.address}: the script answered with something else than two numbers"
    raise RedisAnswerError(message)


async def _build(params: Params, context: HandlerContext, environment: Environment) -> RedisQuota:
    settings = RedisSettings(
        parse_redis_address(params.redis_server_url),
        pool_size=params.connection_pool_size or _DEFAULT_POOL_SIZE,
    )
    client = RedisClient(settings, clock=environment.clock)
    await client.start()
    handler = RedisQuota(params, client=client, clock=environment.clock, name=context.name)
    try:
        await handler.start()
    except BaseException:
        await client.aclose()
        raise
    return handler


INFO = AdapterInfo(
    name="redisquota",
    description="Quotas counted in Redis or Valkey, shared by all that count there.",
    templates=frozenset({"quota"}),
    defaults=Params(),
    build=_build,
    validate=validate,
)
