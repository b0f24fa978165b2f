"""`listchecker` with a provider: fetching, refreshing, expiring, and bodies that are no list."""

import gc
from typing import Any

import pytest

from remixer.adapters.listchecker import INFO, EntryType, ListChecker, Params
from remixer.adapters.listchecker.handler import NoListError
from remixer.adapters.listchecker.matching import TextList
from remixer.adapters.listchecker.parsing import (
    _PIECE,
    MOST_BRACKETS,
    ListFormatError,
    make_list,
    parse_list,
)
from remixer.adapters.listchecker.provider import BODY_LIMIT_BYTES, FETCH_TIMEOUT_S
from remixer.attributes.values import Duration
from remixer.sdk import CheckResult
from remixer.templates.instances import ListEntry
from remixer.testing.adapters import AdapterHarness
from remixer.testing.clock import in_virtual_time
from remixer.testing.http import Answer

_URL = "http://lists.test/callers"
_DOWN = Answer(error="connection refused")


def _params(**changes: Any) -> Params:
    return Params(provider_url=_URL, **changes)


def _is_listed(handler: ListChecker, value: str) -> bool:
    return handler.check(ListEntry("l", value)).status.is_ok


# ---------------------------------------------------------------- fetching


@in_virtual_time
async def test_the_list_is_there_when_the_build_is_done() -> None:
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, b"ann\nbob\n")
        handler = await harness.build(INFO, _params())
        assert _is_listed(handler, "ann")
        assert not _is_listed(handler, "eve")


@in_virtual_time
async def test_overrides_are_added_to_what_was_fetched() -> None:
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, b"ann")
        handler = await harness.build(INFO, _params(overrides=("eve",)))
        assert _is_listed(handler, "ann")
        assert _is_listed(handler, "eve")


@in_virtual_time
async def test_it_is_fetched_every_refresh_interval() -> None:
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, b"ann")
        handler = await harness.build(INFO, _params())
        harness.http.serve(_URL, b"bob")
        await harness.advance(59.9)
        assert _is_listed(handler, "ann")
        await harness.advance(0.2)
        assert _is_listed(handler, "bob")
        assert not _is_listed(handler, "ann")
        await harness.advance(600)
        assert len(harness.http.requested) == 12


@in_virtual_time
async def test_a_slow_fetch_does_not_shift_the_later_ones() -> None:
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, Answer(b"ann", after_s=2))
        await harness.build(INFO, _params())
        await harness.advance(60 * 10 + 1)
        assert len(harness.http.requested) == 11


@in_virtual_time
async def test_without_a_provider_nothing_is_fetched() -> None:
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, Params(overrides=("ann",)))
        await harness.advance(600)
        assert _is_listed(handler, "ann")
        assert harness.http.requested == []
        assert harness.tasks_of(handler).running == ()


@in_virtual_time
async def test_after_close_nothing_is_fetched_any_more() -> None:
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, b"ann")
        handler = await harness.build(INFO, _params())
        await harness.close(handler)
        await harness.advance(600)
        assert len(harness.http.requested) == 1


# ---------------------------------------------------------------- failing


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (_DOWN, "connection refused"),
        (Answer(b"ann", status=503), "HTTP status 503, wanted 200"),
        (Answer(b"ann", status=204), "HTTP status 204, wanted 200"),
        (Answer(b"ann", after_s=3600), f"no answer within {FETCH_TIMEOUT_S:g} s"),
        (Answer(bytes(BODY_LIMIT_BYTES + 1)), "body is longer than"),
        (Answer(b"\xff"), "byte 0 is not UTF-8"),
    ],
    ids=["refused", "503", "204", "slow", "long", "not-text"],
)
def test_never_loaded_means_an_error_that_says_why(answer: Answer, reason: str) -> None:
    @in_virtual_time
    async def scenario() -> None:
        async with AdapterHarness() as harness:
            harness.http.serve(_URL, answer)
            handler = await harness.build(INFO, _params(overrides=("ann",)))
            with pytest.raises(NoListError, match=reason) as caught:
                handler.check(ListEntry("l", "ann"))
            assert _URL in str(caught.value)

    scenario()


