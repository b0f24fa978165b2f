"""`listchecker` without a provider: entry types, verdicts, texts, parameters."""

import gc
import weakref
from typing import Any

import pytest

from remixer.adapters.listchecker import INFO, EntryType, Params
from remixer.adapters.listchecker import ListChecker as Checker
from remixer.adapters.listchecker import matching as listchecker_matching
from remixer.adapters.listchecker.parsing import ListFormatError, parse_list
from remixer.attributes.values import Duration, PlainStringMap, Value
from remixer.foundation.status import Code, Status
from remixer.sdk import CheckResult, Int32
from remixer.templates.instances import ListEntry
from remixer.testing.adapters import AdapterHarness, RejectedParamsError

_S = 1_000_000_000
_V6 = bytes.fromhex("20010db8000000000000000000000001")


def _status(value: Value | None, **params: Any) -> Status:
    return Checker(Params(**params), provider=None).check(ListEntry("l", value)).status


def _is_listed(value: Value, entry_type: EntryType, *entries: str) -> bool:
    return _status(value, entry_type=entry_type, overrides=entries).is_ok


# ---------------------------------------------------------------- verdicts and texts


@pytest.mark.parametrize(
    ("blacklist", "value", "status"),
    [
        (False, "ann", Status()),
        (False, "bob", Status(Code.PERMISSION_DENIED, "bob is not whitelisted")),
        (True, "ann", Status(Code.PERMISSION_DENIED, "ann is blacklisted")),
        (True, "bob", Status()),
    ],
)
def test_a_whitelist_denies_what_it_lacks_a_blacklist_what_it_has(
    blacklist: bool,  # noqa: FBT001 - pytest passes by name
    value: str,
    status: Status,
) -> None:
    assert _status(value, overrides=("ann",), blacklist=blacklist) == status


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (7, "7"),
        (True, "true"),
        (1.5, "1.5"),
        (Duration(_S), "1s"),
        (PlainStringMap({"a": "b"}), "stringmap[a:b]"),
        (None, "<nil>"),
    ],
)
def test_a_value_that_is_no_text_and_no_address_is_invalid(value: Value | None, shown: str) -> None:
    wanted = Status(Code.INVALID_ARGUMENT, f"{shown} is not a valid string or IP address")
    assert _status(value, overrides=("7", "true")) == wanted


def test_a_text_that_is_no_address_is_invalid_in_a_list_of_addresses() -> None:
    assert _status("shop", entry_type=EntryType.IP_ADDRESSES) == Status(
        Code.INVALID_ARGUMENT, "shop is not a valid IP address"
    )


def test_every_answer_carries_the_caching_limits() -> None:
    params = Params(overrides=("ann",), caching_interval=Duration(5), caching_use_count=Int32(6))
    checker = Checker(params, provider=None)
    for value in ("ann", "bob", 7):
        result = checker.check(ListEntry("l", value))
        assert (result.valid_duration, result.valid_use_count) == (5, 6)


def test_by_default_answers_hold_for_5_minutes_and_10000_uses() -> None:
    checker = Checker(Params(overrides=("ann",)), provider=None)
    assert checker.check(ListEntry("l", "ann")) == CheckResult(Status(), Duration(300 * _S), 10_000)


def test_an_empty_whitelist_denies_everything() -> None:
    assert _status("ann").code == Code.PERMISSION_DENIED


def test_an_address_in_bytes_is_compared_and_shown_as_text() -> None:
    assert _is_listed(bytes([10, 0, 0, 1]), EntryType.STRINGS, "10.0.0.1")
    assert _status(bytes([10, 0, 0, 2])).message == "10.0.0.2 is not whitelisted"


def test_a_denial_that_recurs_is_one_object_unless_its_value_is_long() -> None:
    checker = Checker(Params(), provider=None)
    for value, is_same in (("bob", True), (bytes([10, 0, 0, 1]), True), ("b" * 257, False)):
        one, other = (checker.check(ListEntry("l", value)) for _ in range(2))
        assert one == other
        assert (one is other) == is_same


