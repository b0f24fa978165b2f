"""Tables of the manual against what they describe: nothing missing, nothing invented."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from remixer.adapters.registry import BUILTIN_ADAPTERS
from remixer.attributes.values import Duration
from remixer.config import kinds
from remixer.config.references import candidates
from remixer.expr.functions import function_table
from remixer.foundation.status import Code, Status
from remixer.frontends.envoy.access_log.attributes import HTTP_ATTRIBUTES, TCP_ATTRIBUTES
from remixer.frontends.envoy.ext_authz.attributes import CHECK_ATTRIBUTES
from remixer.frontends.envoy.ext_authz.codec import encode_outcome
from remixer.mixer.outcome import CheckOutcome
from remixer.sdk import AdapterInfo
from remixer.server.compose import RemixerServer
from remixer.server.settings import Settings, settings_table
from remixer.templates.instances import BUILTIN_TEMPLATES
from remixer.wire._pb.envoy.service.auth.v3.external_auth_pb2 import CheckResponse

DOCS = Path(__file__).parents[3] / "docs"


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text()


def section(name: str, heading: str) -> str:
    """From a heading of the second level to the next one."""
    _, found, rest = page(name).partition(f"\n## {heading}\n")
    assert found, heading
    return rest.partition("\n## ")[0]


def in_code(text: str) -> set[str]:
    """What stands between single backticks."""
    return set(re.findall(r"`([^`\n]+)`", text))


# ------------------------------------------------------------------ expressions


def test_every_function_is_on_the_page_and_no_other() -> None:
    functions = section("expressions", "Functions")
    known = set(function_table())
    first_cells = {
        line.split("|")[1].strip(" `") for line in functions.splitlines() if line.startswith("| `")
    }
    operators = {name for name in known if name.isupper()}
    assert known - operators == first_cells
    assert operators <= in_code(functions)


# ------------------------------------------------------------------ adapters


def parameter_names(message: type, seen: frozenset[type] = frozenset()) -> Iterator[str]:
    """Names of fields and of enum members, however deep."""
    for each in fields(message):
        yield each.name.rstrip("_")
        for kind in kinds_in(get_type_hints(message)[each.name]):
            if issubclass(kind, IntEnum):
                yield from kind.__members__
            elif is_dataclass(kind) and kind not in seen:
                yield from parameter_names(kind, seen | {kind})


def kinds_in(annotation: Any) -> Iterator[type]:
    """Enums and dataclasses inside an annotation."""
    if isinstance(annotation, type) and (
        issubclass(annotation, IntEnum) or is_dataclass(annotation)
    ):
        yield annotation
    for argument in get_args(annotation):
        yield from kinds_in(argument)


@pytest.mark.parametrize("info", BUILTIN_ADAPTERS, ids=lambda info: info.name)
def test_every_parameter_of_an_adapter_is_in_its_section(info: AdapterInfo[Any]) -> None:
    words = set(re.findall(r"\w+", " ".join(in_code(section("adapters", info.name)))))
    assert set(parameter_names(type(info.defaults))) - words == set()


def test_the_list_of_adapters_says_which_templates_they_take() -> None:
    lines = page("adapters").splitlines()
    for info in BUILTIN_ADAPTERS:
        (line,) = [each for each in lines if each.startswith(f"| [{info.name}](#{info.name}) |")]
        templates = line.split("|")[2]
        all_templates = {template.name for template in BUILTIN_TEMPLATES}
        named = in_code(templates)
        assert (all_templates - named if "all but" in templates else named) == info.templates


# ------------------------------------------------------------------ configuration


def test_every_template_and_its_fields_are_on_the_page() -> None:
    lines = section("configuration", "Kinds").splitlines()
    for template in BUILTIN_TEMPLATES:
        (line,) = [each for each in lines if each.startswith(f"| `{template.name}` |")]
        assert {field.name for field in template.message.fields} <= in_code(line)


def test_worked_references_are_tried_as_the_page_says() -> None:
    table = section("configuration", "Names and references")
    rows = re.findall(r"^\| `(\S+)` \| (handler|instance) \| (.+) \|$", table, re.MULTILINE)
    assert len(rows) == 5
    for text, kind, tried in rows:
        said = tuple(each.strip(" `") for each in tried.split(","))
        assert said == candidates(text, kind=kind, namespace="shop")


# ------------------------------------------------------------------ Envoy


def test_every_attribute_of_a_check_is_on_the_page() -> None:
    assert set(CHECK_ATTRIBUTES) - in_code(section("envoy", "Attributes of a check")) == set()


def test_every_attribute_of_a_report_is_on_the_page() -> None:
    common_and_http, _, tcp = section("envoy", "Attributes of a report").partition("\nTCP only:\n")
    common = common_and_http.partition("\nHTTP only:\n")[0]
    assert set(HTTP_ATTRIBUTES) - in_code(common_and_http) == set()
    assert set(TCP_ATTRIBUTES) - in_code(common) - in_code(tcp) == set()


def test_every_rpc_code_has_its_http_status_on_the_page() -> None:
    said = re.findall(r"(\d+) ([A-Z_]+) \| (\d+) ", section("envoy", "What the check answers"))
    assert {(int(code), name, int(http)) for code, name, http in said} == {
        (code.value, code.name, http_status_of_denial(code)) for code in Code if code is not Code.OK
    }


def http_status_of_denial(code: Code) -> int:
    """What Envoy is told to answer."""
    outcome = CheckOutcome(
        status=Status(code), valid_duration=Duration(0), valid_use_count=0, references=frozenset()
    )
    return int(CheckResponse.FromString(encode_outcome(outcome, None)).denied_response.status.code)


# ------------------------------------------------------------------ operations


def test_the_table_of_settings_is_the_server_s_own() -> None:
    rows = [
        line for line in section("operations", "Settings").splitlines() if line.startswith("| `--")
    ]
    assert rows == [
        f"| `{row.flag}` | {f'`{row.default}`' if row.default else ''} | {row.about} "
        f"| {row.wanted} | {', '.join(f'`--{flag}`' for flag in row.mixer)} |"
        for row in settings_table()
    ]


def test_every_metric_is_on_the_page_and_no_other() -> None:
    exposition = (
        RemixerServer(Settings(shared_cache="valkey://localhost")).metrics.render().decode()
    )
    # A counter's TYPE line lacks the suffix that its samples have; HELP and TYPE agree.
    shown = set(re.findall(r"^# TYPE (?!process_|python_)(\S+) ", exposition, re.MULTILINE))
    table = section("operations", "Metrics")
    named = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    assert named == shown


# ------------------------------------------------------------------ differences


def test_adapters_and_templates_that_are_missing_are_told() -> None:
    lines = section("compat", "Not supported").splitlines()
    (adapters,) = [in_code(each) for each in lines if each.startswith("| adapters ")]
    templates = {
        name for each in lines if each.startswith("| templates ") for name in in_code(each)
    }
    assert adapters == kinds.MIXER_ADAPTERS - {info.name for info in BUILTIN_ADAPTERS}
    assert templates == kinds.MIXER_TEMPLATES - {each.name for each in BUILTIN_TEMPLATES}


# ------------------------------------------------------------------ the whole


def links_of(path: Path) -> list[tuple[str, str]]:
    """File and anchor of each link; either may be empty. Code holds none."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(), flags=re.DOTALL)
    return re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", prose)


def test_every_link_leads_somewhere() -> None:
    for path in DOCS.rglob("*.md"):
        for target, _ in links_of(path):
            assert "://" in target or (path.parent / target).exists(), f"{path.name}: {target}"


def test_every_anchor_is_a_heading() -> None:
    for path in DOCS.glob("*.md"):
        for target, anchor in links_of(path):
            if anchor and "://" not in target:
                text = (path.parent / target if target else path).read_text()
                headings = set(map(_anchor, re.findall(r"^#+ (.+)$", text, re.MULTILINE)))
                assert anchor in headings, f"{path.name}: {target}#{anchor}"


def _anchor(heading: str) -> str:
    """As the usual renderers make it: lower case, words joined by `-`."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_the_index_lists_every_page() -> None:
    listed = set(re.findall(r"\]\((\w[\w-]*\.md)\)", page("README")))
    assert {path.name for path in DOCS.glob("*.md")} - {"README.md"} == listed
