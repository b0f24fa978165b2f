"""All that an adapter author imports.

An adapter is an `AdapterInfo`: a name, the templates it takes, a frozen dataclass of parameters
with their defaults, a pure `validate`, and an async `build` that gives a handler. A handler has
one method per variety it serves, plain (never waits) or async (may wait), and `aclose`.

Third parties register an `AdapterInfo` under the entry point group ``remixer.adapters`` and a
`Template` under ``remixer.templates``.
"""

from remixer.attributes.values import Duration, StringMap, Timestamp, Value, ValueType
from remixer.drivers.http_client import HttpClient, HttpError, HttpResponse
from remixer.foundation.clock import Clock
from remixer.foundation.durations import format_duration, parse_duration
from remixer.foundation.log import event_log
from remixer.foundation.regex import PatternError, compile_pattern
from remixer.foundation.status import OK, Code, Status
from remixer.sdk.adapter import (
    AdapterInfo,
    AttributeHandler,
    CheckHandler,
    Environment,
    Handler,
    HandlerContext,
    OutputCheckHandler,
    QuotaHandler,
    ReportHandler,
    ScrapeRegistry,
    ScrapeSource,
    TaskSpawner,
)
from remixer.sdk.outbox import Outbox, OutboxFullError, OutboxLimits, SendError
from remixer.sdk.params import DirectHttpResponse, Int32, ParamProblem, RpcStatus
from remixer.sdk.results import CheckOutput, CheckResult, QuotaRequest, QuotaResult
from remixer.sdk.text import string_equals, stringify
from remixer.templates.instances import (
    Action,
    ApiKey,
    Authorization,
    CheckNothing,
    Edge,
    Kubernetes,
    ListEntry,
    LogEntry,
    Metric,
    Quota,
    ReportNothing,
    Subject,
    TraceSpan,
)
from remixer.templates.schema import Field, InstanceType, Message, Template, Variety

__all__ = [
    "OK",
    "Action",
    "AdapterInfo",
    "ApiKey",
    "AttributeHandler",
    "Authorization",
    "CheckHandler",
    "CheckNothing",
    "CheckOutput",
    "CheckResult",
    "Clock",
    "Code",
    "DirectHttpResponse",
    "Duration",
    "Edge",
    "Environment",
    "Field",
    "Handler",
    "HandlerContext",
    "HttpClient",
    "HttpError",
    "HttpResponse",
    "InstanceType",
    "Int32",
    "Kubernetes",
    "ListEntry",
    "LogEntry",
    "Message",
    "Metric",
    "Outbox",
    "OutboxFullError",
    "OutboxLimits",
    "OutputCheckHandler",
    "ParamProblem",
    "PatternError",
    "Quota",
    "QuotaHandler",
    "QuotaRequest",
    "QuotaResult",
    "ReportHandler",
    "ReportNothing",
    "RpcStatus",
    "ScrapeRegistry",
    "ScrapeSource",
    "SendError",
    "Status",
    "StringMap",
    "Subject",
    "TaskSpawner",
    "Template",
    "Timestamp",
    "TraceSpan",
    "Value",
    "ValueType",
    "Variety",
    "compile_pattern",
    "event_log",
    "format_duration",
    "parse_duration",
    "string_equals",
    "stringify",
]
