"""Amazon CloudWatch, metrics and logs, through boto3, which is an optional package.

Theory of operation. boto3 blocks, so every call runs in a thread, at most one of each kind at a
time. Its own retries are off: whoever calls decides. Sockets have timeouts, and a call as a whole
has one; a thread that outlives it is left alone, and calls of its kind fail at once until it is
back. Region and credentials come from where boto3 looks for them.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Protocol, TypeVar

from remixer.drivers.http_client import shown_url
from remixer.foundation.errors import RemixerError

T = TypeVar("T")

INSTALL_HINT: Final = "Run pip install 'remixer[cloudwatch]'."
_NS_PER_S: Final = 1_000_000_000
_TOO_MANY_REQUESTS: Final = 429
_SERVER_ERROR: Final = 500
_TEMPORARY_CODES: Final = frozenset(
    {
        "RequestLimitExceeded",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_HINTS: Final = {
    "ResourceNotFoundException": "the log group or stream does not exist; create it",
    "AccessDenied": "the credentials do not allow it",
    "AccessDeniedException": "the credentials do not allow it",
}


class AwsError(RemixerError):
    """A call failed; `str()` says which and why, without data of requests or secrets."""

    def __init__(self, reason: str, *, can_retry: bool = False) -> None:
        super().__init__(reason)
        self.can_retry = can_retry


@dataclass(frozen=True, slots=True)
class AwsTimeouts:
    """For connecting, for each read, and for a call as a whole."""

    connect_s: float = 2.0
    read_s: float = 5.0
    call_s: float = 10.0


DEFAULT_TIMEOUTS: Final = AwsTimeouts()


@dataclass(frozen=True, slots=True)
class MetricDatum:
    """One value of a metric. `unit` as the service spells it: `Bytes/Second`."""

    name: str
    value: float
    unit: str
    dimensions: tuple[tuple[str, str], ...]
    unix_ns: int


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One line of a log stream."""

    unix_ms: int
    message: str


class CloudWatchClient(Protocol):
    """The two calls that there are. Both raise `AwsError`."""

    async def put_metrics(self, namespace: str, data: Sequence[MetricDatum]) -> None:
        """Send one request."""
        ...

    async def put_logs(self, group: str, stream: str, events: Sequence[LogEvent]) -> int:
        """Send one request, ordered by time; the number of events that the service refused."""
        ...

    def close(self) -> None:
        """Let go of the connections; once or twice."""
        ...


def is_installed() -> bool:
    """Whether boto3 can be imported; it is not imported."""
    return find_spec("boto3") is not None


async def open_cloudwatch(
    *, region: str, endpoint_url: str, timeouts: AwsTimeouts = DEFAULT_TIMEOUTS
) -> CloudWatchClient:
    """Make the clients; nothing is connected. Empty texts: as boto3 finds out.

    Raises `AwsError` if the package, or a region, is missing.
    """
    if not is_installed():
        message = f"boto3 is not installed. {INSTALL_HINT}"
        raise AwsError(message)
    return await asyncio.to_thread(_open, region or None, endpoint_url or None, timeouts)


def _open(region: str | None, endpoint_url: str | None, timeouts: AwsTimeouts) -> CloudWatchClient:
    boto3, errors = import_module("boto3"), import_module("botocore.exceptions")
    config = import_module("botocore.config").Config(
        connect_timeout=timeouts.connect_s,
        read_timeout=timeouts.read_s,
        retries={"total_max_attempts": 1, "mode": "standard"},
    )
    try:
        session = boto3.session.Session(region_name=region)
        metrics, logs = (
            session.client(service, endpoint_url=endpoint_url, config=config)
            for service in ("cloudwatch", "logs")
        )
    except errors.NoRegionError as error:
        message = "no AWS region is known; set `region`, or AWS_REGION for the process"
        raise AwsError(message) from error
    except (errors.BotoCoreError, ValueError) as error:
        message = f"no client for CloudWatch: {error}"
        raise AwsError(message) from error
    return Boto3CloudWatch(metrics, logs, errors, timeouts)


