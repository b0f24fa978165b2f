"""Addresses of Redis servers, as operators write them."""
# ruff: noqa: S106 - the passwords are the tests' own

import pytest

from remixer.drivers.redis_address import RedisAddress, RedisAddressError, parse_redis_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost:6379", RedisAddress("localhost")),
        ("cache.shop", RedisAddress("cache.shop")),
        ("[::1]:7000", RedisAddress("::1", 7000)),
        ("redis://cache", RedisAddress("cache")),
        ("valkey://cache:7000/3", RedisAddress("cache", 7000, database=3)),
        ("redis://cache?db=3", RedisAddress("cache", database=3)),
        ("redis://:p%40ss@cache", RedisAddress("cache", password="p@ss")),
        ("redis://me:pass@cache", RedisAddress("cache", username="me", password="pass")),
        (
            "redis://cache?username=me&password_file=/run/p",
            RedisAddress("cache", username="me", password_file="/run/p"),
        ),
        ("rediss://cache?ca_file=/ca", RedisAddress("cache", is_tls=True, ca_file="/ca")),
        (
            "valkeys://cache?certificate_file=/c&key_file=/k",
            RedisAddress("cache", is_tls=True, certificate_file="/c", key_file="/k"),
        ),
        ("unix:///run/v.sock", RedisAddress(socket_path="/run/v.sock")),
        ("unix:/run/v.sock?db=1", RedisAddress(socket_path="/run/v.sock", database=1)),
        (
            "unix://:secret@/run/v.sock",
            RedisAddress(socket_path="/run/v.sock", password="secret"),
        ),
    ],
)
def test_what_an_address_means(text: str, address: RedisAddress) -> None:
    assert parse_redis_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":6379",
        "a b",
        "cache:0",
        "cache:65536",
        "cache:port",
        "me:secret@cache",
        "cache/1",
        "http://cache",
        "redis://cache/one",
        "redis://cache/99999999",
        "redis://cache?colour=secret",
        "redis://cache?secret",
        "redis://cache?ca_file=/ca",
        "rediss://cache?key_file=/k",
        "redis://:secret@cache?password_file=/run/p",
        "redis://:se#cret@cache",
        "redis://[::1",
        "unix://run/v.sock",
        "unix:v.sock",
        "unix:///run/v.sock?ca_file=/ca",
    ],
)
def test_what_is_no_address_is_refused_without_repeating_secrets(text: str) -> None:
    with pytest.raises(RedisAddressError) as caught:
        parse_redis_address(text)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("me:6379", "redis://me:6379"),
        ("rediss://me:secret@[::1]/2", "rediss://[::1]:6379/2"),
        ("unix://:secret@/run/v.sock?db=1", "unix:/run/v.sock/1"),
    ],
)
def test_an_address_is_shown_without_secrets(text: str, shown: str) -> None:
    address = parse_redis_address(text)
    assert str(address) == shown
    assert "secret" not in repr(address)
