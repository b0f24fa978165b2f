"""Which configuration holds for which service."""

import pytest

from remixer.attributes.bag import PlainBag
from remixer.mixer.request import QuotaArgs
from remixer.sidecar.client_config.bindings import Bindings, BoundSpec, Selector, selector_of
from remixer.sidecar.client_config.loading import client_config_of
from remixer.sidecar.client_config.messages import (
    HttpClientConfig,
    IstioService,
    Quota,
    QuotaRule,
    QuotaSpec,
    ServiceConfig,
)
from remixer.sidecar.client_config.quota_spec import QuotaTable
from remixer.sidecar.client_config.services import MOST_VIEWS, ClientConfig, everything_checked

TWO = HttpClientConfig(
    service_configs={
        "web": ServiceConfig(disable_report_calls=True),
        "rest": ServiceConfig(disable_check_calls=True),
    },
    default_destination_service="rest",
)


def charging(quota: str) -> QuotaSpec:
    return QuotaSpec((QuotaRule(quotas=(Quota(quota, 1),)),))


def test_a_service_has_its_own_entry() -> None:
    view = ClientConfig(http=TWO).for_service("web")
    assert view is not None
    assert (view.is_checked, view.is_reported) == (True, False)


def test_a_service_without_an_entry_gets_the_default_one() -> None:
    view = ClientConfig(http=TWO).for_service("db")
    assert view is not None
    assert (view.is_checked, view.is_reported) == (False, True)


def test_without_a_default_entry_a_service_has_nothing() -> None:
    only = HttpClientConfig(service_configs={"web": ServiceConfig()})
    assert ClientConfig(http=only).for_service("db") is None


def test_a_view_is_made_once() -> None:
    config = ClientConfig(http=TWO)
    assert config.for_service("web") is config.for_service("web")
    assert config.for_connections() is config.for_connections()


def test_names_that_nothing_tells_apart_share_a_view() -> None:
    config = ClientConfig(http=TWO)
    assert config.for_service("a") is config.for_service("b")
    assert config.for_service("a") is not config.for_service("web")


def test_views_are_bounded() -> None:
    names = [f"s{n}" for n in range(MOST_VIEWS + 1)]
    http = HttpClientConfig(service_configs=dict.fromkeys(names, ServiceConfig()))
    config = ClientConfig(http=http)
    first, second = config.for_service("s0"), config.for_service("s1")
    for name in names[:MOST_VIEWS]:
        config.for_service(name)
    assert config.for_service("s0") is first
    config.for_service(names[MOST_VIEWS])
    assert config.for_service("s1") is second
    assert config.for_service("s0") is not first


def test_tcp_has_defaults_of_its_own() -> None:
    view = ClientConfig(http=TWO).for_connections()
    request = PlainBag({"a": 1})
    assert (view.is_checked, view.is_reported) == (True, True)
    assert view.bag_for(request) is request
    assert view.quotas(request) == {}


# ---------------------------------------------------------------- bindings


@pytest.mark.parametrize(
    ("service", "selector"),
    [
        (IstioService(name="web"), Selector("web.shop.svc.cluster.local")),
        (IstioService(name="web", namespace="n"), Selector("web.n.svc.cluster.local")),
        (IstioService(name="web", domain="example.org"), Selector("web.shop.example.org")),
        (IstioService(service="api.example.org"), Selector("api.example.org")),
        (IstioService(name="web", service="api.example.org"), Selector("api.example.org")),
        (IstioService(service="*"), Selector(part="")),
        (IstioService(service="*.shop.*"), Selector(part=".shop.")),
        (IstioService(), None),
        (IstioService(name="we*"), None),
        (IstioService(service="*.example.org"), None),
        (IstioService(service="web.*"), None),
        (IstioService(service="*.*"), None),
        (IstioService(service="*..*"), None),
        (IstioService(service="*.a*b.*"), None),
    ],
)
def test_a_binding_names_services(service: IstioService, selector: Selector | None) -> None:
    assert selector_of(service, namespace="shop") == selector


