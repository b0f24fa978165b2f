"""The answers that one process remembers: by place, then shape, then key.

A *place* is whose rules decide a request. Answers of a place are forgotten together when the rules
that made them change (`stamp`). An answer that is remembered takes the place of every other answer
to the same request: of an allowance and a later denial, only the denial may outlive its time.
"""

from array import array
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import repeat
from random import Random
from typing import Final

from remixer.attributes.bag import Bag, Reference
from remixer.attributes.values import Duration, Value
from remixer.foundation.errors import PolicyError
from remixer.foundation.status import Code
from remixer.mixer.outcome import CacheHints, CheckOutcome, Provenance, RouteDirective
from remixer.tiers.keys import Key, Shape, serial_of
from remixer.tiers.memory import MemoryTable, add_zeros
from remixer.tiers.settings import CacheSettings
from remixer.wire.key_plan import UNPLANNED
from remixer.wire.layout import Layout

NOT_KEPT: Final = -1
"""The slot of an answer that is not remembered."""

_NS_PER_S: Final = 1_000_000_000
_UNLIMITED: Final = -1
_USES_BITS: Final = 31
_MOST_USES: Final = 2**_USES_BITS - 1
_SHARE: Final = 4
"""A caller that keeps an answer gets up to this part of its uses: the next one finds some left."""
_LARGEST_SHARE: Final = 1 << 20
"""More requests than a caller has in the life of an answer: what it got beyond would be lost, and the
answer renewed the sooner."""
_SHARES: Final = tuple(
    min(1 << bits >> _SHARE.bit_length(), _LARGEST_SHARE) for bits in range(_USES_BITS + 1)
)
"""What a caller gets of uses that have so many bits: a power of two, so that outcomes recur."""
_TENTHS: Final = 10
_FEW_USES: Final = 16
"""An answer with fewer is not renewed ahead of its last use: that would double the calls."""
_MOST_SHARED: Final = 1_000
"""Verdicts known in case they come again; more are all different, and not worth it."""
_MOST_TOLD: Final = 100
_VERDICT_BYTES: Final = 1_000
"""Of a verdict that no other entry shares, beside its texts."""
_OPERATION_BYTES: Final = 200
_SWEEP_INTERVAL_S: Final = 60.0
_TROUBLE: Final = frozenset({Code.UNAVAILABLE, Code.INTERNAL})
"""Verdicts that report a failure. Source: the proxies' own cache does not believe them either."""


_NO_HINTS: Final = CacheHints()


class Verdict:
    """What was answered, and what follows from it; entries that agree share it."""

    __slots__ = (
        "ahead_s",
        "ahead_uses",
        "first_share",
        "is_ending_at_first",
        "left_at_first",
        "life_s",
        "outcome",
        "stale_for_s",
        "told",
        "told_first",
        "uses",
    )

    def __init__(self, outcome: CheckOutcome, settings: CacheSettings) -> None:
        self.outcome = replace(outcome, quotas={}, provenance=Provenance.MEMORY)
        self.life_s = min(outcome.valid_duration / _NS_PER_S, settings.max_age_s)
        hints = outcome.hints or _NO_HINTS
        refresh_at = settings.refresh_at if hints.refresh_at is None else hints.refresh_at
        self.ahead_s = self.life_s * (1.0 - refresh_at)
        """An entry with no more than this left is renewed."""
        stale_for_s = hints.stale_for_s
        self.stale_for_s = settings.stale_for_s if stale_for_s is None else stale_for_s
        self.uses = max(min(outcome.valid_use_count, _MOST_USES), _UNLIMITED)
        is_renewed = refresh_at < 1.0 and self.uses >= _FEW_USES
        self.ahead_uses = int(self.uses * (1.0 - settings.refresh_uses_at)) if is_renewed else 0
        """And so is one with fewer uses left."""
        self.told: dict[tuple[int, int], CheckOutcome] = {}
        """As told to callers that keep it, by time and uses left: few, so that they recur."""
        first_share = self.uses if self.uses <= 0 else _SHARES[self.uses.bit_length()]
        self.first_share = first_share
        """What a caller gets that keeps it and fetched it, and what is left then."""
        self.left_at_first = self.uses - max(first_share, 0)
        self.is_ending_at_first = 0 <= self.left_at_first < self.ahead_uses
        """Whether so few are left then that it is renewed."""
        self.told_first: dict[Provenance, CheckOutcome] = {}
        """As told to such a caller, by where it comes from."""


