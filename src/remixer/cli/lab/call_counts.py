"""What the processes of an experiment say that they did, from their pages of metrics. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

_CALLS: Final = "grpc_io_server_completed_rpcs"


@dataclass(frozen=True, slots=True)
class CallCounts:
    """So far, or between two looks."""

    checks: int = 0
    """Questions that the Mixer was asked by gRPC, of whichever protocol."""
    reports: int = 0
    """Of Mixer's protocol."""
    hits: int = 0
    """Of the sidecar or the client, as all below."""
    misses: int = 0
    prefetches: int = 0
    """Checks for quota ahead."""
    records: int = 0
    """Reported, and taken by the Mixer."""

    def __sub__(self, before: Self) -> "CallCounts":
        return CallCounts(
            self.checks - before.checks,
            self.reports - before.reports,
            self.hits - before.hits,
            self.misses - before.misses,
            self.prefetches - before.prefetches,
            self.records - before.records,
        )


def call_counts(mixer: str, sidecar: str) -> CallCounts:
    """Of both pages."""
    calls: dict[str, int] = {}
    for sample in _samples(mixer):
        if sample.name.removesuffix("_total") == _CALLS:
            method = sample.labels["grpc_server_method"].rpartition("/")[2].rpartition(".")[2]
            calls[method] = calls.get(method, 0) + int(sample.value)
    own = {sample.name: int(sample.value) for sample in _samples(sidecar)}

    def client(name: str) -> int:
        return own.get(f"remixer_client_{name}_total", 0)

    return CallCounts(
        checks=calls.get("Check", 0),
        reports=calls.get("Report", 0),
        hits=client("check_cache_hits"),
        misses=client("check_cache_misses"),
        prefetches=client("remote_quota_prefetch_calls"),
        records=client("report_records_sent"),
    )


def _samples(page: str) -> Iterator[Sample]:
    for family in text_string_to_metric_families(page):
        yield from family.samples
