"""The table of what a client of Mixer remembers, asks and counts."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from remixer.attributes.bag import Condition, Reference, plain_bag
from remixer.attributes.values import Duration
from remixer.foundation.errors import PolicyError
from remixer.foundation.status import Code, Status
from remixer.mixer.outcome import CheckOutcome, QuotaOutcome
from remixer.mixer.request import CheckRequest, MatchingQuotas, QuotaArgs
from remixer.mixer.verdict import verdict_of
from remixer.sidecar.cache_settings import client_cache_settings
from remixer.sidecar.settings import ClientSettings
from remixer.sidecar.stack import ClientStack
from remixer.testing.clock import clock_of_running_loop, in_virtual_time
from remixer.testing.mixer_channel import Answer, MixerChannel
from remixer.tiers.background import BackgroundWork
from remixer.tiers.quota_cache import QuotaCacheSettings
from remixer.tiers.settings import FailPolicy, RemoteSettings
from remixer.transport.remote_port import RpcFailed
from remixer.transport.remote_resting import RestingChannel
from remixer.wire.client_codec import FOREVER

CASES = yaml.safe_load(Path(__file__).with_name("client_checks.yaml").read_text("utf-8"))["cases"]
_S = 10**9
_SETTLING_STEPS = 20
"""Of the loop, for work in the background that waits for nothing."""


@dataclass
class Server:
    """The Mixer of a case."""

    said: Mapping[str, Any] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)

    def decide(self, request: CheckRequest) -> Answer:
        said = self.said
        if "fails" in said:
            return RpcFailed(Code(said["fails"]), "as told")
        assert not isinstance(request.quotas, MatchingQuotas)
        code = said.get("code", 0)
        quotas = {} if code else dict(self._quotas(request.quotas))
        return CheckOutcome(
            Status(code, said.get("message", "")),
            duration(said.get("seconds", 10)),
            said.get("uses", 100),
            references(said),
            quotas=quotas,
        )

    def _quotas(self, asked: Mapping[str, QuotaArgs]) -> Iterator[tuple[str, QuotaOutcome]]:
        for name, args in asked.items():
            told = self.said.get("quotas", {}).get(name)
            if told is None:
                continue
            most = self.left.setdefault(name, told["granted"]) if "budget" in told else None
            granted = min(args.amount, told["granted"] if most is None else most)
            if most is not None:
                self.left[name] = most - granted
            status = Status(told.get("code", 0), "")
            lifetime = duration(told.get("seconds", 10))
            yield name, QuotaOutcome(granted, lifetime, references(told), status)


def duration(seconds: float | None) -> Duration:
    return FOREVER if seconds is None else Duration(int(seconds * _S))


def references(said: Mapping[str, Any]) -> frozenset[Reference]:
    return frozenset(map(reference, said.get("refs", [])))


def reference(text: str) -> Reference:
    name, _, key = text.removeprefix("-").partition("[")
    condition = Condition.ABSENCE if text.startswith("-") else Condition.EXACT
    return Reference(name, key.removesuffix("]") or None, condition)


def settings_of(told: Mapping[str, Any]) -> ClientSettings:
    cache = replace(
        client_cache_settings(stale_for_s=0.0), jitter=0.0, refresh_at=1.0, refresh_uses_at=1.0
    )
    return ClientSettings(
        failure=FailPolicy(told.get("failure", "closed")),
        remote=RemoteSettings(max_retry=told.get("max_retry", 0)),
        cache=cache if told.get("cache", True) else None,
        quotas=QuotaCacheSettings(is_on=told.get("quota_cache", True)),
    )


@dataclass
class Scene:
    """A case under way."""

    server: Server
    channel: MixerChannel
    stack: ClientStack

    async def take(self, step: dict[str, Any]) -> None:
        if "mixer" in step:
            self.server.said = step["mixer"]
            self.server.left.clear()
            return
        for _ in range(step.get("times", 1)):
            await asyncio.sleep(step.get("wait", 0))
            if "report" in step:
                self.stack.mixer.report([plain_bag({"user": "ann"})] * step["report"])
            else:
                await self._check(step)

    async def _check(self, step: dict[str, Any]) -> None:
        asked = {name: QuotaArgs(amount) for name, amount in step.get("quotas", {}).items()}
        request = CheckRequest(plain_bag(step["check"]), quotas=asked)
        before = len(self.channel.checks)
        port = self.stack.mixer
        outcome = port.check_now(request) or await port.check(request)
        for _ in range(_SETTLING_STEPS):
            await asyncio.sleep(0)
        assert len(self.channel.checks) - before == step.get("asks", 0), step
        status = status_of(outcome)
        assert status.code == step.get("code", 0), step
        assert status.message == step.get("message", status.message), step
        granted = {name: each.granted for name, each in outcome.quotas.items() if each.granted}
        assert granted == step.get("granted", granted), step


def status_of(outcome: CheckOutcome) -> Status:
    try:
        return verdict_of(outcome).status
    except PolicyError as error:
        return Status(error.code, error.message)


@pytest.mark.parametrize("case", CASES, ids=[case["note"] for case in CASES])
@in_virtual_time
async def test_client(case: dict[str, Any]) -> None:
    server = Server()
    channel = MixerChannel(server.decide)

    async def again() -> MixerChannel:
        return channel

    async with asyncio.TaskGroup() as group:
        background = BackgroundWork()
        background.run_in(group)
        stack = ClientStack(
            settings_of(case.get("settings", {})),
            channel=RestingChannel(channel, again),
            background=background,
            clock=clock_of_running_loop(),
            random=Random(1),
        )
        group.create_task(stack.reports.run())
        scene = Scene(server, channel, stack)
        for step in case["steps"]:
            await scene.take(step)
        await stack.aclose(1.0)
    found = {name.removeprefix("total_"): count for name, count in stack.statistics().items()}
    assert {name: count for name, count in found.items() if count} == case["counts"]
    assert_sums(found)


def assert_sums(found: Mapping[str, int]) -> None:
    """What holds for every client. Source: Mixer's client."""
    parts = {
        "check_calls": ("check_cache_hits", "check_cache_misses"),
        "check_cache_hits": ("check_cache_hit_accepts", "check_cache_hit_denies"),
        "remote_check_calls": ("remote_check_accepts", "remote_check_denies"),
        "quota_calls": ("quota_cache_hits", "quota_cache_misses"),
        "quota_cache_hits": ("quota_cache_hit_accepts", "quota_cache_hit_denies"),
        "remote_quota_calls": ("remote_quota_accepts", "remote_quota_denies"),
    }
    for whole, names in parts.items():
        assert found[whole] == sum(found[name] for name in names), whole
    assert found["remote_check_calls"] == found["check_cache_misses"]
    ahead = found["remote_quota_prefetch_calls"]
    assert found["remote_quota_calls"] == found["quota_cache_misses"] + ahead


def test_no_two_cases_are_called_alike_and_every_count_is_known() -> None:
    assert len({case["note"] for case in CASES}) == len(CASES) >= 12 + 10 + 7
    names = {name for case in CASES for name in case["counts"]}
    assert all(re.fullmatch(r"[a-z_]+", name) for name in names)
