"""The life of an OAuth access token: when to fetch, use, renew and give up. Pure.

Theory of operation. `ask` tells a caller what to do: use a token, use it while it is renewed
in the background, wait for a fetch, or fail. `must_fetch` of the answer is true for exactly one
caller: nobody else is told to fetch until `fetched` or `failed` was called. A token is renewed
early, so that in the ordinary case no call waits. After a failed fetch nobody fetches for a
pause that doubles; a token that is still good is used meanwhile.
"""

from dataclasses import dataclass, field
from typing import Final, TypeAlias

_EARLY_S: Final = 60.0
"""Renew this long before the end; a tenth of the lifetime for short-lived tokens."""
_MARGIN_S: Final = 10.0
"""Not used in its last seconds: it must still be good when it arrives. Source: Go's oauth2."""
_DEFAULT_LIFETIME_S: Final = 3_600.0
"""For an answer without `expires_in`."""
_LONGEST_LIFETIME_S: Final = 86_400.0
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Use:
    """Send this; `must_fetch`: and start to renew it."""

    header: str = field(repr=False)
    must_fetch: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """There is no token; wait for a fetch. `must_fetch`: which is yours to start."""

    must_fetch: bool


@dataclass(frozen=True, slots=True)
class Fail:
    """There is no token and none is to be had now."""

    reason: str
    retry_after_s: float


Advice: TypeAlias = Use | Wait | Fail


class TokenLife:
    """The token of one client."""

    __slots__ = (
        "_fetching",
        "_good_until_s",
        "_header",
        "_next_fetch_s",
        "_pause_s",
        "_reason",
        "_renew_at_s",
    )

    def __init__(self) -> None:
        self._header: str | None = None
        self._good_until_s = 0.0
        self._renew_at_s = 0.0
        self._fetching = False
        self._reason: str | None = None
        self._next_fetch_s = 0.0
        self._pause_s = _FIRST_PAUSE_S

    def ask(self, *, now_s: float) -> Advice:
        """What to do now."""
        if self._header is not None and now_s < self._good_until_s:
            if now_s < self._renew_at_s:
                return Use(self._header, must_fetch=False)
            return Use(self._header, must_fetch=self._start(now_s))
        if self._fetching:
            return Wait(must_fetch=False)
        if self._start(now_s):
            return Wait(must_fetch=True)
        return Fail(self._reason or "no token", self._next_fetch_s - now_s)

    def fetched(self, header: str, *, lifetime_s: float | None, now_s: float) -> None:
        """A token came. `lifetime_s`: None if the server did not say."""
        lifetime_s = min(lifetime_s or _DEFAULT_LIFETIME_S, _LONGEST_LIFETIME_S)
        self._header = header
        # A token of a few seconds is used for half of them.
        self._good_until_s = now_s + max(lifetime_s - _MARGIN_S, lifetime_s / 2)
        self._renew_at_s = min(
            now_s + lifetime_s - min(_EARLY_S, lifetime_s / 10), self._good_until_s
        )
        self._fetching = False
        self._reason = None
        self._pause_s = _FIRST_PAUSE_S
        # Also the least time between two fetches, whatever lifetimes the server invents.
        self._next_fetch_s = now_s + _FIRST_PAUSE_S

    def failed(self, reason: str, *, now_s: float) -> None:
        """The fetch gave no token."""
        self._fetching = False
        self._reason = reason
        self._next_fetch_s = now_s + self._pause_s
        self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)

    def rejected(self, header: str) -> None:
        """The back end does not take this token: fetch another, soon."""
        if self._header == header:
            self._header = None
            self._reason = "the back end rejected the last token"

    def _start(self, now_s: float) -> bool:
        if self._fetching or now_s < self._next_fetch_s:
            return False
        self._fetching = True
        return True
