"""The answers that one process remembers: by place, then shape, then key.

A *place* is whose rules decide a request. Answers of a place are forgotten together when the rules
that made them change (`stamp`). An answer that is remembered takes the place of every other answer
to the same request: of an allowance and a later denial, only the denial may outlive its time.
"""

from array import array
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import replace
from itertools import repeat
from random import Random
from typing import Final

from remixer.attributes.bag import Bag, Reference
from remixer.attributes.values import Duration, Value
from remixer.foundation.status import Code
from remixer.mixer.outcome import CheckOutcome
from remixer.tiers.keys import Key, Shape, serial_of
from remixer.tiers.memory import MemoryTable, add_zeros
from remixer.tiers.places import Place, Places, Question
from remixer.tiers.settings import CacheSettings
from remixer.tiers.verdicts import SHARES, Verdict, Verdicts
from remixer.wire.key_plan import UNPLANNED
from remixer.wire.layout import Layout

NOT_KEPT: Final = -1
"""The slot of an answer that is not remembered."""

_NS_PER_S: Final = 1_000_000_000
_TENTHS: Final = 10
_TROUBLE: Final = frozenset({Code.UNAVAILABLE, Code.INTERNAL})
"""Verdicts that report a failure. Source: the proxies' own cache does not believe them either."""


class Answers:
    """Single thread. Times are the caller's monotonic seconds."""

    def __init__(self, settings: CacheSettings, *, random: Random) -> None:
        self._settings = settings
        self._random = random
        self._places = Places(settings)
        self._epoch = 0
        self._serial = 0
        self._known = Verdicts(settings)
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

    def place_for(self, name: Hashable, stamp: object, *, now_s: float) -> Place:
        """The place of that name, new unless its stamp is still the same."""
        longest_stale_s = self._known.longest_stale_s
        return self._places.place_for(name, stamp, longest_stale_s=longest_stale_s, now_s=now_s)

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
            given = SHARES[(uses - 1).bit_length()] if keeps else 0
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
        return verdict.told_at(left, given) if told is None else told

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
        verdict, extra_bytes = self._known.again(outcome), 0
        # What was remembered before may be again.
        is_kept = verdict is not None or self._may_be_kept(outcome)
        key = self._key(bag, outcome.references, question, is_kept=is_kept)
        for each in question.keys:
            if each is not key and each != key:
                self.table.drop(each)
        if key is None:
            return NOT_KEPT
        place.learned_s = now_s
        if verdict is None:
            verdict, extra_bytes = self._known.of(outcome)
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
        self._places.forget_all()
        self._known.clear()
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
