"""What the activator stand-in reports, by Knative 1.23's rules."""

import pytest

from remixer.testing.knative_activator_load import ActivatorLoad
from remixer.wire.knative_stats import RevisionKey

CART = RevisionKey("shop", "cart-00001")


def test_the_first_request_of_an_idle_revision_is_reported_at_once() -> None:
    stat = ActivatorLoad("activator-x").arrived(CART, now_s=0.0)
    assert stat is not None
    assert (stat.key, stat.pod_name) == (CART, "activator-x")
    assert (stat.concurrency, stat.request_count) == (1.0, 1.0)


def test_further_requests_wait_for_the_next_report() -> None:
    load = ActivatorLoad("a")
    load.arrived(CART, now_s=0.0)
    assert load.arrived(CART, now_s=0.1) is None


def test_the_first_report_leaves_out_what_was_told_at_once() -> None:
    load = ActivatorLoad("a")
    load.arrived(CART, now_s=0.0)
    load.arrived(CART, now_s=0.5)
    (stat,) = load.report(now_s=1.0)
    assert stat.concurrency == pytest.approx(0.5)
    assert stat.request_count == pytest.approx(1.0)


def test_later_reports_are_averages_over_their_second() -> None:
    load = ActivatorLoad("a")
    load.arrived(CART, now_s=0.0)
    load.report(now_s=1.0)
    load.left(CART, now_s=1.25)
    (stat,) = load.report(now_s=2.0)
    assert stat.concurrency == pytest.approx(0.25)
    assert stat.request_count == 0.0


def test_a_second_without_requests_is_reported_and_forgotten() -> None:
    load = ActivatorLoad("a")
    load.arrived(CART, now_s=0.0)
    load.left(CART, now_s=0.5)
    load.report(now_s=1.0)
    (last,) = load.report(now_s=2.0)
    assert last.concurrency == 0.0
    assert load.report(now_s=3.0) == []
    assert load.arrived(CART, now_s=3.0) is not None
