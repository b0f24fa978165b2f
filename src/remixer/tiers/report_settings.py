"""What a report pipeline can be told, and what it tells."""

from dataclasses import dataclass, field

from remixer.foundation.backoff import Backoff
from remixer.wire.report_batch import BatchLimits


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """How reports are gathered, sent and kept. Seconds and bytes."""

    batch: BatchLimits = field(default_factory=BatchLimits)
    """Of one report, and of what is open at a time: `most_chains` times `most_bytes`."""
    interval_s: float = 1.0
    """A record waits no longer before it is sent for the first time."""
    most_calls: int = 2
    """Under way at a time."""
    call_timeout_s: float = 5.0
    backoff: Backoff = field(default_factory=lambda: Backoff(first_s=0.5, longest_s=5.0))
    backlog_bytes: int = 64 << 20
    """Of reports in memory, those under way included."""


@dataclass(slots=True)
class ReportCounts:
    """What became of records, and of calls. The first six names are the C++ client's.

    Every record of `report_calls` is still on its way, or in one of `report_records_…`.
    """

    report_calls: int = 0
    """Records handed over."""
    remote_report_calls: int = 0
    """Calls of Report, repeated ones too."""
    remote_report_successes: int = 0
    remote_report_timeouts: int = 0
    """Late answers: what was sent may have been processed, and is sent again."""
    remote_report_send_errors: int = 0
    """Nobody could be reached, or the connection broke."""
    remote_report_other_errors: int = 0
    report_records_sent: int = 0
    """The Mixer took them."""
    report_records_refused: int = 0
    """The Mixer refused them for good, or processed only a part of their report."""
    report_records_dropped: int = 0
    """Too old when memory was full, or put after the end."""
    report_records_left: int = 0
    """Could not be sent, nor written to disk, before the pipeline closed."""
    report_records_spilled: int = 0
    """Written to disk."""
    report_records_restored: int = 0
    """Read from disk; they count as sent or refused later, too."""
    report_records_spill_lost: int = 0
    """On disk, and given up for newer ones, or no longer readable."""
    report_dictionary_fallbacks: int = 0