def test_a_handler_that_is_dropped_takes_its_list_along() -> None:
    checker = Checker(Params(overrides=("ann",)), provider=None)
    checker.check(ListEntry("l", "bob"))
    dropped = weakref.ref(checker)
    gc.disable()
    try:
        del checker
        assert dropped() is None
    finally:
        gc.enable()


# ---------------------------------------------------------------- entry types


@pytest.mark.parametrize(
    ("entry_type", "entry", "value", "is_listed"),
    [
        (EntryType.STRINGS, "Ann", "Ann", True),
        (EntryType.STRINGS, "Ann", "ann", False),
        (EntryType.STRINGS, "Ann", "Ann ", False),
        (EntryType.CASE_INSENSITIVE_STRINGS, "Ann", "aNN", True),
        (EntryType.CASE_INSENSITIVE_STRINGS, "stra\u00dfe", "STRASSE", False),
        (EntryType.CASE_INSENSITIVE_STRINGS, "Ann", "Anna", False),
        (EntryType.REGEX, "ab+c", "xxabbcyy", True),
        (EntryType.REGEX, "^ab+c$", "xxabbcyy", False),
        (EntryType.REGEX, "(?i)AB", "xaby", True),
        (EntryType.IP_ADDRESSES, "10.1.0.0/16", "10.1.255.255", True),
        (EntryType.IP_ADDRESSES, "10.1.2.3/16", "10.1.255.255", True),
        (EntryType.IP_ADDRESSES, "10.1.0.0/16", "10.2.0.0", False),
        (EntryType.IP_ADDRESSES, "10.1.0.0/16", "::ffff:10.1.0.9", True),
        (EntryType.IP_ADDRESSES, "::ffff:10.1.0.0/112", "10.1.0.9", True),
        (EntryType.IP_ADDRESSES, "10.1.2.3", "10.1.2.3", True),
        (EntryType.IP_ADDRESSES, "10.1.2.3", "10.1.2.4", False),
        (EntryType.IP_ADDRESSES, "10.1.2.3", bytes([10, 1, 2, 3]), True),
        (EntryType.IP_ADDRESSES, "2001:db8::1", _V6, True),
        (EntryType.IP_ADDRESSES, "2001:DB8:0::1", "2001:db8::1", True),
        (EntryType.IP_ADDRESSES, "2001:db8::/32", "2001:db8:ffff::", True),
        (EntryType.IP_ADDRESSES, "0.0.0.0/0", "255.255.255.255", True),
        (EntryType.IP_ADDRESSES, "0.0.0.0/0", "2001:db8::1", False),
        (EntryType.IP_ADDRESSES, "::/0", "10.0.0.1", True),
    ],
)
def test_how_entries_of_each_type_match(
    entry_type: EntryType,
    entry: str,
    value: str | bytes,
    is_listed: bool,  # noqa: FBT001 - pytest passes by name
) -> None:
    assert _is_listed(value, entry_type, entry) == is_listed


def test_a_bare_ipv6_address_lists_itself_alone_and_not_its_whole_32_bit_network() -> None:
    assert not _is_listed("2001:db8::2", EntryType.IP_ADDRESSES, "2001:db8::1")


def test_networks_of_many_lengths_are_all_looked_at() -> None:
    entries = [f"10.{bits}.0.0/{bits}" for bits in range(9, 33)]
    for bits in range(9, 33):
        assert _is_listed(f"10.{bits}.0.0", EntryType.IP_ADDRESSES, *entries)
    assert not _is_listed("11.0.0.0", EntryType.IP_ADDRESSES, *entries)


def test_letters_are_raised_one_by_one() -> None:
    kind = EntryType.CASE_INSENSITIVE_STRINGS
    assert _is_listed("STRAßE-É", kind, "straße-é")
    assert not _is_listed("STRASSE-É", kind, "straße-é")


