"""Which addresses a name stands for, and when it is asked about again."""

import pytest

from remixer.testing.clock import in_virtual_time
from remixer.transport.remote_address import HostTarget, ListTarget, UnixTarget, parse_target
from remixer.transport.remote_resolver import (
    FixedResolver,
    ListResolver,
    Resolution,
    ResolutionLimits,
    ResolveFailed,
    Resolver,
    SystemResolver,
    resolver_for,
)

LIMITS = ResolutionLimits(period_s=30.0, soonest_s=2.0, most_addresses=3)


def test_it_is_asked_at_once_and_then_every_period() -> None:
    resolution = Resolution(LIMITS)
    assert resolution.due_in_s(now_s=7.0) == 0
    assert resolution.found(["a"], now_s=7.0)
    assert resolution.due_in_s(now_s=17.0) == 20
    assert resolution.due_in_s(now_s=99.0) == 0


def test_order_and_repetition_are_no_change() -> None:
    resolution = Resolution(LIMITS)
    resolution.found(["a", "b"], now_s=0.0)
    assert not resolution.found(["b", "a", "b"], now_s=1.0)
    assert resolution.addresses == ("a", "b")
    assert resolution.found(["b"], now_s=2.0)


def test_addresses_over_the_limit_are_left_out() -> None:
    resolution = Resolution(LIMITS)
    resolution.found("abcd", now_s=0.0)
    assert resolution.addresses == ("a", "b", "c")


def test_addresses_stay_in_use_while_the_name_does_not_resolve() -> None:
    resolution = Resolution(LIMITS)
    resolution.found(["a"], now_s=0.0)
    resolution.failed("no such host", now_s=30.0)
    assert not resolution.found([], now_s=32.0)
    assert resolution.addresses == ("a",)
    assert resolution.reason == "the name has no addresses"
    resolution.found(["a"], now_s=40.0)
    assert resolution.reason is None


def test_failures_make_it_ask_sooner_and_less_and_less_so() -> None:
    resolution = Resolution(LIMITS)
    waits = []
    for _ in range(6):
        resolution.failed("no such host", now_s=0.0)
        waits.append(resolution.due_in_s(now_s=0.0))
    assert waits == [2, 4, 8, 16, 30, 30]


def test_a_broken_connection_makes_it_ask_soon_but_not_at_every_one() -> None:
    resolution = Resolution(LIMITS)
    resolution.found(["a"], now_s=0.0)
    resolution.hurry()
    assert resolution.due_in_s(now_s=0.5) == 1.5
    resolution.found(["a"], now_s=2.0)
    assert resolution.due_in_s(now_s=2.0) == 30


async def test_literal_addresses_and_sockets_are_never_asked_about() -> None:
    found = {}
    for target in (HostTarget("127.0.0.1", 80), HostTarget("::1", 80), UnixTarget("/run/a.sock")):
        resolver = resolver_for(target)
        assert isinstance(resolver, FixedResolver)
        found[str(target)] = await resolver.resolve()
    assert found == {
        "127.0.0.1:80": ("ipv4:127.0.0.1:80",),
        "[::1]:80": ("ipv6:[::1]:80",),
        "unix:/run/a.sock": ("unix:/run/a.sock",),
    }


async def test_a_name_stands_for_all_that_the_system_says() -> None:
    resolver = resolver_for(HostTarget("localhost", 80))
    assert isinstance(resolver, SystemResolver)
    found = await resolver.resolve()
    assert set(found) & {"ipv4:127.0.0.1:80", "ipv6:[::1]:80"}


@in_virtual_time
async def test_a_name_that_cannot_be_looked_up_is_named() -> None:
    resolver = SystemResolver(HostTarget("a" * 64, 80))  # longer than a label may be
    try:
        await resolver.resolve()
    except ResolveFailed as error:
        assert "a" * 64 in str(error)  # noqa: PT017 - the text is the point
    else:
        raise AssertionError


# ------------------------------------------------------------ lists


class Gone:
    """A name that does not resolve, for `reason`."""

    is_fixed = False

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def resolve(self) -> tuple[str, ...]:
        raise ResolveFailed(self._reason)


async def test_a_list_has_all_addresses_of_its_members_in_order() -> None:
    resolver = resolver_for(parse_target("127.0.0.2:80,unix:/run/a.sock,[::1]:9091"))
    assert resolver.is_fixed
    assert await resolver.resolve() == ("ipv4:127.0.0.2:80", "unix:/run/a.sock", "ipv6:[::1]:9091")


def test_a_list_with_a_name_in_it_is_asked_about_again() -> None:
    target = ListTarget((HostTarget("127.0.0.1", 80), HostTarget("mixer", 80)))
    assert not resolver_for(target).is_fixed


async def test_a_member_that_finds_nothing_takes_none_of_the_others_with_it() -> None:
    members: tuple[Resolver, ...] = (Gone("a is unknown"), FixedResolver(("x",)), Gone("b, too"))
    assert await ListResolver(members).resolve() == ("x",)


async def test_a_list_in_which_nobody_finds_anything_says_why_of_all() -> None:
    with pytest.raises(ResolveFailed, match=r"^a is unknown; b, too$"):
        await ListResolver((Gone("a is unknown"), Gone("b, too"))).resolve()


async def test_a_list_hides_no_fault_of_ours() -> None:
    class Broken(Gone):
        async def resolve(self) -> tuple[str, ...]:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await ListResolver((FixedResolver(("x",)), Broken(""))).resolve()
