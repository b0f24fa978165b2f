"""Revocations: everywhere, what was answered before an instant and matches counts no more.

Theory of operation. A revocation is a document in the shared cache, numbered by a counter there.
Instances look at the counter each `poll_s`, and at once when a notice comes (Valkey and Redis; it
carries nothing, so nothing need be believed). They read what is new, tell whoever has subscribed,
and keep each revocation for as long as an older answer may live: nothing is deleted in the shared
cache, for nobody could tell by a key what it matches; older answers that match are refused when
they are read. An instance that starts reads the last ones too.

What cannot be understood, and what is known to exist and cannot be read, counts for everything.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from remixer.attributes.values import Value
from remixer.drivers.key_values import Addition, KeyValueError, Notices, Put
from remixer.foundation.clock import Clock
from remixer.foundation.log import event_log
from remixer.tiers.shared.bytes import ByteReader, ByteWriter, MalformedError
from remixer.tiers.shared.cache import SharedCache
from remixer.tiers.shared.seal import FORMAT, Kind, Refusal, RefusedError, Seal

Matches: TypeAlias = Callable[[Mapping[str, Value]], bool]
"""Whether an answer's known attributes match; never raises."""
Taker: TypeAlias = Callable[[Matches | None], Awaitable[object]]
"""Forgets what matches, or everything; `CachedMixer.revoke` is one."""

MOST_REVOCATIONS: Final = 64
"""In force at once, by themselves. Beyond, the oldest counts for everything."""
_MOST_TEXT_BYTES: Final = 16 << 10
_MOST_MISSED: Final = 3
"""Looks after which a document that should be there is taken for lost."""
_COUNTER_LIFE_MS: Final = 30 * 24 * 3_600 * 1_000
_COUNTER: Final = b"rx%d:revocations" % FORMAT
_CHANNEL: Final = f"rx{FORMAT}:revocations"

_log: Final = event_log(__name__)


