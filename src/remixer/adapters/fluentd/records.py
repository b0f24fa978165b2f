"""What a log entry's record holds, and its tag. Pure.

Source: Mixer 1.3's fluentd adapter. Instants and addresses, which it leaves to its library, are
text here.
"""

from collections.abc import Callable
from typing import Any, Final

from remixer.attributes.values import Duration, Timestamp, Value
from remixer.sdk import format_duration, stringify
from remixer.templates.instances import LogEntry

_TAG: Final = "tag"
_NS_PER_MS: Final = 1_000_000


class RecordFormat:
    """How values look in records."""

    def __init__(self, *, integer_duration: bool) -> None:
        self._duration: Callable[[Duration], object] = (
            _whole_milliseconds if integer_duration else format_duration
        )

    def tag_of(self, entry: LogEntry) -> str:
        """The variable `tag`, if there is one with text in it; else the instance's name."""
        return stringify(entry.variables.get(_TAG)) or entry.name

    def record_of(self, entry: LogEntry) -> dict[str, object]:
        """Variables and severity; with a tag of its own, the instance's name too."""
        record = {name: self._value(value) for name, value in entry.variables.items()}
        if record.pop(_TAG, None) is not None:
            record["name"] = entry.name
        record["severity"] = entry.severity
        return record

    def _value(self, value: Value) -> object:
        if type(value) is Duration:
            return self._duration(value)
        # A value of an unknown class is left to the packer, which refuses it.
        convert = _BY_CARRIER.get(type(value))
        return value if convert is None else convert(value)


def _whole_milliseconds(value: Duration) -> int:
    """Towards zero, as Go divides."""
    return abs(value) // _NS_PER_MS * (-1 if value < 0 else 1)


_BY_CARRIER: Final[dict[type, Callable[[Any], object]]] = {Timestamp: stringify, bytes: stringify}
