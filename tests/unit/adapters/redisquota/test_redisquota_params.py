"""Parameters of `redisquota` that are refused, and where."""

from typing import Any

import pytest

from remixer.adapters.redisquota import INFO, Override, Params, Quota, RateLimitAlgorithm
from remixer.attributes.values import Duration
from remixer.drivers.redis import MOST_CONNECTIONS
from remixer.sdk import HandlerContext
from remixer.templates.schema import InstanceType

_SECOND = Duration(1_000_000_000)
_GOOD = Quota("q", 10, _SECOND)


def _rolling(bucket: int) -> Quota:
    return Quota("q", 10, _SECOND, Duration(bucket), RateLimitAlgorithm.ROLLING_WINDOW)


def _paths(params: Params, *instances: str) -> list[str]:
    context = HandlerContext("h", tuple(InstanceType(each, "quota", {}) for each in instances))
    return [each.path for each in INFO.validate(params, context)]


@pytest.mark.parametrize(
    ("quota", "path"),
    [
        (Quota("", 10, _SECOND), "quotas[0].name"),
        (Quota("q", 10), "quotas[0].valid_duration"),
        (Quota("q", 10, Duration(-1)), "quotas[0].valid_duration"),
        (Quota("q", 10, Duration(999)), "quotas[0].valid_duration"),
        (Quota("q", 10, Duration(2**63 - 1)), "quotas[0].valid_duration"),
        (_rolling(0), "quotas[0].bucket_duration"),
        (_rolling(-5_000), "quotas[0].bucket_duration"),
        (_rolling(_SECOND), "quotas[0].bucket_duration"),
        (
            Quota("q", 10, _SECOND, overrides=(Override({}, 1),)),
            "quotas[0].overrides[0].dimensions",
        ),
        (
            Quota("q", 10, _SECOND, overrides=(Override({"a": "b"}, 0),)),
            "quotas[0].overrides[0].max_amount",
        ),
    ],
)
def test_a_limit_that_cannot_be_kept_is_refused_at_its_place(quota: Quota, path: str) -> None:
    assert _paths(Params((quota,))) == [path]


@pytest.mark.parametrize(
    "quota", [_GOOD, _rolling(1_000), _rolling(_SECOND - 1), Quota("q", 0, Duration(1_000))]
)
def test_a_limit_that_can_be_kept_is_taken(quota: Quota) -> None:
    assert _paths(Params((quota,)), "q") == []


def test_a_handler_without_limits_is_refused() -> None:
    assert _paths(Params()) == _paths(Params(), "q") == ["quotas"]


def test_two_limits_of_one_name_are_refused() -> None:
    assert _paths(Params((_GOOD, _GOOD))) == ["quotas[1].name"]


def test_every_routed_instance_needs_a_quota() -> None:
    assert _paths(Params((_GOOD,)), "q", "other") == ["quotas"]


@pytest.mark.parametrize("url", ["", "a b", "http://redis", "user@redis:6379", "redis://"])
def test_a_server_that_cannot_be_named_is_refused(url: str) -> None:
    assert _paths(Params((_GOOD,), redis_server_url=url)) == ["redis_server_url"]


@pytest.mark.parametrize(
    ("size", "paths"),
    [
        (-1, ["connection_pool_size"]),
        (0, []),
        (MOST_CONNECTIONS, []),
        (MOST_CONNECTIONS + 1, ["connection_pool_size"]),
    ],
)
def test_bounds_of_the_pool(size: int, paths: list[str]) -> None:
    assert _paths(Params((_GOOD,), connection_pool_size=size)) == paths


def test_a_missing_client_library_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def without(_name: str) -> Any:
        return None

    monkeypatch.setattr("importlib.util.find_spec", without)
    (problem,) = INFO.validate(Params((_GOOD,)), HandlerContext("h", ()))
    assert "pip install 'remixer[redis]'" in problem.hint