class BadRevocationError(ValueError):
    """The text is no condition. `str()` says why."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """What was made before `at_ms` (wall clock) and matches `text` counts no more."""

    at_ms: int
    text: str = ""
    """A CEXL condition; "" for everything."""


class Revocations(Protocol):
    """Tells all instances, and hears from them."""

    def subscribe(self, take: Taker) -> None:
        """Await `take` at each revocation, our own included."""
        ...

    async def publish(self, text: str = "") -> None:
        """Revoke everywhere. Raises `BadRevocationError`, or `KeyValueError` if nobody can hear.

        Here it is in force in any case when this returns or raises `KeyValueError`.
        """
        ...


@dataclass(frozen=True, slots=True)
class _InForce:
    at_ms: int
    matches: Matches | None


class SharedRevocations:
    """Implements `Revocations`; also the judge of what is read from the shared cache."""

    def __init__(
        self,
        cache: SharedCache,
        *,
        seal: Seal,
        clock: Clock,
        compile_text: Callable[[str], Matches],
        notices: Notices | None = None,
    ) -> None:
        """`compile_text` raises `BadRevocationError`. Without `notices` there is only polling."""
        self._cache = cache
        self._clock = clock
        self._compile = compile_text
        self._notices = notices
        self._takers: list[Taker] = []
        self._in_force: list[_InForce] = []
        self._seen: int | None = None
        self._missing: dict[int, int] = {}
        """Documents that should be there, with how often they were looked for."""
        self._own: set[int] = set()
        self._wake = asyncio.Event()
        self.seal = seal

    # ------------------------------------------------------------ the port

    def subscribe(self, take: Taker) -> None:
        self._takers.append(take)

    async def publish(self, text: str = "") -> None:
        if len(text.encode("utf-8", "surrogatepass")) > _MOST_TEXT_BYTES:
            message = f"the condition has more than {_MOST_TEXT_BYTES} bytes"
            raise BadRevocationError(message)
        revocation = Revocation(self._clock.unix_ns() // 1_000_000, text)
        await self._apply(revocation, self._compile(text) if text else None)
        addition = Addition(_COUNTER, 1, _COUNTER_LIFE_MS)
        (number,) = await self._cache.store_of(_COUNTER).add_many((addition,))
        self._own.add(number)
        key = _document_key(number)
        document = self.seal.close(Kind.REVOCATION, key, _encoded(revocation))
        await self._cache.store_of(key).put_many((Put(key, document, self._life_ms),))
        if self._notices is not None:
            await self._notices.notify(_CHANNEL)

    # ------------------------------------------------------------ the judge

    @property
    def latest_ms(self) -> int:
        """When the latest of those in force was made, in all instances the same; 0 if there is none."""
        return max((each.at_ms for each in self._in_force), default=0)

    @property
    def are_in_force(self) -> bool:
        """Whether there is anything to judge by."""
        return bool(self._in_force)

    def is_revoked(self, made_ms: int, values: Callable[[], Mapping[str, Value]]) -> bool:
        """Whether an answer that was asked for at `made_ms` counts no more.

        `values`: of the attributes that it depended on; called only if they matter.
        """
        skew_ms = int(self._cache.settings.max_skew_s * 1_000)
        return any(
            made_ms <= each.at_ms + skew_ms and (each.matches is None or each.matches(values()))
            for each in self._in_force
        )

    # ------------------------------------------------------------ life

    async def run(self) -> None:
        """Listen and look, until cancelled."""
        if self._notices is None:
            await self._look_forever()
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._notices.listen(_CHANNEL, self._wake.set))
            group.create_task(self._look_forever())

    async def look(self) -> None:
        """Read what is new. A server that is not there has nothing new."""
        try:
            await self._look()
        except KeyValueError as error:
            _log.debug("revocations_not_read", reason=str(error))

    async def _look_forever(self) -> None:
        while True:
            self._wake.clear()
            if not self._cache.is_resting:
                await self.look()
            try:
                async with asyncio.timeout(self._cache.settings.poll_s):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _look(self) -> None:
        self._forget()
        (text,) = await self._cache.store_of(_COUNTER).get_many((_COUNTER,))
        newest = int(text) if text is not None and text.strip().isdigit() else 0
        is_first = self._seen is None
        seen = 0 if self._seen is None or newest < self._seen else self._seen
        if newest - seen > MOST_REVOCATIONS:
            seen = newest - MOST_REVOCATIONS
            if not is_first:  # more than can be told apart
                await self._apply(Revocation(self._clock.unix_ns() // 1_000_000), None)
        self._seen = newest
        wanted = [each for each in range(seen + 1, newest + 1) if each not in self._own]
        self._own = {each for each in self._own if each > newest}
        for number in wanted:
            # At a start those that are gone have ended; afterwards each must be found.
            self._missing[number] = _MOST_MISSED if is_first else 0
        for number in list(self._missing):
            await self._read(number)

    async def _read(self, number: int) -> None:
        key = _document_key(number)
        (document,) = await self._cache.store_of(key).get_many((key,))
        if document is None:
            self._missing[number] += 1
            if self._missing[number] < _MOST_MISSED:
                return
            if self._missing.pop(number) == _MOST_MISSED:
                await self._apply(Revocation(self._clock.unix_ns() // 1_000_000), None)
            return
        del self._missing[number]
        revocation = self._opened(key, document)
        matches = None
        if revocation.text:
            try:
                matches = self._compile(revocation.text)
            except BadRevocationError as error:
                _log.warning("revocation_not_understood", reason=str(error))
        await self._apply(revocation, matches)

    def _opened(self, key: bytes, document: bytes) -> Revocation:
        """The revocation; one of everything, now, if it cannot be believed."""
        try:
            return _decoded(self.seal.open(Kind.REVOCATION, key, document))
        except RefusedError as error:
            self._cache.counts.refused[error.cause] += 1
        except MalformedError:
            self._cache.counts.refused[Refusal.MALFORMED] += 1
        return Revocation(self._clock.unix_ns() // 1_000_000)

    async def _apply(self, revocation: Revocation, matches: Matches | None) -> None:
        self._in_force.append(_InForce(revocation.at_ms, matches))
        if len(self._in_force) > MOST_REVOCATIONS:
            oldest, second, *others = self._in_force
            merged = _InForce(max(oldest.at_ms, second.at_ms), None)
            self._in_force = [merged, *others]
        for take in self._takers:
            await take(matches)

    def _forget(self) -> None:
        """What is older than any answer needs no revocation any more."""
        oldest_ms = self._clock.unix_ns() // 1_000_000 - self._life_ms
        self._in_force = [each for each in self._in_force if each.at_ms >= oldest_ms]

    @property
    def _life_ms(self) -> int:
        settings = self._cache.settings
        return int((settings.max_age_s + 2 * settings.max_skew_s) * 1_000)


def _document_key(number: int) -> bytes:
    return b"%b:%d" % (_COUNTER, number)


def _encoded(revocation: Revocation) -> bytes:
    writer = ByteWriter()
    writer.number(revocation.at_ms)
    writer.text(revocation.text)
    return writer.taken()


def _decoded(body: bytes) -> Revocation:
    reader = ByteReader(body)
    revocation = Revocation(reader.number(), reader.text())
    reader.end()
    return revocation
