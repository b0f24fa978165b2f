"""A Mixer that does as the operator of a client said: whom it checks, reports and tells."""

from collections.abc import Mapping

import pytest

from remixer.attributes.bag import Bag, PlainBag
from remixer.foundation.status import Code
from remixer.mixer.outcome import REPORTED, CheckOutcome, HeaderOperation
from remixer.mixer.request import CheckRequest, MatchingQuotas, QuotaArgs
from remixer.sidecar.client_config.attribute_layers import LocalNode
from remixer.sidecar.client_config.loading import client_config_of
from remixer.sidecar.client_config.services import ClientConfig
from remixer.sidecar.configured import ConfiguredMixer
from remixer.testing.app_mixers import FakePort, allowed, denied, seen
from remixer.wire.forwarded import accepted

CONFIG = """
default_destination_service: rest
mixer_attributes:
  attributes:
    context.reporter.kind: {string_value: outbound}
    destination.namespace: {string_value: shop}
forward_attributes: {attributes: {source.uid: {string_value: kubernetes://web-1.shop}}}
service_configs:
  web:
    mixer_attributes: {attributes: {destination.service.name: {string_value: web}}}
    quota_spec: [{rules: [{quotas: [{quota: hits, charge: 3}]}]}]
  silent: {disable_check_calls: true, disable_report_calls: true}
  rest: {disable_check_calls: true}
---
kind: TcpClientConfig
spec: {disable_check_calls: true}
"""


def policy(bag: Bag) -> CheckOutcome:
    return denied(message="no") if bag["request.path"] == "/closed" else allowed()


class Scene:
    def __init__(self, text: str = CONFIG, *, answers_at_once: bool = True) -> None:
        self.inner = FakePort(policy, answers_at_once=answers_at_once)
        self.mixer = ConfiguredMixer(self.inner, config=config_of(text))

    async def check(self, service: str = "web", **more: object) -> CheckOutcome:
        request = CheckRequest(bag_of(service), **more)  # type: ignore[arg-type]  # its fields
        return await self.mixer.check(request)


def config_of(text: str) -> ClientConfig:
    node = LocalNode("kubernetes://web-1.shop", "shop")
    return client_config_of([("client.yaml", text.encode())], node=node)


def bag_of(service: str, path: str = "/a", **more: str) -> PlainBag:
    bag = PlainBag({"destination.service.host": service, "request.path": path})
    for name, value in more.items():
        bag[name.replace("__", ".")] = value
    return bag


def handed_on(outcome: CheckOutcome) -> Mapping[str, str] | None:
    """What the next proxy is told; None for nothing."""
    operations: tuple[HeaderOperation, ...] = ()
    if outcome.directive is not None:
        operations = outcome.directive.request_header_operations
    values = [each.value for each in operations if each.name == "x-istio-attributes"]
    return accepted(values[0]) if values else None


# ------------------------------------------------------------ checks


async def test_a_service_is_checked_with_its_attributes() -> None:
    scene = Scene()
    assert (await scene.check()).status.is_ok
    (asked,) = scene.inner.requests
    told = seen(asked.bag)
    assert told["destination.namespace"] == "shop"
    assert told["destination.service.name"] == "web"
    assert told["source.uid"] == "kubernetes://web-1.shop"
    assert told["request.path"] == "/a"


async def test_both_ways_of_asking_agree() -> None:
    for path in ("/a", "/closed"):
        for service in ("web", "rest", "silent", "other"):
            request = CheckRequest(bag_of(service, path))
            now = Scene().mixer.check_now(request)
            assert now == await Scene().mixer.check(request)


async def test_whom_the_mixer_must_be_waited_for_is_waited_for() -> None:
    scene = Scene(answers_at_once=False)
    assert scene.mixer.check_now(CheckRequest(bag_of("web"))) is None
    assert scene.mixer.check_now(CheckRequest(bag_of("rest"))) is not None