@in_virtual_time
async def test_a_first_failure_is_mended_by_the_next_fetch() -> None:
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, _DOWN)
        handler = await harness.build(INFO, _params())
        harness.http.serve(_URL, b"ann")
        await harness.advance(60)
        assert _is_listed(handler, "ann")


@in_virtual_time
async def test_a_failing_provider_keeps_the_list_until_the_ttl_and_then_it_is_gone() -> None:
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, b"ann")
        handler = await harness.build(INFO, _params())
        harness.http.serve(_URL, _DOWN)
        await harness.advance(299.9)
        assert _is_listed(handler, "ann")
        await harness.advance(0.2)
        with pytest.raises(NoListError, match="connection refused"):
            handler.check(ListEntry("l", "ann"))


@in_virtual_time
async def test_an_unchanged_body_counts_as_fresh() -> None:
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, b"ann")
        handler = await harness.build(INFO, _params())
        await harness.advance(3600)
        assert _is_listed(handler, "ann")


@in_virtual_time
async def test_an_unchanged_body_is_not_parsed_again() -> None:
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, b"ann")
        handler = await harness.build(INFO, _params())
        before = handler._provider.current
        await harness.advance(60)
        assert handler._provider.current is before


@in_virtual_time
async def test_a_list_that_was_purged_comes_back_with_the_same_body() -> None:
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, b"ann")
        handler = await harness.build(INFO, _params())
        harness.http.serve(_URL, _DOWN)
        await harness.advance(301)
        harness.http.serve(_URL, b"ann")
        await harness.advance(60)
        assert _is_listed(handler, "ann")


@in_virtual_time
async def test_an_unreadable_body_keeps_the_list_but_not_beyond_the_ttl() -> None:
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, b"^ann$")
        handler = await harness.build(INFO, _params(entry_type=EntryType.REGEX))
        harness.http.serve(_URL, b"(")
        await harness.advance(299)
        assert _is_listed(handler, "ann")
        await harness.advance(2)
        with pytest.raises(NoListError, match="missing"):
            handler.check(ListEntry("l", "ann"))


@in_virtual_time
async def test_no_list_for_no_reason_is_no_opinion() -> None:
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, b"ann")
        interval = Duration(60_000_000_000)
        handler = await harness.build(INFO, _params(refresh_interval=interval, ttl=interval))
        harness.http.serve(_URL, Answer(b"ann", after_s=4))
        await harness.advance(62)  # expired at 60, fetched again at 64
        assert handler.check(ListEntry("l", "eve")) == CheckResult()
        await harness.advance(2)
        assert not _is_listed(handler, "eve")


@in_virtual_time
async def test_a_long_body_is_read_in_a_thread_and_arrives_all_the_same() -> None:
    body = "whitelist:\n" + "".join(f"- 10.0.{n >> 8}.{n & 255}\n" for n in range(5_000))
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, body.encode())
        handler = await harness.build(INFO, _params(entry_type=EntryType.IP_ADDRESSES))
        assert _is_listed(handler, "10.0.19.135")
        assert not _is_listed(handler, "10.0.19.136")


# ---------------------------------------------------------------- bodies


def _lists(entry_type: EntryType, body: bytes, value: str) -> bool:
    return parse_list(entry_type, body, ()).holds(value)


def test_lines_are_kept_as_they_are_but_empty_ones_are_dropped() -> None:
    body = b"ann\n\n bob\n# eve\ncarol\r\n"
    assert parse_list(EntryType.STRINGS, body, ()).count == 4
    for entry in ("ann", " bob", "# eve", "carol\r"):
        assert _lists(EntryType.STRINGS, body, entry)
    for missing in ("", "bob", "carol", "eve"):
        assert not _lists(EntryType.STRINGS, body, missing)


@pytest.mark.parametrize(
    "body",
    [
        b"whitelist: ['10.0.0.1', 10.1.0.0/16]",
        b"whitelist:\n- 10.0.0.1\n- 10.1.0.0/16\n",
        b"---\n# callers\nnote: {deep: [1, {2: 3}]}\nwhitelist: [10.0.0.1, 10.1.0.0/16]\n",
        b'{"whitelist": ["10.0.0.1", "10.1.0.0/16"]}',
    ],
)
def test_addresses_come_as_yaml_under_whitelist(body: bytes) -> None:
    assert parse_list(EntryType.IP_ADDRESSES, body, ()).count == 2
    assert _lists(EntryType.IP_ADDRESSES, body, "10.1.2.3")


