"""Which attributes can be in the keys of remembered verdicts, by namespace, and who reads them."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from remixer.attributes.vocabulary import Vocabulary
from remixer.cli.complaints import printable
from remixer.cli.config_files import load_paths
from remixer.cli.console import Json, OutputFormat, emit_json, show
from remixer.config.key_reads import KeyRead, key_reads
from remixer.config.useless_keys import harm_of
from remixer.expr.semantics import Semantics
from remixer.runtime.routes import NAMESPACE_ATTRIBUTES
from remixer.server.installed import installed_resolver


def explain_cache(
    paths: Iterable[Path], *, default_namespace: str, semantics: Semantics, output: OutputFormat
) -> None:
    """Show what the rules of these files read before a verdict. Raises `OperatorError`."""
    loaded = load_paths(paths, flag="PATH")
    snapshot = installed_resolver(default_namespace=default_namespace, semantics=semantics)(loaded)
    resources = {each.name: each for each in loaded.resources}
    reads = by_namespace(key_reads(snapshot.rules, resources, snapshot.vocabulary))
    if output is OutputFormat.JSON:
        emit_json(explanation_json(reads, snapshot.vocabulary, default_namespace))
    else:
        show(explanation_text(reads, snapshot.vocabulary, default_namespace))


Reads = Mapping[str, Mapping[str, list[KeyRead]]]
"""By namespace and attribute, in order of names."""


def by_namespace(reads: Iterable[KeyRead]) -> Reads:
    found: dict[str, dict[str, list[KeyRead]]] = {}
    for read in reads:
        of_namespace = found.setdefault(read.rule.namespace, {})
        of_namespace.setdefault(str(read.mention), []).append(read)
    return {
        namespace: dict(sorted(attributes.items()))
        for namespace, attributes in sorted(found.items())
    }


def explanation_json(
    reads: Reads, vocabulary: Vocabulary, default_namespace: str
) -> dict[str, Json]:
    return {
        "always": sorted(NAMESPACE_ATTRIBUTES),
        "namespaces": [
            {
                "namespace": namespace,
                "applies_everywhere": namespace == default_namespace,
                "attributes": [
                    {
                        "name": name,
                        "harm": harm_of(found[0].mention, vocabulary),
                        "reads": [_read_json(each) for each in found],
                    }
                    for name, found in attributes.items()
                ],
            }
            for namespace, attributes in reads.items()
        ],
    }


def explanation_text(
    reads: Reads, vocabulary: Vocabulary, default_namespace: str
) -> RenderableType:
    always = ", ".join(sorted(NAMESPACE_ATTRIBUTES))
    parts: list[RenderableType] = [Text(f"in every key  {always}: they choose the rules\n")]
    for namespace, attributes in reads.items():
        where = " (applies everywhere)" if namespace == default_namespace else ""
        table = Table(
            box=box.SIMPLE, pad_edge=False, title=f"{namespace}{where}", title_justify="left"
        )
        for heading in ("attribute", "rule", "read at", "harm"):
            table.add_column(heading)
        for name, found in attributes.items():
            harm = harm_of(found[0].mention, vocabulary)
            for number, each in enumerate(found):
                table.add_row(
                    Text(printable("" if number else name), style="bold red" if harm else ""),
                    printable(each.rule.name),
                    printable(f"{each.location} {each.resource} {each.field}"),
                    "" if number else harm,
                )
        parts.append(table)
    if not reads:
        parts.append(Text("no rule reads anything else before a verdict"))
    return Group(*parts)


def _read_json(read: KeyRead) -> dict[str, Json]:
    return {
        "rule": read.rule.name,
        "resource": read.resource,
        "field": read.field,
        "file": read.location.file,
        "line": read.location.line,
        "column": read.location.column,
    }
