"""What was written for routes stays for those that no change has touched."""

from dataclasses import dataclass

from remixer.runtime.carried import carried
from remixer.runtime.routes import Route, RouteStamp, RouteTable


@dataclass
class Written:
    stamp: RouteStamp | None


PARTS = (object(), object())


def table(*, default: RouteStamp | None = None, **stamps: RouteStamp | None) -> RouteTable:
    routes = {name: Route(name, stamp) for name, stamp in stamps.items()}
    return RouteTable(Route("", default), routes)


def test_equal_stamps_keep_what_was_written() -> None:
    before = {"shop": Written(RouteStamp(*PARTS)), "": Written(RouteStamp(*PARTS[:1]))}
    after = table(shop=RouteStamp(*PARTS), default=RouteStamp(*PARTS[:1]))
    assert carried(before, after) == (before, [])


def test_a_route_that_was_changed_needs_it_anew() -> None:
    before = {"shop": Written(RouteStamp(*PARTS)), "": Written(RouteStamp(*PARTS))}
    after = table(shop=RouteStamp(*PARTS[:1]), bank=RouteStamp(*PARTS), default=RouteStamp())
    assert carried(before, after) == ({}, [after.by_namespace["shop"], after.default])


def test_what_is_for_one_configuration_alone_is_written_anew() -> None:
    after = table(shop=None)
    assert carried({"shop": Written(None)}, after) == ({}, [after.by_namespace["shop"]])


def test_a_route_that_is_gone_needs_nothing() -> None:
    assert carried({"shop": Written(RouteStamp(*PARTS))}, table()) == ({}, [])
