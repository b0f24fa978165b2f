"""The table of keys at its limits. Its laws are in tests/property."""

import sys
from itertools import count, islice

from remixer.tiers.memory import ENTRY_BYTES, MemoryTable


def filled(room: int) -> MemoryTable:
    table = MemoryTable(max_entries=room, max_bytes=1 << 30)
    for number in range(room):
        table.put(f"old-{number}")
    return table


def keys(table: MemoryTable) -> set[str]:
    return {key for _, key in table.entries(0, table.slots)}


def test_a_table_without_room_keeps_nothing() -> None:
    table = MemoryTable(max_entries=0, max_bytes=1 << 20)
    assert table.put("a") is None
    assert len(table) == 0


def test_one_entry_fills_no_more_than_a_hundredth_of_the_room() -> None:
    largest = ENTRY_BYTES + sys.getsizeof("a")
    assert MemoryTable(max_entries=9, max_bytes=100 * largest).put("a") is not None
    assert MemoryTable(max_entries=9, max_bytes=100 * largest - 1).put("a") is None


def test_an_entry_that_grows_too_large_goes() -> None:
    table = MemoryTable(max_entries=9, max_bytes=100_000)
    table.put("a")
    assert table.put("a", extra_bytes=100_000) is None
    assert (len(table), table.bytes) == (0, 0)


def test_an_entry_that_grows_makes_others_go() -> None:
    table = MemoryTable(max_entries=1_000, max_bytes=100_000)
    number = 0
    while not table.counts.evicted:
        table.put(f"{number:04}")
        number += 1
    size, evicted = len(table), table.counts.evicted
    last = f"{number - 1:04}"
    assert table.put(last, extra_bytes=700) is not None
    assert len(table) == size - (table.counts.evicted - evicted) < size
    assert table.bytes <= 100_000


def test_the_first_to_go_may_be_the_one_that_grew() -> None:
    table = MemoryTable(max_entries=1_000, max_bytes=100_000)
    number = 0
    while not table.counts.evicted:
        table.put(f"{number:04}")
        number += 1
    assert table.put("0001", extra_bytes=700) is None
    assert table.slot_of("0001") is None


def test_a_scan_leaves_alone_what_is_in_demand() -> None:
    table = filled(100)
    for number in range(50):
        table.slot_of(f"old-{number}")
    for number in range(10_000):
        table.put(f"scan-{number}")
    assert {f"old-{number}" for number in range(50)} <= keys(table)


def test_a_key_that_comes_back_soon_is_taken_for_good() -> None:
    table = filled(100)
    for number in range(50):
        table.slot_of(f"old-{number}")
    table.put("new")
    evicted = next(key for key in (f"old-{n}" for n in range(50, 100)) if key not in keys(table))
    table.put(evicted)
    for number in range(1_000):
        table.put(f"scan-{number}")
    assert evicted in keys(table)


def test_a_key_that_comes_back_is_known_before_another_goes_for_it() -> None:
    room = 100
    alike = (key for key in map(str, count()) if hash(key) % 128 == 0)  # one row for all ghosts
    table = MemoryTable(max_entries=room, max_bytes=1 << 30)
    old = [*islice(alike, room)]
    for key in old:
        table.put(key)
    for key in old[:50]:
        table.slot_of(key)
    table.put(next(alike))
    (evicted,) = set(old) - keys(table)
    table.put(evicted)
    for number in range(1_000):
        table.put(f"scan-{number}")
    assert evicted in keys(table)


def test_an_eviction_takes_few_steps_however_many_are_in_demand() -> None:
    table = filled(5_000)
    for number in range(5_000):
        table.slot_of(f"old-{number}")
    table.put("new")
    assert table.counts.promoted == 100
    assert table.counts.evicted == 1


def test_slots_of_what_is_gone_are_used_again() -> None:
    table = filled(10)
    for number in range(10):
        assert table.drop(f"old-{number}")
        assert not table.drop(f"old-{number}")
    assert (len(table), table.bytes, table.slots) == (0, 0, 10)
    for number in range(10):
        table.put(f"new-{number}")
    assert table.slots == 10


def test_a_table_grows_by_blocks() -> None:
    table = MemoryTable(max_entries=20_000, max_bytes=1 << 30)
    for number in range(20_000):
        slot = table.put(str(number))
        assert slot == number
    assert table.key_at(19_999) == "19999"
    assert len(keys(table)) == 20_000


def test_slots_are_given_out_in_turn_past_the_blocks_they_are_added_in() -> None:
    room = 8_192 + 256 + 3
    table = filled(room)
    assert [slot for slot, _ in table.entries(0, table.slots)] == [*range(room)]
    assert table.slots == room
    assert all(table.slot_of(f"old-{number}") == number for number in range(room))