def test_bound_specifications_hold_for_their_services_in_order() -> None:
    bindings = Bindings(
        [
            BoundSpec(charging("all"), (Selector(part=""),)),
            BoundSpec(charging("nobody"), ()),
            BoundSpec(charging("shop"), (Selector(part=".shop."),)),
            BoundSpec(charging("web"), (Selector("web.shop.svc"), Selector("web.shop.svc"))),
        ]
    )
    assert bindings.selected("web.shop.svc") == (0, 2, 3)
    assert bindings.selected("db.shop.svc") == (0, 2)
    assert bindings.selected("web") == (0,)
    assert bindings.quota_specs((0, 3)) == [charging("all"), charging("web")]
    assert bindings.api_specs((0, 3)) == []


def test_bound_specifications_join_those_of_the_entry() -> None:
    config = ClientConfig(
        http=HttpClientConfig(
            service_configs={"default": ServiceConfig(quota_spec=(charging("own"),))},
            default_destination_service="default",
        ),
        bindings=Bindings([BoundSpec(charging("bound"), (Selector("web"),))]),
    )
    bound, free = config.for_service("web"), config.for_service("db")
    assert bound is not None
    assert free is not None
    assert list(bound.quotas(PlainBag())) == ["own", "bound"]
    assert list(free.quotas(PlainBag())) == ["own"]


def test_a_binding_alone_configures_no_service() -> None:
    bindings = Bindings([BoundSpec(charging("bound"), (Selector("web"),))])
    assert ClientConfig(http=HttpClientConfig(), bindings=bindings).for_service("web") is None


def test_what_operators_have_for_mixer_is_read() -> None:
    text = b"""
apiVersion: config.istio.io/v1alpha2
kind: QuotaSpec
metadata: {name: request-count, namespace: istio-system}
spec:
  rules:
  - quotas: [{charge: 1, quota: requestcountquota}]
---
apiVersion: config.istio.io/v1alpha2
kind: QuotaSpecBinding
metadata: {name: request-count, namespace: istio-system}
spec:
  quotaSpecs: [{name: request-count, namespace: istio-system}]
  services: [{name: productpage, namespace: default}]
---
apiVersion: config.istio.io/v1alpha2
kind: HTTPAPISpec
metadata: {name: pages, namespace: default}
spec:
  patterns:
  - {httpMethod: GET, uriTemplate: "/p/{id}", attributes: {attributes: {api.operation: {stringValue: page}}}}
  api_keys: [{cookie: session}]
---
apiVersion: config.istio.io/v1alpha2
kind: HTTPAPISpecBinding
metadata: {name: pages, namespace: default}
spec:
  apiSpecs: [{name: pages}]
  services: [{service: "*.default.*"}]
"""
    config = client_config_of([("mixer.yaml", text)])
    view = config.for_service("productpage.default.svc.cluster.local")
    other = config.for_service("productpage.other.svc.cluster.local")
    assert view is not None
    assert other is not None
    bag = view.bag_for(PlainBag({"request.method": "GET", "request.path": "/p/1"}))
    assert view.quotas(bag) == {"requestcountquota": QuotaArgs(amount=1)}
    assert bag["api.operation"] == "page"
    assert other.quotas(bag) == {}
    assert other.bag_for(PlainBag())["api.operation"] is None
    assert config.warnings == ()


def test_without_any_configuration_everything_is_checked() -> None:
    view = ClientConfig(http=everything_checked()).for_service("")
    assert view is not None
    assert (view.is_checked, view.is_reported, view.forwarded_header) == (True, True, None)


def test_a_table_of_quotas_tells_whether_there_are_any() -> None:
    assert QuotaTable([charging("q")])
    assert not QuotaTable([QuotaSpec()])
