"""The registry: built-in adapters, installed ones, and those that cannot be had."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from remixer.adapters import noop
from remixer.adapters.registry import ADAPTER_GROUP, BUILTIN_ADAPTERS, load_adapters
from remixer.templates.instances import BUILTIN_TEMPLATES

_GEOFENCE = replace(noop.INFO, name="geofence")


@dataclass(frozen=True)
class _Point:
    name: str
    load: Callable[[], Any]
    value: str = "package:INFO"


def _raise(error: BaseException) -> Any:
    raise error


def test_the_built_in_adapters() -> None:
    loaded = load_adapters(())
    assert list(loaded.adapters) == sorted(info.name for info in BUILTIN_ADAPTERS)
    assert {"denier", "kubernetesenv", "memquota", "redisquota"} <= loaded.adapters.keys()
    assert loaded.faults == ()


def test_built_in_adapters_take_only_templates_that_exist() -> None:
    known = {template.name for template in BUILTIN_TEMPLATES}
    for info in BUILTIN_ADAPTERS:
        assert info.templates <= known, info.name


def test_an_installed_adapter_joins_them() -> None:
    loaded = load_adapters([_Point("geofence", lambda: _GEOFENCE)])
    assert loaded.adapters["geofence"] is _GEOFENCE
    assert "denier" in loaded.adapters
    assert loaded.faults == ()


def test_a_real_entry_point_works() -> None:
    broken = EntryPoint("x", "remixer.adapters.noop:MISSING", ADAPTER_GROUP)
    taken = EntryPoint("y", "remixer.adapters.noop:INFO", ADAPTER_GROUP)
    loaded = load_adapters([taken, broken])
    assert [(fault.name, fault.source) for fault in loaded.faults] == [
        ("x", "remixer.adapters.noop:MISSING"),
        ("y", "remixer.adapters.noop:INFO"),
    ]
    assert "AttributeError" in loaded.faults[0].message


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        (
            lambda: _raise(ImportError("no module named geo")),
            "cannot be imported: ImportError: no module named geo",
        ),
        (lambda: _raise(ZeroDivisionError()), "cannot be imported: ZeroDivisionError: "),
        (object, "is a `object`; wanted a `AdapterInfo`"),
        (lambda: replace(_GEOFENCE, name="a b"), "the adapter name `a b` is no identifier"),
        (
            lambda: replace(_GEOFENCE, templates=frozenset()),
            "adapter `geofence` takes no template",
        ),
        (
            lambda: replace(_GEOFENCE, defaults=noop.Params),
            "the defaults of `geofence` are no instance of a dataclass",
        ),
        (lambda: replace(_GEOFENCE, name="denier"), "another adapter is named `denier`"),
    ],
    ids=["import", "any-error", "type", "name", "templates", "defaults", "taken"],
)
def test_a_broken_one_is_reported_and_the_others_are_there(
    load: Callable[[], Any], reason: str
) -> None:
    good = _Point("other", lambda: replace(_GEOFENCE, name="other"))
    loaded = load_adapters([_Point("geofence", load), good])
    assert [(fault.name, fault.message) for fault in loaded.faults] == [("geofence", reason)]
    assert "other" in loaded.adapters
    assert loaded.adapters["denier"] in BUILTIN_ADAPTERS


def test_of_two_newcomers_of_one_name_the_first_wins() -> None:
    first, second = replace(_GEOFENCE, description="1"), replace(_GEOFENCE, description="2")
    loaded = load_adapters([_Point("a", lambda: first), _Point("b", lambda: second)])
    assert loaded.adapters["geofence"] is first
    assert [fault.name for fault in loaded.faults] == ["b"]


def test_installed_entry_points_can_be_asked_for() -> None:
    assert set(load_adapters().adapters) >= {info.name for info in BUILTIN_ADAPTERS}
