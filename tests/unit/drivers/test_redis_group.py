"""Addresses of Redis and Valkey servers that act as one."""

import pytest

from remixer.drivers.redis_address import RedisAddress, RedisAddressError
from remixer.drivers.redis_group import Grouping, RedisGroup, parse_redis_place


def test_a_server_alone_is_read_as_ever() -> None:
    assert parse_redis_place("valkey://cache:1/2") == RedisAddress("cache", 1, database=2)
    assert isinstance(parse_redis_place("unix:///run/a+b.sock"), RedisAddress)


def test_sentinels_name_a_primary() -> None:
    group = parse_redis_place("valkey+sentinel://me:secret@a,b:7,[::1]/shop?db=3")
    assert isinstance(group, RedisGroup)
    assert group.grouping is Grouping.SENTINEL
    assert group.members == (("a", 26379), ("b", 7), ("::1", 26379))
    assert (group.name, group.like.database) == ("shop", 3)
    assert (group.like.username, group.like.password) == ("me", "secret")
    assert "secret" not in f"{group} {group!r}"
    assert str(group) == "redis+sentinel://a:26379,b:7,::1:26379/shop"


def test_a_cluster_has_members_and_may_use_tls() -> None:
    group = parse_redis_place("rediss+cluster://a,b:7?ca_file=/ca.pem&password_file=/p")
    assert isinstance(group, RedisGroup)
    assert group.members == (("a", 6379), ("b", 7))
    assert group.like.is_tls
    assert (group.like.ca_file, group.like.password_file) == ("/ca.pem", "/p")
    assert str(group) == "rediss+cluster://a:6379,b:7"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("valkey+sentinel://a", "what the sentinels call the primary"),
        ("valkey+cluster://a/1", "neither a name nor a database"),
        ("valkey+cluster://", "names no host"),
        ("valkey+cluster://a,,b", "names no host"),
        ("valkey+ring://a", "scheme `valkey\\+ring` is unknown"),
        ("http+cluster://a", "scheme `http` is unknown"),
        ("valkey+cluster://a?x=1", "option `x` is unknown"),
        ("valkey+cluster://a:0", "port is no number"),
        ("valkey+cluster://[", "not a URL"),
        ("valkey+cluster://" + ",".join(f"h{each}" for each in range(101)), "100 are the most"),
    ],
)
def test_groups_that_are_none_say_why(text: str, reason: str) -> None:
    with pytest.raises(RedisAddressError, match=reason):
        parse_redis_place(text)
