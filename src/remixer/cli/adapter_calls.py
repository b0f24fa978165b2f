"""What the commands of `remixer adapter` do."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rich import box
from rich.table import Table
from rich.text import Text

from remixer.adapters.registry import BUILTIN_ADAPTERS, load_adapters
from remixer.cli.adapter_description import adapter_resource, template_resource
from remixer.cli.adapter_target import find_adapter
from remixer.cli.complaints import printable, show_error
from remixer.cli.console import Json, OutputFormat, emit_json, show
from remixer.cli.exits import ExitCode, OperatorError
from remixer.cli.scaffold.names import require_usable
from remixer.cli.scaffold.package import Scaffold, write_package
from remixer.cli.scaffold.resources import yaml_text
from remixer.foundation.findings import hint_for
from remixer.sdk.adapter import AnyAdapterInfo
from remixer.server.adapter_server import AdapterServerSettings, serve_adapter, templates_of
from remixer.templates.registry import load_templates
from remixer.wire.proto_json.schema import SchemaError

_BUILT_IN: Final = "built-in"
_INSTALLED: Final = "installed"


def new_adapter(name: str, template: str, parent: Path, *, in_process: bool) -> None:
    """Write the package and tell what to do with it. Raises `OperatorError`."""
    require_usable(name, frozenset(load_adapters().adapters))
    templates = load_templates().templates
    found = templates.get(template)
    if found is None:
        raise OperatorError(
            what=f"there is no template `{template}`",
            where="--template",
            next_step=hint_for(template, templates) or "see `remixer adapter list`",
        )
    folder, written = write_package(Scaffold(name, found, in_process), parent)
    lines = [f"{folder}", *(f"  {each}" for each in written), ""]
    lines.append(f"Next: cd {folder} && python -m pytest; then see README.md")
    show(Text("\n".join(lines)))


def describe(
    target: str, *, namespace: str, session_based: bool, with_templates: bool, as_json: bool
) -> None:
    """Print the resources. Raises `OperatorError`."""
    info = find_adapter(target)
    templates = templates_of(info) if with_templates else ()
    try:
        adapter = adapter_resource(info, namespace=namespace, session_based=session_based)
    except SchemaError as error:
        raise OperatorError(
            what=f"adapter `{info.name}` cannot be described: {error}",
            where=f"TARGET {target}",
            next_step="see docs/writing-adapters.md for what parameters may be",
            exit_code=ExitCode.FAILED,
        ) from error
    documents = [*(template_resource(each, namespace=namespace) for each in templates), adapter]
    if as_json:
        emit_json({"apiVersion": "v1", "kind": "List", "items": documents})
    else:
        print(yaml_text(documents), end="")


def serve(target: str, settings: AdapterServerSettings) -> int:
    """Serve until stopped; the exit code."""
    return serve_adapter(find_adapter(target), settings=settings)


def list_adapters(output: OutputFormat) -> bool:
    """Show all adapters; whether every installed one could be loaded."""
    registry = load_adapters()
    own = {info.name for info in BUILTIN_ADAPTERS}
    if output is OutputFormat.JSON:
        emit_json(
            {
                "adapters": [_json(each, own) for each in registry.adapters.values()],
                "faults": [
                    {"name": each.name, "source": each.source, "message": each.message}
                    for each in registry.faults
                ],
            }
        )
    else:
        show(_table(registry.adapters, own))
        for fault in registry.faults:
            what = f"entry point `{fault.name}` of `{fault.group}` {fault.message}"
            show_error("; ".join(part for part in (what, fault.source, fault.hint) if part))
    return not registry.faults


def _json(info: AnyAdapterInfo, own: set[str]) -> dict[str, Json]:
    return {
        "name": info.name,
        "description": info.description,
        "templates": sorted(info.templates),
        "source": _BUILT_IN if info.name in own else _INSTALLED,
    }


def _table(adapters: Mapping[str, AnyAdapterInfo], own: set[str]) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    for heading in ("adapter", "templates", "source", "what it does"):
        table.add_column(heading)
    for name, info in adapters.items():
        table.add_row(
            printable(name),
            ", ".join(sorted(info.templates)),
            _BUILT_IN if name in own else _INSTALLED,
            printable(info.description),
        )
    return table
