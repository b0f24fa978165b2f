"""Rows of reading configuration: 1,000 rules in 100 files, and one of these changed."""

from collections.abc import Callable

from bench.in_process import ADAPTERS
from bench.measure import Row, cpu_per_call
from bench.policies import CONFIGS
from remixer.config.memory import ResolveMemory
from remixer.config.resolve import resolve
from remixer.config.resources import ParsedFile, combine, overlay, parse_file
from remixer.config.snapshot import Snapshot
from remixer.config.stores.embedded import default_vocabulary
from remixer.templates.instances import BUILTIN_TEMPLATES

RULES = 1_000
NAMESPACES = 100
LOAD_GOAL_US = 2_000_000
CHANGED = "shop7"


def config_rows() -> list[Row]:
    """CPU time from the files' bytes to a snapshot."""
    texts = {name: namespace_text(name) for name in (f"shop{n}" for n in range(NAMESPACES))}
    files = {name: parse_file(text.encode(), name) for name, text in texts.items()}
    run, versions = resolver(), iter(range(1_000_000))
    run(files)

    def load() -> None:
        run_anew = resolver()
        run_anew({name: parse_file(text.encode(), name) for name, text in texts.items()})

    def change() -> None:
        text = texts[CHANGED].replace('"cart"', f'"cart-{next(versions)}"', 1)
        files[CHANGED] = parse_file(text.encode(), CHANGED)
        run(files)

    return [
        Row("configuration: 1,000 rules in 100 files", cpu_per_call(load, rounds=3), LOAD_GOAL_US),
        Row("configuration: one of 100 files changed", cpu_per_call(change, rounds=3)),
    ]


def namespace_text(namespace: str) -> str:
    """`bench/configs/allow.yaml` for one namespace, with ten rules of other conditions."""
    text = (
        (CONFIGS / "allow.yaml").read_text().replace("namespace: shop", f"namespace: {namespace}")
    )
    *parts, rule = text.split("---\n")
    for number in range(RULES // NAMESPACES):
        own = rule.replace("name: friends-only", f"name: friends-{number}")
        parts.append(own.replace('"http"', f'"{namespace}-{number}"'))
    return "---\n".join(parts)


def resolver() -> Callable[[dict[str, ParsedFile]], Snapshot]:
    """`resolve` as a server runs it, one run after another."""
    memory, defaults = ResolveMemory(), default_vocabulary()
    adapters = {info.name: info for info in ADAPTERS}
    templates = {template.name: template for template in BUILTIN_TEMPLATES}

    def run(files: dict[str, ParsedFile]) -> Snapshot:
        loaded = overlay(defaults, combine([*files.values()]))
        snapshot = resolve(loaded, adapters=adapters, templates=templates, memory=memory)
        if snapshot.problems or len(snapshot.rules) != RULES:
            raise SystemExit("\n".join(map(str, snapshot.problems)))
        return snapshot

    return run
