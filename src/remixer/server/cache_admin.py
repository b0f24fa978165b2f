"""What operators ask of the memory of verdicts of this process, and of all that share with it."""

from collections.abc import Callable

from remixer.attributes.vocabulary import Vocabulary
from remixer.drivers.key_values import KeyValueError
from remixer.foundation.clock import Clock
from remixer.foundation.log import event_log
from remixer.frontends.cache_admin import NotToldError, Revoked
from remixer.server.revocation_marks import mark_at
from remixer.tiers.cache_report import CacheReport, cache_report
from remixer.tiers.cached import CachedMixer
from remixer.tiers.revoking import matcher
from remixer.tiers.shared.revocations import Revocations
from remixer.wire.revocation_marks import RevocationMark

_log = event_log(__name__)


class CacheAdmin:
    """Implements `CacheOperations`. Without a memory there is nothing to forget."""

    def __init__(
        self,
        cached: CachedMixer | None,
        *,
        vocabulary: Callable[[], Vocabulary],
        clock: Clock,
        mark: RevocationMark,
        revocations: Revocations | None = None,
    ) -> None:
        """`revocations`: how other instances hear of it, and this one marks its answers.

        Without them `mark` is renewed here.
        """
        self._mark = mark
        self._cached = cached
        self._vocabulary = vocabulary
        self._clock = clock
        self._revocations = revocations

    async def revoke(self, text: str) -> Revoked:
        matches = matcher(text, self._vocabulary()) if text else None
        # Here first, so that they can be counted. What comes back from the shared cache meanwhile
        # goes as soon as this process hears of its own revocation.
        dropped = await self._forget(matches)
        if self._revocations is None:
            self._mark.renew(mark_at(self._clock.unix_ns()))
            return Revoked(dropped, is_shared=False)
        try:
            await self._revocations.publish(text)
        except KeyValueError as error:
            raise NotToldError(str(error), dropped=dropped) from error
        return Revoked(dropped, is_shared=True)

    def report(self) -> CacheReport:
        if self._cached is None:
            return CacheReport()
        return cache_report(self._cached, self._vocabulary(), now_s=self._clock.monotonic_s())

    async def _forget(self, matches: "Callable[..., bool] | None") -> int:
        dropped = 0 if self._cached is None else await self._cached.revoke(matches)
        _log.info("verdicts_revoked", dropped=dropped, is_everything=matches is None)
        return dropped