@pytest.mark.parametrize("more", [0, 1])
def test_a_list_has_a_greatest_number_of_patterns(
    monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    monkeypatch.setattr(listchecker_matching, "MOST_PATTERNS", 3)
    body = b"\n".join(b"p%d" % number for number in range(3 + more))
    if more:
        with pytest.raises(ListFormatError, match="4 patterns; at most 3"):
            parse_list(EntryType.REGEX, body, ())
    else:
        assert parse_list(EntryType.REGEX, body, ("p0",)).count == 3


def test_many_patterns_answer_as_each_alone() -> None:
    entries = [f"^/p{number}/" for number in range(200)]
    assert _is_listed("/p199/x", EntryType.REGEX, *entries)
    assert _is_listed("/p0/x", EntryType.REGEX, *entries)
    assert not _is_listed("/p200/x", EntryType.REGEX, *entries)


def test_patterns_that_cannot_be_joined_still_match_alone() -> None:
    entries = (r"\Qa)|(b", "zz", "yy")
    assert _is_listed("yy", EntryType.REGEX, *entries)
    assert _is_listed("xa)|(bx", EntryType.REGEX, *entries)
    assert not _is_listed("b", EntryType.REGEX, *entries)


def test_patterns_beside_some_that_cannot_be_joined_are_all_looked_for() -> None:
    entries = [rf"\Q(a{number}" if number % 97 == 0 else f"^/p{number}/" for number in range(1_500)]
    for text in ("/p1/", "/p1499/", "x(a0x", "(a1455"):
        assert _is_listed(text, EntryType.REGEX, *entries)
    assert not _is_listed("/p97/", EntryType.REGEX, *entries)


def test_a_pattern_that_is_valid_only_when_joined_is_none() -> None:
    with pytest.raises(ListFormatError, match="unexpected"):
        parse_list(EntryType.REGEX, b"a)|(b\nc", ())


def test_patterns_that_are_long_together_still_match_alone() -> None:
    entries = [f"^{number:03}{'x' * 500}$" for number in range(64)]
    assert _is_listed("063" + "x" * 500, EntryType.REGEX, *entries)
    assert not _is_listed("064" + "x" * 500, EntryType.REGEX, *entries)


# ---------------------------------------------------------------- parameters


async def _problem_paths(**params: Any) -> list[str]:
    async with AdapterHarness() as harness:
        with pytest.raises(RejectedParamsError) as rejected:
            await harness.build(INFO, Params(**params))
    return [each.path for each in rejected.value.problems]


@pytest.mark.parametrize(
    "url",
    ["lists.test/x", "http://", "ftp://lists.test/x", "/x", "http://[::1", "http://h:99999/"],
)
async def test_a_provider_needs_scheme_and_host(url: str) -> None:
    assert await _problem_paths(provider_url=url) == ["provider_url"]


async def test_all_faults_are_found_at_once() -> None:
    paths = await _problem_paths(
        provider_url="?",
        refresh_interval=Duration(_S - 1),
        ttl=Duration(_S - 2),
        caching_interval=Duration(-1),
        caching_use_count=Int32(-1),
        entry_type=EntryType.REGEX,
        overrides=("fine", "(", "["),
    )
    assert paths == [
        "provider_url",
        "refresh_interval",
        "ttl",
        "caching_interval",
        "caching_use_count",
        "overrides[1]",
        "overrides[2]",
    ]


async def test_intervals_do_not_matter_without_a_provider() -> None:
    async with AdapterHarness() as harness:
        await harness.build(INFO, Params(refresh_interval=Duration(0), ttl=Duration(-1)))


@pytest.mark.parametrize(
    "entry",
    ["", "shop", "10.0.0", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/255.0.0.0", "1::%e"],
)
async def test_an_override_that_is_no_network_is_named(entry: str) -> None:
    paths = await _problem_paths(entry_type=EntryType.IP_ADDRESSES, overrides=("::1", entry))
    assert paths == ["overrides[1]"]
