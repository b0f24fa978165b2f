"""The pools of one client: by quota name, then shape, then key.

A pool is *pending* until an answer tells its key. Everything is bounded: names and pools go when
others were used later, pools also after a while without use, shapes when others are of more use.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

from remixer.attributes.bag import Bag, Reference
from remixer.foundation.status import OK, Status
from remixer.mixer.outcome import UNKNOWN_REFERENCES
from remixer.tiers.keys import Key, Shape
from remixer.tiers.quota_pool import PoolSettings, QuotaPool


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Bounds and times."""

    max_pools: int = 10_000
    max_names: int = 1_000
    """Of quotas. Names come with requests."""
    max_shapes: int = 64
    """Per quota name; more take the room of the least useful. Each costs a try at look-ups."""
    idle_ms: int = 600_000
    """A pool that nobody used for so long goes."""


class KeyedPool:
    """A pool and whose it is."""

    __slots__ = ("idle_until_ms", "key", "pool", "references", "refusal", "used_ms")

    def __init__(self, pool: QuotaPool, *, now_ms: int) -> None:
        self.pool = pool
        self.key: Key | None = None
        """None while pending."""
        self.references: frozenset[Reference] = UNKNOWN_REFERENCES
        """What its grants depend on."""
        self.refusal: Status = OK
        """What the last answer said of quotas that are used up, or will be when its grant is spent."""
        self.used_ms = now_ms
        self.idle_until_ms = now_ms
        """Until then it is known that no quota applies to requests of this key."""


class _Learnt(NamedTuple):
    key: Key
    shape: Shape


class _Quota:
    """What is known of one name. The most useful shapes come first."""

    __slots__ = ("by_references", "pending", "shapes")

    def __init__(self) -> None:
        self.shapes: list[Shape] = []
        self.by_references: dict[frozenset[Reference], Shape] = {}
        self.pending: KeyedPool | None = None


class Pools:
    """Single thread. Times are the caller's milliseconds."""

    def __init__(self, limits: PoolLimits, pool: PoolSettings) -> None:
        self._limits = limits
        self._settings = pool
        self._quotas: OrderedDict[str, _Quota] = OrderedDict()
        self._stored: OrderedDict[Key, KeyedPool] = OrderedDict()
        """The one used last comes last."""
        self._serial = 0
        self._sweep_ms = 0
        """No pool is idle before that."""

    def __len__(self) -> int:
        """How many keys have a pool."""
        return len(self._stored)

    def find(self, name: str, bag: Bag, *, now_ms: int) -> KeyedPool:
        """The pool of a request: that of its key, or the pending one."""
        if now_ms >= self._sweep_ms:
            self._sweep_ms = self._drop_idle(now_ms=now_ms)
        quota = self._quota(name)
        shapes, stored = quota.shapes, self._stored
        for index, shape in enumerate(shapes):
            key = shape.key_of(bag)
            found = None if key is None else stored.get(key)
            if key is not None and found is not None:
                stored.move_to_end(key)
                found.used_ms = now_ms
                if index:
                    shapes[index - 1], shapes[index] = shape, shapes[index - 1]
                return found
        if quota.pending is None:
            quota.pending = self._new(now_ms=now_ms)
        return quota.pending

    def home_of(
        self,
        name: str,
        asker: KeyedPool,
        references: frozenset[Reference],
        bag: Bag,
        *,
        was_pending: bool,
        now_ms: int,
    ) -> KeyedPool:
        """The pool that an answer belongs to, learnt from it.

        `asker` asked, with `bag`, and `was_pending` then. An answer that does not tell a key that
        fits is the asker's.
        """
        quota = self._quota(name)
        learnt = self._learnt(quota, references, bag)
        if learnt is None or learnt.key == asker.key:
            return asker
        home = self._stored.get(learnt.key)
        if was_pending and asker.key is not None:
            return home or self._store(self._new(now_ms=now_ms), learnt, now_ms=now_ms)
        if asker.key is not None and self._stored.get(asker.key) is asker:
            del self._stored[asker.key]  # other rules than those it was learnt from
        if home is not None:
            return home
        if quota.pending is asker:
            quota.pending = None
        return self._store(asker, learnt, now_ms=now_ms)

    def _quota(self, name: str) -> _Quota:
        quota = self._quotas.get(name)
        if quota is None:
            if len(self._quotas) >= self._limits.max_names:
                self._quotas.popitem(last=False)  # its pools go when they have been idle
            quota = self._quotas[name] = _Quota()
        else:
            self._quotas.move_to_end(name)
        return quota

    def _learnt(self, quota: _Quota, references: frozenset[Reference], bag: Bag) -> _Learnt | None:
        """The key that an answer tells; None if the request itself does not fit it."""
        known = quota.by_references.get(references)
        shape = known or Shape(references, serial=self._serial + 1)
        key = shape.key_of(bag)
        if key is None:
            return None
        if known is None:
            self._serial += 1
            if len(quota.shapes) >= self._limits.max_shapes:
                del quota.by_references[quota.shapes.pop().references]
            quota.shapes.insert(0, shape)
            quota.by_references[references] = shape
        return _Learnt(key, shape)

    def _new(self, *, now_ms: int) -> KeyedPool:
        return KeyedPool(QuotaPool(self._settings, now_ms=now_ms), now_ms=now_ms)

    def _store(self, pool: KeyedPool, learnt: _Learnt, *, now_ms: int) -> KeyedPool:
        if len(self._stored) >= self._limits.max_pools:
            self._stored.popitem(last=False)
        pool.key, pool.references, pool.used_ms = learnt.key, learnt.shape.references, now_ms
        self._stored[learnt.key] = pool
        return pool

    def _drop_idle(self, *, now_ms: int) -> int:
        """When it is to be done again."""
        idle_ms = self._limits.idle_ms
        while self._stored:
            key, oldest = next(iter(self._stored.items()))
            if now_ms - oldest.used_ms < idle_ms:
                return oldest.used_ms + idle_ms
            del self._stored[key]
        return now_ms + idle_ms