class Boto3CloudWatch:
    """Implements `CloudWatchClient`."""

    def __init__(
        self,
        metrics: Any,  # noqa: ANN401 - boto3 makes its classes as it runs
        logs: Any,  # noqa: ANN401 - as above
        errors: Any,  # noqa: ANN401 - a module that may be missing
        timeouts: AwsTimeouts,
    ) -> None:
        self._metrics = metrics
        self._logs = logs
        self._metric_lane = _Lane(
            f"PutMetricData at {shown_url(metrics.meta.endpoint_url)}", errors, timeouts
        )
        self._log_lane = _Lane(
            f"PutLogEvents at {shown_url(logs.meta.endpoint_url)}", errors, timeouts
        )

    async def put_metrics(self, namespace: str, data: Sequence[MetricDatum]) -> None:
        wire = [_datum(each) for each in data]
        await self._metric_lane.call(
            lambda: self._metrics.put_metric_data(Namespace=namespace, MetricData=wire)
        )

    async def put_logs(self, group: str, stream: str, events: Sequence[LogEvent]) -> int:
        wire = [{"timestamp": each.unix_ms, "message": each.message} for each in events]
        answer = await self._log_lane.call(
            lambda: self._logs.put_log_events(
                logGroupName=group, logStreamName=stream, logEvents=wire
            )
        )
        return _refused(answer.get("rejectedLogEventsInfo") or {}, len(events))

    def close(self) -> None:
        self._metrics.close()
        self._logs.close()


def _datum(datum: MetricDatum) -> dict[str, object]:
    return {
        "MetricName": datum.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in datum.dimensions],
        "Timestamp": datum.unix_ns / _NS_PER_S,
        "Value": datum.value,
        "Unit": datum.unit,
    }


def _refused(told: dict[str, int], count: int) -> int:
    """How many events were too old, expired, or too new; they stand at the two ends."""
    first = max(told.get("tooOldLogEventEndIndex", 0), told.get("expiredLogEventEndIndex", 0))
    last = told.get("tooNewLogEventStartIndex", count)
    return min(count, max(first, 0) + max(count - last, 0))


class _Lane:
    """Calls of one kind, one at a time."""

    def __init__(self, title: str, errors: Any, timeouts: AwsTimeouts) -> None:  # noqa: ANN401 - a module that may be missing
        self._title = title
        self._errors = errors
        self._timeout_s = timeouts.call_s
        self._running: asyncio.Future[Any] | None = None

    async def call(self, work: Callable[[], T]) -> T:
        """Raises `AwsError`."""
        if self._running is not None and not self._running.done():
            message = f"{self._title}: an earlier call has not come back"
            raise AwsError(message, can_retry=True)
        running = asyncio.get_running_loop().run_in_executor(None, work)
        running.add_done_callback(_look)
        self._running = running
        # Not `wait_for`: it would cancel, and a thread cannot be.
        await asyncio.wait([running], timeout=self._timeout_s)
        if not running.done():
            message = f"{self._title}: no answer within {self._timeout_s:g} s"
            raise AwsError(message, can_retry=True)
        try:
            return running.result()
        except self._errors.ClientError as error:
            raise self._from_answer(error.response) from error
        except self._errors.BotoCoreError as error:
            raise self._from_failure(error) from error

    def _from_answer(self, response: dict[str, Any]) -> AwsError:
        # The service's own text may repeat what was sent; its code does not.
        code = str(response.get("Error", {}).get("Code", "")) or "an unknown error"
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        hint = f"; {_HINTS[code]}" if code in _HINTS else ""
        can_retry = (
            code in _TEMPORARY_CODES or status == _TOO_MANY_REQUESTS or status >= _SERVER_ERROR
        )
        message = f"{self._title}: {code} (HTTP status {status}){hint}"
        return AwsError(message, can_retry=can_retry)

    def _from_failure(self, error: Exception) -> AwsError:
        lost = (self._errors.HTTPClientError, self._errors.ConnectionError)
        can_retry = isinstance(error, lost)
        hint = ""
        if isinstance(error, self._errors.NoCredentialsError):
            hint = "; give AWS credentials to the process"
        return AwsError(f"{self._title}: {type(error).__name__}{hint}", can_retry=can_retry)


def _look(done: "asyncio.Future[Any]") -> None:
    """Take note of an exception that nobody waits for any more."""
    if not done.cancelled():
        done.exception()
