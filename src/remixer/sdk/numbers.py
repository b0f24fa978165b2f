"""Numbers and instants that operators write as text, read as Go reads them.

Source: Go `strconv.ParseInt`, `strconv.ParseFloat`, `time.Parse(time.RFC3339)`.
"""

from remixer.attributes.values import Timestamp
from remixer.foundation.numbers import parse_integer, parse_number
from remixer.foundation.timestamps import parse_timestamp as read_rfc3339

__all__ = ["parse_integer", "parse_number", "parse_timestamp"]


def parse_timestamp(text: str) -> Timestamp | None:
    """An RFC 3339 instant, nanoseconds kept; None if `text` is none.

    `2021-06-01T06:00:00.5Z`, `2021-06-01T08:00:00+02:00`.
    """
    nanoseconds = read_rfc3339(text)
    return None if nanoseconds is None else Timestamp(nanoseconds)
