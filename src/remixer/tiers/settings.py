"""What an operator decides of tiers, with safe defaults."""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Bounds and times. Seconds."""

    max_entries: int = 100_000
    max_bytes: int = 64 << 20
    """Of keys, entries and the answers that entries do not share."""
    max_age_s: float = 3_600.0
    """No answer is used longer, whatever its adapters allow."""
    stale_for_s: float = 300.0
    """How long past its end an answer may stand in for a failure; 0 for never."""
    refresh_at: float = 0.8
    """An answer in demand is renewed after this part of its life; 1 for never."""
    refresh_uses_at: float = 0.5
    """The same after this part of its uses: callers that keep an answer get a share of what is left,
    and ask again the sooner the less it is."""
    jitter: float = 0.1
    """An answer ends earlier by up to this part of its life, so that not all end together."""
    max_refreshes: int = 64
    """Renewals under way at once."""
    max_shapes: int = 64
    """Per place; more take the room of the least useful. Each costs a try at look-ups."""
    max_places: int = 10_000
    """Namespaces with rules of their own."""


@dataclass(frozen=True, slots=True)
class RemoteSettings:
    """How calls are made. Seconds."""

    timeout_s: float = 5.0
    """Of one attempt."""
    max_retry: int = 0
    """Further attempts after a failed one."""
    base_retry_wait_s: float = 0.08
    max_retry_wait_s: float = 1.0


class FailPolicy(Enum):
    """What a failure means for a request. Names are Envoy's and Istio's."""

    OPEN = "open"
    """It passes."""
    CLOSED = "closed"
    """It is refused, with the code of the failure."""
