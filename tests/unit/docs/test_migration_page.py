"""The migration page: every old parameter has a row, and every one it names in `otlp` exists."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from remixer.adapters.otlp import INFO
from remixer.config import codes, kinds
from remixer.config.resolve import resolve
from remixer.config.resources import combine, parse_file
from remixer.foundation.problems import Problem

_PAGE = (Path(__file__).parents[3] / "docs" / "migration-adapters.md").read_text()

# Source: parameter tables of Mixer 1.3's adapters.
_HTTP_MAPPING = (
    "status request_size response_size latency local_ip remote_ip url method user_agent referer"
)
_SINK_INFO = (
    "id destination filter UniqueWriterIdentity UpdateDestination UpdateFilter "
    "UpdateIncludeChildren"
)


def _inside(parent: str, names: str) -> set[str]:
    return {f"{parent}.{name}" for name in names.split()}


_PARAMETERS = {
    "circonus": {"submission_url", "submission_interval", "metrics"}
    | _inside("metrics", "name type"),
    "signalfx": {
        "metrics",
        "ingest_url",
        "access_token",
        "datapoint_interval",
        "enable_metrics",
        "enable_tracing",
        "tracing_buffer_size",
        "tracing_sample_probability",
    }
    | _inside("metrics", "name type"),
    "solarwinds": {
        "appoptics_access_token",
        "appoptics_batch_size",
        "papertrail_url",
        "papertrail_local_retention_duration",
        "metrics",
        "metrics.label_names",
        "logs",
        "logs.payload_template",
    },
    "stackdriver": {
        "endpoint",
        "project_id",
        "push_interval",
        "app_credentials",
        "api_key",
        "service_account_path",
        "metric_info",
        "log_info",
        "log_info.http_mapping",
        "log_info.sink_info",
        "trace",
        "trace.sample_probability",
        "mesh_uid",
    }
    | _inside("metric_info", "kind value buckets metric_type")
    | _inside("log_info", "label_names payload_template")
    | _inside("log_info.http_mapping", _HTTP_MAPPING)
    | _inside("log_info.sink_info", _SINK_INFO),
}


def _section(name: str) -> str:
    _, found, rest = _PAGE.partition(f"\n## {name}\n")
    assert found
    return rest.partition("\n## ")[0]


def _rows(name: str) -> list[tuple[str, str, str]]:
    """Old parameter, parameter of otlp, remark."""
    rows = []
    for line in _section(name).splitlines():
        if line.startswith("| `"):
            old, new, remark = (cell.strip() for cell in line.strip("|").split(" | ", 2))
            rows.append((old.strip("`| "), new, remark))
    return rows


def _paths(message: type, start: str = "") -> Iterator[str]:
    """All parameters of a dataclass with a dot for each level, lists and maps looked into."""
    hints = get_type_hints(message)
    for each in fields(message):
        path = f"{start}{each.name}"
        yield path
        for inner in _messages_in(hints[each.name]):
            yield from _paths(inner, f"{path}.")


def _messages_in(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type) and is_dataclass(annotation):
        yield annotation
    for argument in get_args(annotation):
        yield from _messages_in(argument)


def test_the_page_has_the_adapters_whose_hint_leads_to_it() -> None:
    assert set(_PARAMETERS) == kinds.OTLP_SUCCEEDS


@pytest.mark.parametrize("adapter", sorted(_PARAMETERS))
def test_every_parameter_has_one_row_and_no_other_has(adapter: str) -> None:
    assert sorted(old for old, _, _ in _rows(adapter)) == sorted(_PARAMETERS[adapter])


@pytest.mark.parametrize("adapter", sorted(_PARAMETERS))
def test_every_row_names_a_parameter_of_otlp_or_says_why_not(adapter: str) -> None:
    known = set(_paths(type(INFO.defaults)))
    for old, new, remark in _rows(adapter):
        if new == "\u2013":
            assert re.search(r"^No equivalent[^.]*, because ", remark), old
        else:
            assert new.strip("`") in known, old


@pytest.mark.parametrize("adapter", sorted(_PARAMETERS))
def test_parameters_of_otlp_in_the_remarks_exist(adapter: str) -> None:
    known = set(_paths(type(INFO.defaults)))
    tops = {path.partition(".")[0] for path in known}
    for text in re.findall(r"`((?:[a-z_]+)(?:\.[a-z_]+)+)[:`]", _section(adapter)):
        if text.partition(".")[0] in tops and text not in _PARAMETERS[adapter]:
            assert text in known


def _only_problem(document: str) -> Problem:
    loaded = combine([parse_file(document.encode(), "old.yaml")])
    (problem,) = resolve(loaded, adapters={INFO.name: INFO}, templates={}).problems
    return problem


@pytest.mark.parametrize("adapter", sorted(_PARAMETERS))
@pytest.mark.parametrize(
    ("kind", "spec"),
    [("handler", "{{compiledAdapter: {0}}}"), ("{0}", "{{}}")],
)
def test_a_handler_of_such_an_adapter_is_led_to_the_page(
    adapter: str, kind: str, spec: str
) -> None:
    document = (
        f"apiVersion: config.istio.io/v1alpha2\nkind: {kind.format(adapter)}\n"
        f"metadata: {{name: h, namespace: shop}}\nspec: {spec.format(adapter)}\n"
    )
    problem = _only_problem(document)
    assert problem.code == codes.NOT_SUPPORTED
    assert problem.hint == f"Use `otlp`; docs/migration-adapters.md#{adapter} has its parameters."