@pytest.mark.parametrize("body", [b"", b"---\n", b"whitelist:\n", b"whitelist: []", b"null"])
def test_an_empty_list_of_addresses_is_a_list(body: bytes) -> None:
    assert parse_list(EntryType.IP_ADDRESSES, body, ()).count == 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"blacklist: [10.0.0.1]", "no key `whitelist`"),
        (b"{}", "no key `whitelist`"),
        (b"<html>Sorry</html>", "wanted a YAML mapping"),
        (b"- 10.0.0.1", "wanted a YAML mapping"),
        (b"whitelist: 10.0.0.1", "is not a list"),
        (b"whitelist: [[10.0.0.1]]", r"`whitelist\[0\]` is not text"),
        (b"whitelist: [&a 10.0.0.1, *a]", r"`whitelist\[1\]` is not text"),
        (b"whitelist: [10]", "neither an IP address"),
        (b"whitelist: [10.0.0.1", "not YAML"),
        (b"\xff\xfe\x00", "not YAML"),
        (b"{" * MOST_BRACKETS, "not YAML"),
        (b"{" * (MOST_BRACKETS + 1), "more than 1000 opening brackets"),
        (b"x: " + b"[{" * 4_000_000, "more than 1000 opening brackets"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_bodies_that_are_no_list_of_addresses(body: bytes, reason: str) -> None:
    with pytest.raises(ListFormatError, match=reason):
        parse_list(EntryType.IP_ADDRESSES, body, ())


def test_brackets_nested_without_end_do_no_harm() -> None:
    body = b"x:\n " + b"- " * 200_000 + b"y\nwhitelist: [10.0.0.1]\n"
    assert parse_list(EntryType.IP_ADDRESSES, body, ()).count == 1


def test_one_bad_pattern_refuses_the_whole_body() -> None:
    with pytest.raises(ListFormatError, match="missing"):
        parse_list(EntryType.REGEX, b"fine\n(", ())


def test_lines_are_the_same_wherever_a_long_body_is_cut() -> None:
    lines = [f"user-{number}" for number in range(30_000)]
    assert len("\n".join(lines)) > 4 * _PIECE
    for body in ("\n".join(lines), "\n\n".join(lines) + "\n", "\n" + "\n".join(lines)):
        found = parse_list(EntryType.STRINGS, body.encode(), ("ann",))
        assert found.count == len(lines) + 1
        assert all(map(found.holds, (*lines, "ann")))


@in_virtual_time
async def test_a_long_list_is_let_go_of_when_another_takes_its_place() -> None:
    body = "\n".join(f"user-{number}" for number in range(20_000))
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, body.encode())
        handler = await harness.build(INFO, _params())
        before = handler._provider.current
        harness.http.serve(_URL, b"ann")
        await handler._provider.refresh()
        assert _is_listed(handler, "ann")
        assert not before.holds("user-7")


@pytest.mark.parametrize("url", ["", _URL])
@in_virtual_time
async def test_a_closed_handler_holds_no_list(url: str) -> None:
    entries = tuple(f"user-{number}" for number in range(20_000))
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, b"ann")
        handler = await harness.build(INFO, Params(provider_url=url, overrides=entries))
        assert _is_listed(handler, "user-7")
        await handler.aclose()
        await handler.aclose()
        assert handler.check(ListEntry("l", "eve")) == CheckResult()


def test_a_list_can_be_let_go_of_whatever_its_kind() -> None:
    for entry_type in EntryType:
        found = make_list(entry_type, ("10.0.0.1", "10.0.0.2"))
        found.dismantle()
        found.dismantle()


def test_the_garbage_collector_passes_texts_over() -> None:
    found = parse_list(EntryType.STRINGS, b"ann\nbob", ("eve",))
    assert isinstance(found, TextList)
    assert not gc.is_tracked(found._entries)
