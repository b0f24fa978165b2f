"""Whose a pool is: pending, learnt, moved, gone."""

from typing import Final

from remixer.attributes.bag import Condition, PlainBag, Reference, plain_bag
from remixer.mixer.outcome import UNKNOWN_REFERENCES
from remixer.tiers.quota_pool import PoolSettings
from remixer.tiers.quota_pools import KeyedPool, PoolLimits, Pools

USER: Final = frozenset({Reference("user", None, Condition.EXACT)})
PATH: Final = frozenset({Reference("path", None, Condition.EXACT)})
BOTH: Final = USER | PATH


def pools(**limits: int) -> Pools:
    return Pools(PoolLimits(**limits), PoolSettings())


def of(user: str, path: str = "/") -> PlainBag:
    return plain_bag({"user": user, "path": path})


def learn(
    held: Pools,
    bag: PlainBag,
    references: frozenset[Reference] = USER,
    *,
    name: str = "q",
    now_ms: int = 0,
) -> KeyedPool:
    """A request, and its answer."""
    asker = held.find(name, bag, now_ms=now_ms)
    was_pending = asker.key is None
    return held.home_of(name, asker, references, bag, was_pending=was_pending, now_ms=now_ms)


def test_all_keys_share_the_pending_pool_of_a_name() -> None:
    held = pools()
    pending = held.find("q", of("al"), now_ms=0)
    assert held.find("q", of("bo"), now_ms=0) is pending
    assert held.find("other", of("al"), now_ms=0) is not pending
    assert (pending.key, pending.references, len(held)) == (None, UNKNOWN_REFERENCES, 0)


def test_the_first_answer_makes_the_pending_pool_its_own() -> None:
    held = pools()
    pending = held.find("q", of("al"), now_ms=0)
    assert learn(held, of("al")) is pending
    assert pending.references == USER
    assert held.find("q", of("al", "/x"), now_ms=0) is pending
    assert held.find("q", of("bo"), now_ms=0) is not pending


def test_an_answer_that_does_not_fit_its_own_request_leaves_the_pool_pending() -> None:
    held = pools()
    absent = frozenset({Reference("user", None, Condition.ABSENCE)})
    for references in (UNKNOWN_REFERENCES, absent):
        assert learn(held, of("al"), references).key is None
    assert len(held) == 0


def test_names_do_not_share_pools_of_one_key() -> None:
    held = pools()
    assert learn(held, of("al"), name="q") is not learn(held, of("al"), name="r")
    assert len(held) == 2


def test_a_late_answer_goes_to_a_pool_of_its_own_key() -> None:
    held = pools()
    pending = held.find("q", of("al"), now_ms=0)
    learn(held, of("al"))
    home = held.home_of("q", pending, USER, of("bo"), was_pending=True, now_ms=0)
    assert home is not pending
    assert held.find("q", of("bo"), now_ms=0) is home
    again = held.home_of("q", pending, USER, of("bo"), was_pending=True, now_ms=0)
    assert again is home


def test_an_answer_to_a_pending_pool_whose_key_has_a_pool_goes_there() -> None:
    held = pools()
    first = learn(held, of("al"))
    pending = held.find("q", of("bo"), now_ms=0)
    assert held.home_of("q", pending, USER, of("al"), was_pending=True, now_ms=0) is first
    assert held.find("q", of("bo"), now_ms=0) is pending


def test_a_stored_pool_moves_to_the_key_that_new_rules_give() -> None:
    held = pools()
    pool = learn(held, of("al", "/x"))
    assert learn(held, of("al", "/x"), BOTH) is pool
    assert pool.references == BOTH
    assert len(held) == 1
    assert held.find("q", of("al", "/x"), now_ms=0) is pool
    assert held.find("q", of("al", "/y"), now_ms=0) is not pool


def test_a_stored_pool_whose_new_key_has_one_gives_way() -> None:
    held = pools()
    old = learn(held, of("al", "/x"))
    new = held.home_of("q", old, BOTH, of("al", "/y"), was_pending=True, now_ms=0)
    assert held.home_of("q", old, BOTH, of("al", "/y"), was_pending=False, now_ms=0) is new
    assert len(held) == 1
    assert held.find("q", of("al", "/x"), now_ms=0) is not old


def test_a_pool_that_nobody_used_for_ten_minutes_goes() -> None:
    held = pools()
    pool = learn(held, of("al"))
    assert held.find("q", of("al"), now_ms=599_999) is pool
    assert held.find("q", of("al"), now_ms=1_199_998) is pool
    assert held.find("q", of("al"), now_ms=1_799_998) is not pool
    assert len(held) == 0


def test_the_pool_used_least_lately_makes_room() -> None:
    held = pools(max_pools=2)
    al, bo = learn(held, of("al")), learn(held, of("bo"))
    assert held.find("q", of("al"), now_ms=1) is al
    learn(held, of("cy"))
    assert len(held) == 2
    assert held.find("q", of("al"), now_ms=2) is al
    assert held.find("q", of("bo"), now_ms=2) is not bo


def test_the_name_used_least_lately_makes_room() -> None:
    held = pools(max_names=2)
    first = [held.find(name, of("al"), now_ms=0) for name in ("a", "b", "a", "c")]
    assert held.find("a", of("al"), now_ms=0) is first[0]
    assert held.find("b", of("al"), now_ms=0) is not first[1]


def test_shapes_of_a_name_are_bounded_and_those_in_use_stay() -> None:
    held = pools(max_shapes=2)
    al = learn(held, of("al"))
    for index in range(3):
        other = frozenset({Reference(f"a{index}", None, Condition.EXACT)})
        learn(held, plain_bag({f"a{index}": "x"}), other)
        assert held.find("q", of("al"), now_ms=0) is al
        assert held.find("q", of("al"), now_ms=0) is al
    assert held.find("q", plain_bag({"a0": "x"}), now_ms=0).key is None