@pytest.mark.parametrize("service", ["rest", "silent", "unknown"])
async def test_where_checks_are_off_requests_pass_unasked_and_unremembered(service: str) -> None:
    scene = Scene()
    outcome = await scene.check(service)
    assert outcome.status.is_ok
    assert outcome.valid_use_count == outcome.valid_duration == 0
    assert scene.inner.requests == []


async def test_without_an_entry_requests_pass_and_nothing_is_told_of_them() -> None:
    scene = Scene("service_configs: {web: {}}")
    outcome = await scene.check("other")
    assert outcome.status.is_ok
    assert outcome.directive is None
    assert scene.inner.requests == []
    assert scene.mixer.report([bag_of("other")]) is REPORTED
    assert scene.inner.reports == []


async def test_a_denial_is_a_denial() -> None:
    scene = Scene()
    outcome = await scene.mixer.check(CheckRequest(bag_of("web", "/closed")))
    assert outcome.status.code == Code.PERMISSION_DENIED
    assert handed_on(outcome) is None


async def test_connections_are_what_the_configuration_says_of_tcp() -> None:
    scene = Scene()
    bag = bag_of("web", context__protocol="tcp")
    assert (await scene.mixer.check(CheckRequest(bag))).status.is_ok
    assert scene.inner.requests == []
    scene.mixer.report([bag])
    assert len(scene.inner.reports) == 1


# ------------------------------------------------------------ quotas


async def test_quotas_that_the_operator_specified_take_the_place_of_all_that_match() -> None:
    scene = Scene()
    await scene.check(quotas=MatchingQuotas())
    assert scene.inner.requests[0].quotas == {"hits": QuotaArgs(3)}


async def test_without_any_those_that_match_stay() -> None:
    scene = Scene("{default_destination_service: d, service_configs: {d: {}}}")
    await scene.check(quotas=MatchingQuotas())
    assert scene.inner.requests[0].quotas == MatchingQuotas()


async def test_quotas_that_the_asker_names_are_its_own() -> None:
    scene = Scene()
    await scene.check(quotas={"mine": QuotaArgs(1)})
    assert scene.inner.requests[0].quotas == {"mine": QuotaArgs(1)}


async def test_grants_are_handed_on() -> None:
    scene = Scene()
    assert scene.mixer.grant_now(CheckRequest(bag_of("web"))) == {}
    assert await scene.mixer.grant(CheckRequest(bag_of("web"))) == {}


# ------------------------------------------------------------ the next proxy


@pytest.mark.parametrize("service", ["web", "rest", "silent"])
async def test_the_next_proxy_is_told_who_calls_also_without_a_check(service: str) -> None:
    found = handed_on(await Scene().check(service))
    assert found == {"source.uid": "kubernetes://web-1.shop"}


async def test_inbound_clients_tell_nobody() -> None:
    assert handed_on(await Scene(CONFIG.replace("outbound", "inbound")).check()) is None


async def test_what_the_mixer_wants_of_headers_stays() -> None:
    scene = Scene()
    mine = HeaderOperation("x-rule", "1")
    scene.inner._policy = lambda _: allowed(request=[mine])
    outcome = await scene.check()
    assert outcome.directive is not None
    assert outcome.directive.request_header_operations[0] == mine
    assert handed_on(outcome) is not None


# ------------------------------------------------------------ reports


def test_reports_have_the_services_attributes() -> None:
    scene = Scene()
    scene.mixer.report([bag_of("web", response__code="x"), bag_of("rest")])
    first, second = scene.inner.reports
    assert first["destination.service.name"] == "web"
    assert first["response.code"] == "x"
    assert "destination.service.name" not in second
    assert second["destination.namespace"] == "shop"


def test_where_reports_are_off_none_is_sent() -> None:
    scene = Scene()
    assert scene.mixer.report([bag_of("silent"), bag_of("web")]) is REPORTED
    assert len(scene.inner.reports) == 1
    assert scene.mixer.report([bag_of("silent")]) is REPORTED
    assert len(scene.inner.reports) == 1
