"""What `remixer lab sidecar` counts and draws, without any process."""

from itertools import islice
from xml.etree import ElementTree

from remixer.cli.lab.bar_chart import BarChart, BarGroup, svg
from remixer.cli.lab.call_counts import CallCounts, call_counts
from remixer.cli.lab.guests import everybody_once, traffic, wanted_status
from remixer.cli.lab.sidecar_report import Latencies, row_of
from remixer.cli.lab.tally import Sample

MIXER = """\
# TYPE grpc_io_server_completed_rpcs counter
grpc_io_server_completed_rpcs_total{grpc_server_method="istio.mixer.v1.Mixer/Check",grpc_server_status="OK"} 3.0
grpc_io_server_completed_rpcs_total{grpc_server_method="istio.mixer.v1.Mixer/Check",grpc_server_status="UNAVAILABLE"} 1.0
grpc_io_server_completed_rpcs_total{grpc_server_method="envoy.service.auth.v3.Authorization/Check",grpc_server_status="OK"} 5.0
grpc_io_server_completed_rpcs_total{grpc_server_method="istio.mixer.v1.Mixer/Report",grpc_server_status="OK"} 2.0
"""
SIDECAR = """\
# TYPE remixer_client_check_cache_hits counter
remixer_client_check_cache_hits_total 90.0
# TYPE remixer_client_check_cache_misses counter
remixer_client_check_cache_misses_total 10.0
"""


def sample(latency_s: float = 0.001, status: int = 200, wanted: int = 200) -> Sample:
    return Sample(0.0, latency_s, status, wanted)


def test_the_same_seed_asks_the_same() -> None:
    one, other = (list(islice(traffic(seed=3, keys=10, tail=0.1), 200)) for _ in range(2))
    assert one == other


def test_without_a_tail_only_those_ask_who_ask_often() -> None:
    assert set(islice(traffic(seed=1, keys=5, tail=0.0), 500)) == set(everybody_once(5))


def test_some_users_are_refused() -> None:
    assert {wanted_status(each) for each in everybody_once(10)} == {200, 403}


def test_calls_are_counted_whatever_their_status_and_protocol() -> None:
    counts = call_counts(MIXER, SIDECAR)
    assert counts == CallCounts(checks=9, reports=2, hits=90, misses=10)


def test_a_row_tells_failures_from_wrong_verdicts() -> None:
    samples = [sample(), sample(status=503), sample(status=0), sample(status=403)]
    row = row_of("x", samples, CallCounts(checks=2, reports=1, hits=3, misses=1))
    assert (row.requests, row.failed, row.wrong) == (4, 2, 1)
    assert (row.requests_per_check, row.requests_per_report, row.hit_ratio) == (2.0, 4.0, 0.75)


def test_a_row_without_calls_divides_by_nothing() -> None:
    row = row_of("x", [sample()], CallCounts())
    assert (row.requests_per_check, row.requests_per_report, row.hit_ratio) == (None, None, None)


def test_percentiles_are_of_the_samples() -> None:
    found = Latencies.of([sample(number / 1e6) for number in range(101)])
    assert (round(found.p50_us), round(found.p90_us), round(found.p99_us)) == (50, 90, 99)


def test_a_chart_has_a_bar_for_each_number_and_none_for_zero() -> None:
    chart = BarChart(
        "µs & more", ("a", "b"), (BarGroup("<x>", (10.0, 1_000.0)), BarGroup("y", (0, 5)))
    )
    root = ElementTree.fromstring(svg([chart]))  # noqa: S314 - our own
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"µs & more", "<x>", "10", "1,000", "5"} <= set(texts)
    assert "0" not in texts


def test_a_longer_bar_is_a_larger_number() -> None:
    chart = BarChart("t", ("a",), (BarGroup("x", (3.0,)), BarGroup("y", (300.0,))))
    root = ElementTree.fromstring(svg([chart]))  # noqa: S314 - our own
    bars = [
        float(each.attrib["width"])
        for each in root.iter("{http://www.w3.org/2000/svg}rect")
        if each.attrib["height"] == "12"
    ]
    assert bars == sorted(bars)
    assert len(bars) == 2
