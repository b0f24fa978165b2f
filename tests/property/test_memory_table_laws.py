"""Laws of the parts of the memory: keys tell what they are made of, the table keeps its bounds."""

import struct
import sys
from collections import deque
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.attributes.bag import Condition, PlainBag, Reference
from remixer.attributes.values import Duration, PlainStringMap, Timestamp, Value
from remixer.tiers.keys import Shape, serial_of
from remixer.tiers.memory import ENTRY_BYTES, Ghosts, MemoryTable

# ------------------------------------------------------------ keys

NASTY = st.sampled_from(
    ["", "a", "\0", "a\0", "\0a", "a\0a", "\1", "1", "s1:a", "é", "\udcff", "0"]
)
ANY: st.SearchStrategy[Value] = st.one_of(
    NASTY,
    st.sampled_from([0, 1, -1, 2**63 - 1]),
    st.sampled_from([True, False]),
    st.sampled_from([0.0, -0.0, 1.0, float("nan"), -float("nan"), float("inf")]),
    st.sampled_from([b"", b"a", b"\0", b"\1\2\3\4"]),
    st.sampled_from([Timestamp(0), Timestamp(1), Duration(0), Duration(1)]),
    st.dictionaries(NASTY, NASTY, max_size=2).map(PlainStringMap),
)
NAMES = ("a", "b", "c")
bags = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, NASTY | ANY)).map(PlainBag)
references = st.sets(
    st.one_of(
        st.builds(Reference, st.sampled_from(NAMES), st.none(), st.sampled_from(Condition)),
        st.builds(
            Reference,
            st.sampled_from(NAMES),
            st.sampled_from(["a", "", "\0"]),
            st.sampled_from([Condition.ABSENCE, Condition.EXACT]),
        ),
    ),
    max_size=4,
).map(frozenset)


def carried(value: Value) -> object:
    """Equal for values that no rule can tell apart."""
    match value:
        case float():
            return float, struct.pack(">d", value)
        case PlainStringMap():
            return dict, sorted(value.items())
        case _:
            return type(value), value


def told(bag: PlainBag, reference: Reference) -> object:
    """What a reference tells of a request; itself if it does not fit."""
    value = bag.get(reference.name)
    if reference.key is None:
        match reference.condition:
            case Condition.ABSENCE:
                return None if value is None else reference
            case Condition.EXACT:
                return reference if value is None else carried(value)
            case Condition.PRESENCE:
                return None if isinstance(value, PlainStringMap) else reference
    if not isinstance(value, PlainStringMap):
        return reference
    entry = value.get(reference.key or "")
    if reference.condition is Condition.ABSENCE:
        return None if entry is None else reference
    return reference if entry is None else entry


def consistent(found: frozenset[Reference]) -> bool:
    """Whether one request can give rise to these: a map is read by key, as a whole, or is absent."""
    by_place = {(each.name, each.key) for each in found}
    keyed = {each.name for each in found if each.key is not None}
    return len(by_place) == len(found) and not any(
        each.key is None and each.name in keyed for each in found
    )


@settings(max_examples=200)
@given(references.filter(consistent), bags, bags)
def test_keys_are_equal_exactly_when_all_that_is_referenced_is(
    found: frozenset[Reference], first: PlainBag, second: PlainBag
) -> None:
    shape = Shape(found, serial=7)
    key, other = shape.key_of(first), shape.key_of(second)
    fits = all(told(first, each) is not each for each in found)
    assert (key is not None) == fits
    if key is not None:
        alike = all(told(first, each) == told(second, each) for each in found)
        assert (key == other) == alike


@given(st.lists(NASTY | ANY, min_size=2, max_size=2), st.lists(NASTY | ANY, min_size=2, max_size=2))
def test_two_values_are_not_mistaken_for_two_others(one: list[Value], two: list[Value]) -> None:
    shape = Shape(
        frozenset({Reference("a", None, Condition.EXACT), Reference("b", None, Condition.EXACT)}),
        serial=7,
    )
    keys = [shape.key_of(PlainBag(zip("ab", values, strict=True))) for values in (one, two)]
    same = [*map(carried, one)] == [*map(carried, two)]
    assert (keys[0] == keys[1]) == same


@settings(max_examples=200)
@given(references.filter(consistent), bags)
def test_a_key_tells_what_was_read(found: frozenset[Reference], bag: PlainBag) -> None:
    shape = Shape(found, serial=7)
    key = shape.key_of(bag)
    if key is None:
        return
    assert serial_of(key) == 7
    values = shape.values_of(key)
    for each in found:
        value = values.get(each.name)
        if each.condition is Condition.PRESENCE:
            assert value == PlainStringMap()
        elif each.condition is Condition.EXACT and value is not None and each.key is None:
            assert carried(value) == carried(bag[each.name])
        elif each.condition is Condition.EXACT:
            assert isinstance(value, PlainStringMap)
            entries = bag[each.name]
            assert isinstance(entries, PlainStringMap)
            assert value.get(each.key or "") == entries[each.key or ""]


