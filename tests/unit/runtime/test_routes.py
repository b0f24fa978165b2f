"""A snapshot laid out for requests."""

from remixer.attributes.bag import TrackedBag, plain_bag
from remixer.config.snapshot import EMPTY_SNAPSHOT, Snapshot
from remixer.runtime.handlers import HandlerTable
from remixer.runtime.route_layout import build_routes
from remixer.runtime.routes import Route, RouteTable
from remixer.testing.engine import running_engine, snapshot_of
from remixer.testing.scripted import Journal, scripted_adapters
from remixer.testing.texts import NOTHING, VOCABULARY, action, handler, instance, rule


async def table_of(text: str) -> RouteTable:
    async with running_engine({"a": text}, adapters=scripted_adapters(Journal())) as running:
        assert running.engine.generation.snapshot.problems == ()
        return running.engine.generation.routes


def route_of(table: RouteTable, namespace: str) -> Route:
    return table.route_for(TrackedBag(plain_bag({"destination.namespace": namespace})))


MESH = handler("m", namespace="istio-system") + instance(
    "nothing", "checknothing", namespace="istio-system"
)


def test_nothing_gives_one_empty_route() -> None:
    table = build_routes(EMPTY_SNAPSHOT, {})
    assert table == RouteTable()
    assert route_of(table, "shop") is table.default


async def test_a_namespace_without_rules_takes_the_mesh_wide_route() -> None:
    text = VOCABULARY + MESH + rule("r", action("m", "nothing"), namespace="istio-system")
    table = await table_of(text)
    assert route_of(table, "shop") is table.default
    assert [step.rule for step in table.default.check] == ["r.rule.istio-system"]


async def test_each_variety_is_laid_out_apart() -> None:
    text = VOCABULARY + handler("h") + NOTHING + instance("event", "reportnothing")
    text += instance("count", "quota") + rule("r", action("h", "nothing", "event", "count"))
    route = route_of(await table_of(text), "shop")
    assert [step.targets[0].instance.short_name for step in route.check] == ["nothing"]
    assert [step.targets[0].instance.short_name for step in route.report] == ["event"]
    assert list(route.quota) == ["count"]


async def test_quotas_are_found_by_short_names_in_lower_case_mesh_wide_ones_first() -> None:
    text = VOCABULARY + handler("h") + instance("Count", "quota") + instance("other", "quota")
    text += handler("m", namespace="istio-system")
    text += instance("COUNT", "quota", namespace="istio-system")
    text += rule("m", action("m", "COUNT"), namespace="istio-system")
    text += rule("r", action("h", "other", "Count"))
    route = route_of(await table_of(text), "shop")
    assert list(route.quota) == ["count", "other"]
    assert [step.rule for step in route.quota["count"]] == ["m.rule.istio-system", "r.rule.shop"]
    assert [len(step.targets) for step in route.quota["count"]] == [1, 1]


async def test_a_route_may_wait_if_any_of_its_handlers_may() -> None:
    text = VOCABULARY + handler("h", adapter="waiting") + instance("count", "quota")
    text += rule("r", action("h", "count"))
    table = await table_of(text)
    route = route_of(table, "shop")
    assert (route.check_may_wait, route.quota_may_wait) == (False, True)
    assert not table.default.quota_may_wait


async def test_what_may_wait_mesh_wide_may_wait_everywhere() -> None:
    slow = MESH.replace("scripted", "waiting")
    text = VOCABULARY + slow + rule("r", action("m", "nothing"), namespace="istio-system")
    text += handler("h") + NOTHING + rule("r", action("h", "nothing"))
    assert route_of(await table_of(text), "shop").check_may_wait


def test_actions_of_handlers_that_could_not_be_built_are_left_out() -> None:
    text = VOCABULARY + handler("h") + NOTHING + rule("r", action("h", "nothing"))
    adapters = {each.name: each for each in scripted_adapters(Journal())}
    snapshot = snapshot_of({"a": text}, adapters)
    assert len(snapshot.rules) == 1
    assert route_of(build_routes(snapshot, HandlerTable().handlers), "shop").check == ()


def test_the_default_namespace_may_have_another_name() -> None:
    assert build_routes(Snapshot(default_namespace="mesh"), {}) == RouteTable()