class Place:
    """The shapes seen at one place, the most useful first."""

    __slots__ = ("by_references", "is_forgotten", "learned_s", "name", "shapes", "stamp")

    def __init__(self, name: Hashable, stamp: object, *, now_s: float) -> None:
        self.name = name
        self.stamp = stamp
        self.shapes: list[Shape] = []
        self.by_references: dict[frozenset[Reference], Shape] = {}
        self.learned_s = now_s
        self.is_forgotten = False
        """Whether its answers are found by nobody any more."""


@dataclass(slots=True)
class Question:
    """A request whose answer is not remembered, or no more."""

    place: Place
    stamp: Hashable  # mypyc compiles no dataclass with an `object`
    epoch: int
    keys: tuple[Key, ...]
    """Of every shape it may be of: equal tuples are probably one question."""
    made: Mapping[Shape, Key] = field(default_factory=dict)
    """Those that were made of the request, by shape: no need to make them again."""
    is_joinable: bool = False
    """Whether answers to such questions are ones that can be remembered."""
    stale: Verdict | None = None
    """The last answer, if it may stand in for a failure."""
    ended_s: float = 0.0
    """When that one ended."""
    failure: PolicyError | None = None
    """What became of another's call for the same."""


class Answers:
    """Single thread. Times are the caller's monotonic seconds."""

    def __init__(self, settings: CacheSettings, *, random: Random) -> None:
        self._settings = settings
        self._random = random
        self._places: dict[Hashable, Place] = {}
        self._swept_s = 0.0
        self._epoch = 0
        self._serial = 0
        self._shared: dict[tuple[object, ...], Verdict] = {}
        self._recurring: dict[int, tuple[CheckOutcome, Verdict]] = {}
        """By `id`: answers that equalled earlier ones. The same objects come again and again."""
        self._longest_stale_s = settings.stale_for_s
        self.uses_spent = 0
        """Of answers that may be used so many times; uses given to callers included."""
        self.shapes_replaced = 0
        """Kinds of answers forgotten because their place had as many as are allowed."""
        self.table = MemoryTable(max_entries=settings.max_entries, max_bytes=settings.max_bytes)
        # Columns, by slot of the table.
        self._born_s = array("d")
        self._ahead_s = array("d")  # when it is to be renewed
        self._ends_s = array("d")
        self._uses = array("i")  # left; below zero for ever
        self._verdicts: list[Verdict | None] = []

    # ------------------------------------------------------------ asking

    def find(self, bag: Bag, place: Hashable, stamp: object, *, now_s: float) -> int | Question:
        """The slot of an answer that is good now; else the question."""
        known = self._places.get(place)
        if known is None or known.stamp is not stamp:
            known = self.place_for(place, stamp, now_s=now_s)
        slot_of, shapes = self.table.slot_of, known.shapes
        made: dict[Shape, Key] = {}
        ended: list[int] = []
        is_joinable = False
        for shape in shapes:
            key = shape.key_of(bag)
            if key is None:
                continue
            slot = slot_of(key)
            if slot is not None:
                if now_s < self._ends_s[slot] and self._uses[slot]:
                    if shape is not shapes[0]:
                        _move_forward(shapes, shapes.index(shape))
                    shape.counts.hits += 1
                    return slot
                ended.append(slot)
            made[shape] = key
            is_joinable |= shape.is_kept
        return self._question(known, stamp, made, ended, is_joinable=is_joinable, now_s=now_s)

    def find_by_words(  # noqa: C901 - one loop, as each call of a function is a fiftieth of a hit
        self,
        place: Place,
        layout: Layout,
        words: list[bytes],
        now_s: float,
        but_ending: bool,  # noqa: FBT001 - by name it takes 0.1 us of each hit
    ) -> int | Question | None:
        """As `find`, of a request of a known layout, none of whose words is a name of the layout.

        None where that is not so, where words do not tell a key, and where an answer is to be
        renewed (with `but_ending`): such a request is looked at in full.
        """
        slot_of, shapes = self.table.slot_of, place.shapes
        made: dict[Shape, Key] = {}
        ended: list[int] = []
        is_joinable = False
        for shape in shapes:
            texts = layout.texts_of(words, shape.references, shape.wanted)
            if texts is None:
                continue
            if texts is UNPLANNED:
                return None
            key = shape.serial_text + texts
            slot = slot_of(key)
            if slot is not None:
                if now_s < self._ends_s[slot] and self._uses[slot]:
                    # Names last: plans of shapes that are new to the layout have added some.
                    is_told = layout.names.isdisjoint(words)
                    if not is_told or (but_ending and now_s >= self._ahead_s[slot]):
                        return None
                    if shape is not shapes[0]:
                        _move_forward(shapes, shapes.index(shape))
                    shape.counts.hits += 1
                    return slot
                ended.append(slot)
            made[shape] = key
            is_joinable |= shape.is_kept
        if not layout.names.isdisjoint(words):
            return None
        return self._question(place, place.stamp, made, ended, is_joinable=is_joinable, now_s=now_s)

    def question(self, place: Hashable, stamp: object, *, now_s: float) -> Question:
        """The question of a request whose answer is remembered, for its renewal."""
        return Question(self.place_for(place, stamp, now_s=now_s), stamp, self._epoch, ())

    def keys_of(self, bag: Bag, place: Place) -> tuple[Key, ...]:
        """A request's keys of all shapes that it may be of."""
        keys = (shape.key_of(bag) for shape in place.shapes)
        return tuple(key for key in keys if key is not None)

    def take(self, slot: int, *, now_s: float, keeps: bool) -> CheckOutcome:
        """The answer at a slot that `find` gave just now, for one use."""
        verdict = self._verdicts[slot]
        assert verdict is not None  # noqa: S101 - set when the slot was given out
        given = uses = self._uses[slot]
        if uses > 0:
            given = _SHARES[(uses - 1).bit_length()] if keeps else 0
            spent = 1 + given
            self._uses[slot] = uses_left = uses - spent
            self.uses_spent += spent
            if uses_left < verdict.ahead_uses:
                self._ahead_s[slot] = now_s
        if not keeps:
            return verdict.outcome
        left = int((self._ends_s[slot] - now_s) * _TENTHS)
        if left > _TENTHS:
            left -= left % _TENTHS
        # Outcomes recur, so that what frontends prepare of them does too.
        told = verdict.told.get((left, given))
        return self._told(verdict, left, given) if told is None else told

    def _told(self, verdict: Verdict, left: int, given: int) -> CheckOutcome:
        if len(verdict.told) >= _MOST_TOLD:
            verdict.told.clear()
        told = verdict.told[left, given] = replace(
            verdict.outcome,
            valid_duration=Duration(left * (_NS_PER_S // _TENTHS)),
            valid_use_count=given,
        )
        return told

    def is_ok(self, slot: int) -> bool:
        """Whether the answer at a slot is no denial."""
        verdict = self._verdicts[slot]
        assert verdict is not None  # noqa: S101 - set when the slot was given out
        return verdict.outcome.status.code == 0

    def is_ending(self, slot: int, *, now_s: float) -> bool:
        """Whether it is time to renew the answer at a slot."""
        return now_s >= self._ahead_s[slot]

    # ------------------------------------------------------------ learning

    def learn(self, bag: Bag, outcome: CheckOutcome, question: Question, *, now_s: float) -> int:
        """Remember an answer if it may be; its slot, or `NOT_KEPT`.

        All else that is remembered for `question.keys` is forgotten.
        """
        place = question.place
        if question.epoch != self._epoch or place is not self._places.get(place.name):
            return NOT_KEPT
        recurring = self._recurring.get(id(outcome))
        if recurring is not None and recurring[0] is not outcome:
            recurring = None
        # What was remembered before may be again.
        is_kept = recurring is not None or self._may_be_kept(outcome)
        key = self._key(bag, outcome.references, question, is_kept=is_kept)
        for each in question.keys:
            if each is not key and each != key:
                self.table.drop(each)
        if key is None:
            return NOT_KEPT
        place.learned_s = now_s
        verdict, extra_bytes = self._verdict(outcome) if recurring is None else (recurring[1], 0)
        slot = self.table.put(key, extra_bytes=extra_bytes)
        if slot is None:
            return NOT_KEPT
        if slot >= len(self._verdicts):
            self._add_rows()
        jitter = self._settings.jitter * self._random.random()
        self._born_s[slot] = now_s
        ends_s = self._ends_s[slot] = now_s + verdict.life_s * (1.0 - jitter)
        self._ahead_s[slot] = ends_s - verdict.ahead_s
        self._uses[slot] = verdict.uses
        self._verdicts[slot] = verdict
        return slot

    def told_first(self, outcome: CheckOutcome, slot: int) -> CheckOutcome:
        """What a caller that keeps it is told of an answer just learned at `slot`."""
        if slot == NOT_KEPT:
            return self._told_of(outcome, outcome.valid_use_count)
        verdict = self._verdicts[slot]
        assert verdict is not None  # noqa: S101 - set when it was learned
        given = verdict.first_share
        if given > 0:
            self._uses[slot] = verdict.left_at_first
            self.uses_spent += given
        if verdict.is_ending_at_first:
            self._ahead_s[slot] = self._born_s[slot]
        if outcome.quotas:
            return self._told_of(outcome, given)
        told = verdict.told_first.get(outcome.provenance)
        if told is None:
            told = verdict.told_first[outcome.provenance] = self._told_of(outcome, given)
        return told

    def _told_of(self, outcome: CheckOutcome, uses: int) -> CheckOutcome:
        longest = Duration(int(self._settings.max_age_s * _NS_PER_S))
        valid_duration = min(outcome.valid_duration, longest)
        if valid_duration == outcome.valid_duration and uses == outcome.valid_use_count:
            return outcome
        return replace(outcome, valid_duration=valid_duration, valid_use_count=uses)

    def _key(
        self, bag: Bag, references: frozenset[Reference], question: Question, *, is_kept: bool
    ) -> Key | None:
        """The key of an answer; None if it is not to be kept, or cannot be found again."""
        place = question.place
        shape = place.by_references.get(references)
        if not is_kept:
            if shape is not None:
                shape.is_kept = False
            return None
        if shape is None:
            shape = self._new_shape(place, references)
        shape.is_kept = True
        key = question.made.get(shape) or shape.key_of(bag)
        if key is not None:
            shape.counts.learn(key)
        return key

    def _may_be_kept(self, outcome: CheckOutcome) -> bool:
        return (
            outcome.valid_duration > 0
            and outcome.valid_use_count != 0
            and self._settings.max_age_s > 0
            and outcome.status.code not in _TROUBLE
        )

    # ------------------------------------------------------------ forgetting

    def forget(self, first: int, end: int, matches: Callable[[Mapping[str, Value]], bool]) -> int:
        """Forget answers at these slots whose known attributes match; how many."""
        shapes = {shape.serial: shape for place in self._places.values() for shape in place.shapes}
        doomed = []
        for _, key in self.table.entries(first, end):
            shape = shapes.get(serial_of(key))
            # Answers of former rules are found by nobody any more, and leave in their turn.
            if shape is not None and matches(shape.values_of(key)):
                doomed.append(key)
        for key in doomed:
            self.table.drop(key)
        return len(doomed)

    def begin_epoch(self) -> None:
        """Let nobody learn what was asked before now: what it came from may be revoked."""
        self._epoch += 1

    def clear(self) -> None:
        """Forget all."""
        self.begin_epoch()
        for place in [*self._places]:
            self._forget_place(place)
        self._shared.clear()
        self._recurring.clear()
        settings, counts = self._settings, self.table.counts
        self.table = MemoryTable(
            max_entries=settings.max_entries, max_bytes=settings.max_bytes, counts=counts
        )
        del self._born_s[:], self._ahead_s[:], self._ends_s[:]
        del self._uses[:], self._verdicts[:]

    # ------------------------------------------------------------ telling

    def places(self) -> Iterator[Place]:
        """All that are known; change nothing meanwhile."""
        yield from self._places.values()

    def times_at(self, slot: int) -> tuple[float, float]:
        """When an answer was learned, and when it ends."""
        return self._born_s[slot], self._ends_s[slot]

    def life_at(self, slot: int) -> float:
        """How long an answer may live at most."""
        return self._verdict_at(slot).life_s

    @property
    def shapes(self) -> int:
        """How many shapes are known, of all places."""
        return sum(len(place.shapes) for place in self._places.values())

    # ------------------------------------------------------------ inside

    def place_for(self, name: Hashable, stamp: object, *, now_s: float) -> Place:
        """The place of that name, new unless its stamp is still the same."""
        known = self._places.get(name)
        if known is not None and known.stamp == stamp:
            known.stamp = stamp  # so that the next look-up need not compare
            return known
        if now_s - self._swept_s >= _SWEEP_INTERVAL_S:
            self._sweep(now_s=now_s)
        if known is not None:
            known.is_forgotten = True
        elif len(self._places) >= self._settings.max_places:
            self._forget_place(next(iter(self._places)))
        # Answers of the former rules are found by nobody any more, and leave in their turn.
        fresh = self._places[name] = Place(name, stamp, now_s=now_s)
        return fresh

    def _sweep(self, *, now_s: float) -> None:
        """Forget places all of whose answers have ended: their stamps hold on to old rules."""
        self._swept_s = now_s
        longest_s = self._settings.max_age_s + self._longest_stale_s
        for place in [*self._places.values()]:
            if now_s - place.learned_s > longest_s:
                self._forget_place(place.name)

    def _forget_place(self, name: Hashable) -> None:
        self._places.pop(name).is_forgotten = True

    def _add_rows(self) -> None:
        """As many to all columns as the table has slots."""
        rows = self.table.slots - len(self._verdicts)
        for column in (self._born_s, self._ahead_s, self._ends_s):
            add_zeros(column, rows)
        add_zeros(self._uses, rows)
        self._verdicts.extend(repeat(None, rows))

    def _new_shape(self, place: Place, references: frozenset[Reference]) -> Shape:
        if len(place.shapes) >= self._settings.max_shapes:
            least_useful = place.shapes.pop()
            del place.by_references[least_useful.references]
            self.shapes_replaced += 1
        self._serial += 1
        shape = place.by_references[references] = Shape(references, serial=self._serial)
        place.shapes.append(shape)
        return shape

    def _verdict(self, outcome: CheckOutcome) -> tuple[Verdict, int]:
        """One object for equal answers, and what it takes if no other entry has it yet."""
        status, directive = outcome.status, outcome.directive
        sameness = (
            status.code,
            status.message,
            outcome.valid_duration,
            outcome.valid_use_count,
            outcome.references,
            directive,
            outcome.decisions,
            outcome.hints,
        )
        verdict = self._shared.get(sameness)
        if verdict is not None:
            if len(self._recurring) >= _MOST_SHARED:
                self._recurring.clear()
            self._recurring[id(outcome)] = outcome, verdict
            return verdict, 0
        if len(self._shared) >= _MOST_SHARED:
            # Forgetting makes equal answers take memory twice, no more.
            self._shared.clear()
        verdict = self._shared[sameness] = Verdict(outcome, self._settings)
        self._longest_stale_s = max(self._longest_stale_s, verdict.stale_for_s)
        return verdict, _VERDICT_BYTES + len(status.message) + _bytes_of(directive)

    def _question(
        self,
        place: Place,
        stamp: object,
        made: dict[Shape, Key],
        ended: list[int],
        *,
        is_joinable: bool,
        now_s: float,
    ) -> Question:
        question = Question(place, stamp, self._epoch, (*made.values(),), made, is_joinable)
        if ended:
            self._note_stale(question, ended, now_s=now_s)
        return question

    def _note_stale(self, question: Question, slots: list[int], *, now_s: float) -> None:
        latest = max(slots, key=self._ends_s.__getitem__)
        verdict = self._verdict_at(latest)
        if verdict.stale_for_s > 0 and now_s < self._ends_s[latest] + verdict.stale_for_s:
            question.stale = verdict
            question.ended_s = self._ends_s[latest]

    def _verdict_at(self, slot: int) -> Verdict:
        verdict = self._verdicts[slot]
        assert verdict is not None  # noqa: S101 - set when the slot was given out
        return verdict


def _move_forward(shapes: list[Shape], index: int) -> None:
    """One place nearer to the first: after a while the most useful come first."""
    shapes[index - 1], shapes[index] = shapes[index], shapes[index - 1]


def _bytes_of(directive: RouteDirective | None) -> int:
    if directive is None:
        return 0
    operations = (*directive.request_header_operations, *directive.response_header_operations)
    texts = sum(len(each.name) + len(each.value) + _OPERATION_BYTES for each in operations)
    return texts + len(directive.direct_response_body)