@given(bags)
def test_shapes_of_other_numbers_have_other_keys(bag: PlainBag) -> None:
    everything = frozenset(Reference(name, None, Condition.EXACT) for name in bag)
    keys = [Shape(everything, serial=serial).key_of(bag) for serial in (1, 11, 111)]
    assert len(set(keys)) == 3


# ------------------------------------------------------------ the table


@dataclass(slots=True)
class NaiveTable:
    """S3-FIFO as one would tell it, with lists."""

    max_entries: int
    max_bytes: int
    small: deque[str] = field(default_factory=deque)
    main: deque[str] = field(default_factory=deque)
    rounds: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    ghosts: dict[int, int] = field(default_factory=dict)

    def get(self, key: str) -> bool:
        if key in self.rounds:
            self.rounds[key] = min(3, self.rounds[key] + 1)
        return key in self.rounds

    def put(self, key: str, extra: int) -> bool:
        size = sys.getsizeof(key) + ENTRY_BYTES + extra
        if size > self.max_bytes // 100:
            self.drop(key)
            return False
        if key in self.rounds:
            self.sizes[key] = size
            while sum(self.sizes.values()) > self.max_bytes:
                self.evict()
            return key in self.rounds
        row = hash(key) & (len_of_ghosts(self.max_entries) - 1)
        is_back = self.ghosts.get(row) == hash(key)
        if is_back:
            del self.ghosts[row]  # before what is evicted now takes its row
        while len(self.rounds) >= self.max_entries or (
            sum(self.sizes.values()) + size > self.max_bytes
        ):
            self.evict()
        (self.main if is_back else self.small).append(key)
        self.rounds[key], self.sizes[key] = 0, size
        return True

    def drop(self, key: str) -> None:
        if self.rounds.pop(key, None) is not None:
            del self.sizes[key]
            (self.small if key in self.small else self.main).remove(key)

    def evict(self) -> None:
        for _ in range(100):
            is_small = self.takes_small()
            key = self.small[0] if is_small else self.main[0]
            if not self.rounds[key]:
                break
            (self.small if is_small else self.main).popleft()
            self.rounds[key] = 0 if is_small else self.rounds[key] - 1
            self.main.append(key)
        is_small = self.takes_small()
        key = self.small[0] if is_small else self.main[0]
        if is_small:
            self.ghosts[hash(key) & (len_of_ghosts(self.max_entries) - 1)] = hash(key)
        self.drop(key)

    def takes_small(self) -> bool:
        return len(self.small) * 10 >= len(self.rounds) or not self.main


def len_of_ghosts(max_entries: int) -> int:
    return 1 << max(0, max_entries - 1).bit_length()


acts = st.lists(
    st.tuples(
        st.sampled_from(["get", "get", "put", "put", "drop"]),
        st.integers(0, 30).map(str),
        st.sampled_from([0, 0, 100, 10_000, 10**9]),
    ),
    min_size=20,
    max_size=300,
)


@settings(max_examples=100, deadline=None)
@given(acts, st.sampled_from([1, 3, 12, 20]), st.sampled_from([20_000, 60_000, 2_000_000]))
def test_the_table_does_what_the_naive_one_does(
    acts: list[tuple[str, str, int]], max_entries: int, max_bytes: int
) -> None:
    table = MemoryTable(max_entries=max_entries, max_bytes=max_bytes)
    naive = NaiveTable(max_entries, max_bytes)
    for act, key, extra in acts:
        match act:
            case "get":
                assert (table.slot_of(key) is not None) == naive.get(key)
            case "put":
                slot = table.put(key, extra_bytes=extra)
                assert (slot is not None) == naive.put(key, extra)
                assert slot is None or table.key_at(slot) == key
            case _:
                table.drop(key)
                naive.drop(key)
        assert {key for _, key in table.entries(0, table.slots)} == set(naive.rounds)
        assert len(table) == len(naive.rounds) <= max_entries
        assert table.bytes == sum(naive.sizes.values()) <= max_bytes
        assert table.slots <= max_entries


@given(st.lists(st.integers(0, 50).map(str), max_size=200))
def test_what_was_put_is_there_until_it_is_evicted(keys: list[str]) -> None:
    table = MemoryTable(max_entries=8, max_bytes=1 << 20)
    for key in keys:
        evicted, size = table.counts.evicted, len(table)
        is_new = table.slot_of(key) is None
        assert table.put(key) is not None
        assert table.slot_of(key) is not None
        assert len(table) == size + is_new - (table.counts.evicted - evicted)
    assert table.counts.inserted - table.counts.evicted == len(table)


@given(st.integers(1, 2**62), st.integers(1, 2**62))
def test_a_ghost_is_known_once_until_another_needs_its_row(one: int, two: int) -> None:
    ghosts = Ghosts(16)
    ghosts.add(one)
    assert ghosts.take(one)
    assert not ghosts.take(one)
    ghosts.add(one)
    ghosts.add(two)
    assert ghosts.take(two)
    assert ghosts.take(one) == (one % 16 != two % 16)
