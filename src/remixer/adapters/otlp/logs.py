"""Log entries to records. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final

from remixer.adapters.otlp.params import LogInfo, Severity
from remixer.adapters.otlp.values import EntryError, attributes_of, legal_text
from remixer.attributes.values import Value
from remixer.drivers.otlp_records import LogRecord
from remixer.sdk import LogEntry
from remixer.sdk.go_template import Template, TemplateError, parse_template

_SEVERITY_TEXTS: Final = {
    Severity.TRACE: ("trace",),
    Severity.DEBUG: ("debug",),
    Severity.INFO: ("default", "info", "informational", "notice"),
    Severity.WARN: ("warn", "warning"),
    Severity.ERROR: ("err", "error", "critical", "alert"),
    Severity.FATAL: ("fatal", "emergency"),
}
_SEVERITIES: Final = {
    text: severity for severity, texts in _SEVERITY_TEXTS.items() for text in texts
}


class _LogShape:
    """How entries of one instance look."""

    __slots__ = ("_attribute_names", "_body", "_severities")

    def __init__(self, info: LogInfo) -> None:
        self._severities: Mapping[str, Severity] = info.severities
        self._body: Template | None = (
            parse_template(info.body_template) if info.body_template else None
        )
        self._attribute_names = frozenset(info.attribute_names)

    def severity(self, text: str) -> Severity:
        """By the entry's own table, else by usual texts in any case."""
        known = self._severities.get(text)
        return _SEVERITIES.get(text.lower(), Severity.UNSPECIFIED) if known is None else known

    def body(self, entry: LogEntry) -> str | None:
        """None without a template. Raises `EntryError`."""
        if self._body is None:
            return None
        data = {**entry.variables, "timestamp": entry.timestamp, "severity": entry.severity}
        try:
            return legal_text(self._body.render(data))
        except TemplateError as error:
            message = f"{entry.name}: body_template: {error}"
            raise EntryError(message) from error

    def variables(self, entry: LogEntry) -> Mapping[str, Value]:
        """Those that become attributes."""
        if not self._attribute_names:
            return entry.variables
        return {
            name: value for name, value in entry.variables.items() if name in self._attribute_names
        }


class LogBook:
    """Records of all log instances; one without an entry of its own looks as by default."""

    def __init__(self, logs: Iterable[LogInfo]) -> None:
        """Raises `TemplateSyntaxError`."""
        self._shapes = {info.instance_name: _LogShape(info) for info in logs}
        self._default = _LogShape(LogInfo())

    def record(self, entry: LogEntry, *, now_ns: int) -> LogRecord:
        """Raises `EntryError`."""
        shape = self._shapes.get(entry.name, self._default)
        return LogRecord(
            name=legal_text(entry.name),
            time_ns=max(int(entry.timestamp), 0),
            observed_ns=now_ns,
            severity=int(shape.severity(entry.severity)),
            severity_text=legal_text(entry.severity),
            body=shape.body(entry),
            attributes=attributes_of(
                shape.variables(entry),
                entry.monitored_resource_type,
                entry.monitored_resource_dimensions,
            ),
        )
