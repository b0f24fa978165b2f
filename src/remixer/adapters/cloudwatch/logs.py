"""Log entries as CloudWatch takes them. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from remixer.adapters.cloudwatch.params import LogInfo
from remixer.drivers.aws import LogEvent
from remixer.sdk.go_template import Template, parse_template
from remixer.templates.instances import LogEntry

DEFAULT_TEMPLATE: Final = (
    '{{or (.source_ip) "-"}} - {{or (.source_user) "-"}} '
    '[{{or (.timestamp.Format "2006-01-02T15:04:05Z07:00") "-"}}] '
    '"{{or (.method) "-"}} {{or (.url) "-"}} {{or (.protocol) "-"}}" '
    '{{or (.response_code) "-"}} {{or (.response_size) "-"}}'
)
"""As Mixer 1.3's; operators' own filters read it."""
EVENT_OVERHEAD_BYTES: Final = 26
"""What the service counts for each event besides its message."""
LONGEST_MESSAGE_BYTES: Final = 256 * 1024 - EVENT_OVERHEAD_BYTES
"""The service once took no more; it still does not show more."""
_LONGEST_SPAN_MS: Final = 24 * 3_600 * 1_000  # of one request, by the service's rules
_NS_PER_MS: Final = 1_000_000


def log_template(info: LogInfo) -> Template:
    """Raises `TemplateSyntaxError`."""
    text = info.payload_template
    return parse_template(text if text.strip() else DEFAULT_TEMPLATE)


def event_of(entry: LogEntry, template: Template, *, now_ns: int) -> LogEvent:
    """Raises `TemplateError`. An entry without a time has the present one."""
    values = {**entry.variables, "timestamp": entry.timestamp, "severity": entry.severity}
    at_ns = entry.timestamp if entry.timestamp > 0 else now_ns
    return LogEvent(at_ns // _NS_PER_MS, _clipped(template.render(values)))


def size_of(event: LogEvent) -> int:
    """What the service counts it as."""
    return len(event.message.encode()) + EVENT_OVERHEAD_BYTES


def _clipped(message: str) -> str:
    """At most as long as the service takes, and encodable."""
    encoded = message.encode("utf-8", "replace")[:LONGEST_MESSAGE_BYTES]
    return encoded.decode("utf-8", "ignore")


def requests_of(events: Sequence[LogEvent]) -> Iterator[list[LogEvent]]:
    """Ordered by time, and no request over more than a day."""
    request: list[LogEvent] = []
    for event in sorted(events, key=lambda each: each.unix_ms):
        if request and event.unix_ms - request[0].unix_ms > _LONGEST_SPAN_MS:
            yield request
            request = []
        request.append(event)
    if request:
        yield request
