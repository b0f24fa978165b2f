"""More rules, in one namespace and in many; and more attributes in each request."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import raw_load
from bench.bodies.recording import Text, check_of, read
from bench.growth.point import FEWEST, Reading, cpu_us_each_once, readings
from bench.servers import ServerProcess
from bench.subjects import CHECK

RULES = (1, 10, 100, 1_000, 10_000)
NAMESPACES = (1, 10, 100, 1_000)
ATTRIBUTES = (1, 10, 100, 1_000)
_RULES_IN_EACH = 10
_RESOURCES_IN_A_FILE = 5_000
_MANY = 500_000
"""Questions about one namespace have lower numbers than that."""


def rules_in_one(count: int) -> list[Reading]:
    """Rules of one namespace; one of them is for the service that is asked about."""
    text = read("vary")
    hit = check_of(text, 0)
    with policies(_in_parts(namespace_text("shop", count))) as folder:
        return readings(folder, misses=partial(_checks, text), hit=hit, has_reports=True)


def rules_in_many(count: int) -> list[Reading]:
    """As many rules, ten in each namespace; all questions are about one of them."""
    return namespaces(max(1, count // _RULES_IN_EACH), rules_in_each=min(count, _RULES_IN_EACH))


def namespaces(count: int, *, rules_in_each: int = 1) -> list[Reading]:
    """Questions about one of the namespaces, and about all of them in turn."""
    names = ["shop", *(f"shop-{number}" for number in range(1, count))]
    about_one = read("vary")
    namespace: dict[str, object] = {
        "destination.namespace": names,
        "destination.service.namespace": names,
    }
    about_all = replace(about_one, attributes={**about_one.attributes, **namespace})

    def spread(server: ServerProcess) -> list[Reading]:
        def later(first: int, count: int) -> list[bytes]:
            return _checks(about_all, first + _MANY, count)

        # Each namespace has its first question before, a few at a time.
        for first in range(0, count, FEWEST):
            part = later(first - _MANY // 2, FEWEST)
            raw_load.run(server.address, CHECK, part, server_pid=server.pid, calls=FEWEST)
        cost = cpu_us_each_once(server, CHECK, later)
        return [Reading("µs", "miss, all in turn", cost)]

    with policies(
        {f"{name}.yaml": namespace_text(name, rules_in_each) for name in names}
    ) as folder:
        return readings(
            folder, misses=partial(_checks, about_one), hit=check_of(about_one, 0), more=spread
        )


def attributes(count: int) -> list[Reading]:
    """So many in each request; one of them is read."""
    fillers = {f"bench.filler.a{number}": f"value-{number}" for number in range(1, count)}
    text = Text(read("vary").global_word_count, {"source.name": "user-{number}", **fillers})
    declared = ", ".join(f"{name}: {{valueType: STRING}}" for name in fillers)
    manifest = (
        "kind: attributemanifest\nmetadata: {name: fillers, namespace: istio-system}\n"
        f"spec: {{attributes: {{{declared}}}}}\n"
    )
    rules = _list_rule("istio-system", "source.name", [""])
    with policies({"manifest.yaml": manifest, "rules.yaml": rules}) as folder:
        return readings(folder, misses=partial(_checks, text), hit=check_of(text, 0))


def _checks(text: Text, first: int, count: int) -> list[bytes]:
    return [check_of(text, number) for number in range(first + 1, first + count + 1)]


@contextmanager
def policies(texts: dict[str, str]) -> Iterator[Path]:
    """A folder with these files and the attributes that come with Remixer."""
    vocabulary = (files("remixer.config") / "defaults" / "attributes.yaml").read_text()
    with TemporaryDirectory() as made:
        for name, text in {**texts, "attributes.yaml": vocabulary}.items():
            (Path(made) / name).write_text(text)
        yield Path(made)


def _in_parts(text: str) -> dict[str, str]:
    """Files: one of them takes 10,000 resources."""
    documents = text.split("---\n")
    return {
        f"rules-{at}.yaml": "---\n".join(documents[at : at + _RESOURCES_IN_A_FILE])
        for at in range(0, len(documents), _RESOURCES_IN_A_FILE)
    }


def namespace_text(namespace: str, rules: int) -> str:
    """So many rules, each for another service, of which `cart` is the last."""
    services = [*(f"service-{number}" for number in range(1, rules)), "cart"]
    matches = [f'destination.service.name == "{service}"' for service in services]
    return _list_rule(namespace, 'request.headers["x-user"] | "unknown"', matches) + _metric_rules(
        namespace, matches
    )


def _list_rule(namespace: str, value: str, matches: Sequence[str]) -> str:
    metadata = f"{{name: banned, namespace: {namespace}}}"
    head = f"""
kind: handler
metadata: {metadata}
spec:
  compiledAdapter: listchecker
  params:
    overrides: [mallory]
    blacklist: true
    cachingInterval: 3600s
    cachingUseCount: 2000000000
---
kind: instance
metadata: {metadata}
spec: {{compiledTemplate: listentry, params: {{value: '{value}'}}}}
---
"""
    return head + "".join(
        _rule(namespace, f"check-{number}", match, "banned", "banned")
        for number, match in enumerate(matches)
    )


def _metric_rules(namespace: str, matches: Sequence[str]) -> str:
    metadata = f"{{name: requests, namespace: {namespace}}}"
    head = f"""
kind: handler
metadata: {metadata}
spec:
  compiledAdapter: prometheus
  params:
    metrics:
    - name: requests_total_{namespace.replace("-", "_")}
      instance_name: requests.instance.{namespace}
      kind: COUNTER
      label_names: [source, service, method, code]
---
kind: instance
metadata: {metadata}
spec:
  compiledTemplate: metric
  params:
    value: "1"
    dimensions:
      source: source.namespace | "unknown"
      service: destination.service.name | "unknown"
      method: request.method | "unknown"
      code: response.code | 200
---
"""
    return head + "".join(
        _rule(namespace, f"report-{number}", match, "requests", "requests")
        for number, match in enumerate(matches)
    )


def _rule(namespace: str, name: str, match: str, handler: str, instance: str) -> str:
    condition = f"match: '{match}', " if match else ""
    return (
        f"kind: rule\nmetadata: {{name: {name}, namespace: {namespace}}}\n"
        f"spec: {{{condition}actions: [{{handler: {handler}, instances: [{instance}]}}]}}\n---\n"
    )
