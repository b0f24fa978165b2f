"""The page on clients' configuration against the messages, and its example at work."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from remixer.attributes.bag import plain_bag
from remixer.mixer.request import QuotaArgs
from remixer.sidecar.client_config import messages
from remixer.sidecar.client_config.loading import load_client_config
from remixer.sidecar.client_config.messages import FailPolicy

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "client-configuration.md").read_text()
EXAMPLE = ROOT / "examples" / "sidecar" / "client.yaml"

TABLES = [
    ("HttpClientConfig", [messages.HttpClientConfig]),
    ("TcpClientConfig", [messages.TcpClientConfig]),
    ("ServiceConfig", [messages.ServiceConfig]),
    ("TransportConfig", [messages.TransportConfig]),
    ("NetworkFailPolicy", [messages.NetworkFailPolicy]),
    ("Attributes", [messages.AttributeValue]),
    ("QuotaSpec", [messages.QuotaRule, messages.StringMatch]),
    ("HTTPAPISpec", [messages.HTTPAPISpec, messages.HTTPAPISpecPattern]),
    ("Bindings", [messages.IstioService]),
]


@pytest.mark.parametrize(("heading", "shown"), TABLES, ids=[each[0] for each in TABLES])
def test_every_key_has_a_row_and_every_row_a_key(heading: str, shown: list[type]) -> None:
    section = PAGE.partition(f"\n### {heading}\n")[2].partition("\n### ")[0]
    rows = re.findall(r"^\| `([a-z0-9_]+)` \|", section, re.MULTILINE)
    assert rows == [field.name for message in shown for field in fields(message)]


def test_the_example_of_the_page_is_the_one_that_ships() -> None:
    block = PAGE.partition("```yaml client.yaml\n")[2].partition("```")[0]
    assert block == EXAMPLE.read_text()


def test_the_example_does_what_the_page_says() -> None:
    config = load_client_config(EXAMPLE)
    view = config.for_service("books.shop.svc.cluster.local")
    assert view is not None
    path = "/shelves/2/books/7?token=k"
    bag = view.bag_for(plain_bag({"request.method": "GET", "request.path": path}))
    wanted = {
        "api.service": "books",
        "api.operation": "read",
        "request.api_key": "k",
        "destination.service.name": "books",
        "destination.service.namespace": "shop",
    }
    assert {name: bag[name] for name in wanted} == wanted
    assert view.quotas(bag) == {"request-count": QuotaArgs(amount=1)}
    policy = config.http.transport.network_fail_policy
    assert policy is not None
    assert (policy.policy, policy.max_retry) == (FailPolicy.FAIL_CLOSE, 2)
    assert config.warnings == ()


def test_other_services_of_the_example_are_checked_without_quotas() -> None:
    view = load_client_config(EXAMPLE).for_service("db.shop.svc.cluster.local")
    assert view is not None
    bag = view.bag_for(plain_bag({"request.method": "GET", "request.path": "/shelves/2/books/7"}))
    assert (view.is_checked, view.is_reported, view.quotas(bag)) == (True, True, {})
