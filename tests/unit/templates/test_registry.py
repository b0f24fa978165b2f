"""Built-in templates and those of third parties, broken ones included."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from remixer.attributes.values import ValueType
from remixer.templates.instances import BUILTIN_TEMPLATES, CheckNothing
from remixer.templates.registry import TEMPLATE_GROUP, installed, load_plugins, load_templates
from remixer.templates.schema import Field, Message, Template, Variety

OWN = Template("own", Variety.CHECK, "own", Message("Template", CheckNothing))


@dataclass(frozen=True)
class Point:
    """A fake entry point."""

    load: Callable[[], object]
    name: str = "own"
    value: str = "third.party:TEMPLATE"


def broken() -> object:
    message = "no such module"
    raise ImportError(message)


def test_built_in_templates_are_always_there() -> None:
    registry = load_templates(())
    assert set(registry.templates) == {each.name for each in BUILTIN_TEMPLATES}
    assert list(registry.templates) == sorted(registry.templates)
    assert registry.faults == ()


def test_built_in_templates_pass_their_own_checks() -> None:
    points = [
        Point(lambda each=each: replace(each, name=f"x{each.name}")) for each in BUILTIN_TEMPLATES
    ]  # type: ignore[misc]  # a default binds the loop's value
    assert load_templates(points).faults == ()


def test_third_partys_template_is_added() -> None:
    registry = load_templates([Point(lambda: OWN)])
    assert registry.templates["own"] is OWN


@pytest.mark.parametrize(
    ("point", "reason"),
    [
        (Point(broken), "cannot be imported: ImportError: no such module"),
        (Point(lambda: 5), "is a `int`; wanted a `Template`"),
        (Point(lambda: replace(OWN, name="quota")), "another template is named `quota`"),
        (Point(lambda: replace(OWN, name="a.b")), "no identifier"),
        (Point(lambda: replace(OWN, variety=Variety.CHECK_WITH_OUTPUT)), "needs `output` message"),
        (
            Point(
                lambda: replace(
                    OWN,
                    message=Message("T", CheckNothing, (Field("name", 1, type=ValueType.STRING),)),
                )
            ),
            "reserved",
        ),
        (
            Point(lambda: replace(OWN, message=Message("T", CheckNothing, (Field("a", 1),)))),
            "either a type or a message",
        ),
        (
            Point(
                lambda: replace(
                    OWN,
                    message=Message(
                        "T",
                        CheckNothing,
                        (Field("a", 1, message=Message("U", CheckNothing), is_map=True),),
                    ),
                )
            ),
            "map of messages",
        ),
    ],
)
def test_broken_template_is_a_fault_and_the_rest_works(point: Point, reason: str) -> None:
    registry = load_templates([point, Point(lambda: replace(OWN, name="fine"))])
    assert "fine" in registry.templates
    (fault,) = registry.faults
    assert reason in fault.message
    assert (fault.group, fault.name, fault.source) == (
        TEMPLATE_GROUP,
        "own",
        "third.party:TEMPLATE",
    )


def test_first_of_two_third_parties_keeps_the_name() -> None:
    other = replace(OWN, package="other")
    registry = load_templates([Point(lambda: OWN), Point(lambda: other, value="late:T")])
    assert registry.templates["own"] is OWN
    assert [fault.source for fault in registry.faults] == ["late:T"]


def test_plugins_of_any_class_can_be_loaded() -> None:
    plugins = load_plugins("remixer.adapters", str, [Point(lambda: "a"), Point(lambda: 1)])
    assert [found for _, found in plugins.loaded] == ["a"]
    assert len(plugins.faults) == 1


def test_unknown_group_has_no_entry_points() -> None:
    assert installed("remixer.no_such_group") == ()
