"""How much a client remembers, if nobody says."""

from typing import Final

from remixer.tiers.settings import CacheSettings

_USUAL: Final = CacheSettings()
_ENTRIES: Final = 10_000  # Mixer's client
_BYTES: Final = 16 << 20
_SHAPES: Final = 256  # of all services together: a client knows no namespaces


def client_cache_settings(
    *,
    max_entries: int = _ENTRIES,
    max_bytes: int = _BYTES,
    max_age_s: float = _USUAL.max_age_s,
    stale_for_s: float = _USUAL.stale_for_s,
) -> CacheSettings:
    """Smaller than a server's; and uses are spent to the last few, for each costs a call."""
    return CacheSettings(
        max_entries=max_entries,
        max_bytes=max_bytes,
        max_age_s=max_age_s,
        stale_for_s=stale_for_s,
        refresh_uses_at=0.98,
        max_shapes=_SHAPES,
    )
