"""Operators' files of Mixer 1.3 load unchanged: both spellings, both sorts of kind."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from remixer.adapters.registry import BUILTIN_ADAPTERS
from remixer.config.resolve import resolve
from remixer.config.resources import combine, parse_file
from remixer.config.stores.embedded import with_default_vocabulary
from remixer.templates.instances import BUILTIN_TEMPLATES

TABLE = yaml.safe_load((Path(__file__).parent / "operator_files.yaml").read_text())
HANDLERS = TABLE["handlers"]
ADAPTERS = {each.name: each for each in BUILTIN_ADAPTERS}
NOT_OF_MIXER = {"kactivator", "otlp"}
NAMESPACE = "istio-system"


def _camel(key: str) -> str:
    if key in TABLE["free"] or "." in key:
        return key
    first, *rest = key.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _written(value: Any, *, in_camel: bool, kind_of: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            _key(key, in_camel=in_camel, kind_of=kind_of): _written(
                each, in_camel=in_camel, kind_of=kind_of
            )
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_written(each, in_camel=in_camel, kind_of=kind_of) for each in value]
    return _full_name(value, kind_of)


def _key(key: str, *, in_camel: bool, kind_of: dict[str, str]) -> str:
    named = str(_full_name(key, kind_of))
    return _camel(named) if in_camel else named


def _full_name(value: Any, kind_of: dict[str, str]) -> Any:
    if isinstance(value, str) and value.startswith("<") and value.endswith(">"):
        return f"one-{value[1:-1]}.{kind_of[value[1:-1]]}.{NAMESPACE}"
    return value


def _file(adapter: str, *, in_camel: bool, has_old_kinds: bool) -> str:
    row = HANDLERS[adapter]
    kind_of = {
        template: template if has_old_kinds else "instance" for template in TABLE["instances"]
    }

    def document(kind: str, name: str, named_by: str, params: Any) -> dict[str, Any]:
        written = _written(params, in_camel=in_camel, kind_of=kind_of)
        is_new = kind in {"handler", "instance"}
        spec = {named_by: name_of[named_by], "params": written} if is_new else written
        return {"kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}

    name_of = {"compiledAdapter": adapter, "compiledTemplate": ""}
    kind = adapter if has_old_kinds else "handler"
    documents = [document(kind, "one", "compiledAdapter", row["params"])]
    for template in row["templates"]:
        name_of["compiledTemplate"] = template
        params = TABLE["instances"][template]
        documents.append(document(kind_of[template], f"one-{template}", "compiledTemplate", params))
    instances = [f"one-{template}.{kind_of[template]}" for template in row["templates"]]
    action = {"handler": f"one.{kind}", "instances": instances}
    rule = {"match": 'context.protocol == "http"', "actions": [action]}
    documents.append(
        {"kind": "rule", "metadata": {"name": "r", "namespace": NAMESPACE}, "spec": rule}
    )
    return str(
        yaml.safe_dump_all({"apiVersion": "config.istio.io/v1alpha2", **each} for each in documents)
    )


@pytest.mark.parametrize("has_old_kinds", [True, False], ids=["old-kinds", "handler-instance"])
@pytest.mark.parametrize("in_camel", [False, True], ids=["snake", "camel"])
@pytest.mark.parametrize("adapter", HANDLERS)
def test_an_operator_s_file_loads_without_a_word(
    adapter: str, *, in_camel: bool, has_old_kinds: bool
) -> None:
    text = _file(adapter, in_camel=in_camel, has_old_kinds=has_old_kinds)
    found = resolve(
        with_default_vocabulary(combine([parse_file(text.encode(), "mixer.yaml")])),
        adapters=ADAPTERS,
        templates={each.name: each for each in BUILTIN_TEMPLATES},
    )
    assert [str(each) for each in found.problems] == []
    assert [each.adapter.name for each in found.handlers] == [adapter]
    (rule,) = found.rules
    assert [len(each.instances) for each in rule.actions] == [len(HANDLERS[adapter]["templates"])]


def test_the_table_has_every_adapter_with_every_parameter() -> None:
    assert set(HANDLERS) == set(ADAPTERS) - NOT_OF_MIXER
    for name, row in HANDLERS.items():
        known: Any = ADAPTERS[name].defaults
        additions = set(row.get("additions", ()))
        assert {each.name for each in fields(known)} - additions == set(row["params"]), name


def test_the_table_has_every_field_of_its_templates() -> None:
    for template in BUILTIN_TEMPLATES:
        if template.name in TABLE["instances"]:
            names = {each.name for each in template.message.fields}
            assert names == set(TABLE["instances"][template.name]), template.name
