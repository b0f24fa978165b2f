"""Writes the package of a new adapter: everything, or nothing."""

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template as Blanks
from typing import Final

from remixer.cli.adapter_description import adapter_resource, template_resource
from remixer.cli.exits import ExitCode, OperatorError
from remixer.cli.scaffold import resources
from remixer.cli.scaffold.names import class_name
from remixer.frontends.adapter_model.proto_text import params_proto_text
from remixer.sdk.adapter import AdapterInfo, AnyAdapterInfo
from remixer.templates.schema import Template, Variety

ADDRESS: Final = "127.0.0.1:9070"
_FIELDS_NAMED: Final = 3  # as many as fit
_WIDTH: Final = 96
_SDK: Final = "remixer.sdk"

_IMPORTS: Final[Mapping[Variety, tuple[str, ...]]] = {
    Variety.CHECK: ("CheckResult", "Code", "Duration", "Int32", "OK", "Status"),
    Variety.CHECK_WITH_OUTPUT: (
        "CheckOutput",
        "CheckResult",
        "Code",
        "Duration",
        "Int32",
        "OK",
        "Status",
    ),
    Variety.REPORT: ("Int32", "event_log"),
    Variety.QUOTA: ("Duration", "QuotaRequest", "QuotaResult"),
    Variety.ATTRIBUTE_GENERATOR: ("Value",),
}
_ALWAYS_IMPORTED: Final = ("AdapterInfo", "Environment", "HandlerContext", "ParamProblem")
_TEST_IMPORTS: Final[Mapping[Variety, tuple[str, ...]]] = {
    Variety.CHECK: ("Code", "Duration"),
    Variety.CHECK_WITH_OUTPUT: ("Code", "Duration"),
    Variety.REPORT: ("Int32",),
    Variety.QUOTA: ("QuotaRequest",),
    Variety.ATTRIBUTE_GENERATOR: (),
}
_PARAMS: Final[Mapping[Variety, Mapping[str, resources.Yaml]]] = {
    Variety.CHECK: {"allow": False, "message": "closed"},
    Variety.CHECK_WITH_OUTPUT: {"allow": False, "message": "closed"},
    Variety.REPORT: {"log_every": 1},
    Variety.QUOTA: {"max_amount": 3, "valid_duration": "1s"},
    Variety.ATTRIBUTE_GENERATOR: {"answer": "found"},
}
_TRY_CHECK: Final = "remixer check -s destination.namespace=shop,request.path=/cart"


@dataclass(frozen=True, slots=True)
class Scaffold:
    """What was asked for. The name is usable, the template known."""

    name: str
    template: Template
    in_process: bool

    @property
    def flavour(self) -> str:
        return "in_process" if self.in_process else "served"

    @property
    def variety(self) -> Variety:
        return self.template.variety


def write_package(scaffold: Scaffold, parent: Path) -> tuple[Path, tuple[str, ...]]:
    """The new folder, and the files in it. Raises `OperatorError`; then nothing is left behind."""
    folder = parent / scaffold.name
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
    except FileExistsError as error:
        raise OperatorError(
            what=f"`{folder}` exists already, and is left as it is",
            where="--output",
            next_step="choose another name or directory",
        ) from error
    except OSError as error:
        raise _not_written(folder, error) from error
    try:
        _write(folder, _code_files(scaffold))
        info = _load(scaffold.name, folder)
        _write(folder, _resource_files(scaffold, info))
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise _not_written(folder, error) from error
        raise
    return folder, tuple(sorted(str(each.relative_to(folder)) for each in _files_in(folder)))


def _files_in(folder: Path) -> Iterable[Path]:
    return (each for each in folder.rglob("*") if each.is_file())


def _not_written(folder: Path, error: OSError) -> OperatorError:
    return OperatorError(
        what=f"`{folder}` cannot be written: {error.strerror or error}",
        where="--output",
        next_step="choose a directory you may write to",
        exit_code=ExitCode.FAILED,
    )


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _code_files(scaffold: Scaffold) -> dict[str, str]:
    blanks = _blanks(scaffold)
    name, variety = scaffold.name, scaffold.variety.name.lower()
    render = _renderer(blanks)
    return {
        "README.md": render(f"README_{scaffold.flavour}.md.txt"),
        "pyproject.toml": render("pyproject.toml.txt"),
        f"{name}/__init__.py": render("init.py.txt"),
        f"{name}/adapter.py": render(f"adapter_{variety}.py.txt"),
        f"tests/test_{name}.py": _renderer(
            {**blanks, "imports": _import_lines(scaffold.template, _TEST_IMPORTS)}
        )(f"test_{variety}_{scaffold.flavour}.py.txt"),
    }


def _renderer(blanks: Mapping[str, str]) -> Callable[[str], str]:
    folder = files("remixer.cli.scaffold") / "files"
    return lambda name: Blanks((folder / name).read_text(encoding="utf-8")).substitute(blanks)


def _blanks(scaffold: Scaffold) -> dict[str, str]:
    template = scaffold.template
    entry_point = _renderer({"package": scaffold.name})("entry_point.txt")
    return {
        "package": scaffold.name,
        "title": f"An adapter for the template {template.name}.",
        "template": template.name,
        "carrier": template.message.carrier.__name__,
        "handler": f"{class_name(scaffold.name)}Handler",
        "fields": _fields_in_words(template),
        "output": resources.first_text_output(template),
        "address": ADDRESS,
        "entry_point": entry_point if scaffold.in_process else "",
        "imports": _import_lines(template, _IMPORTS, _ALWAYS_IMPORTED),
        "try_it": _try_it(scaffold),
    }


def _fields_in_words(template: Template) -> str:
    """A sentence of a docstring, short enough for a line."""
    names = [f"`{field.name}`" for field in template.message.fields]
    if not names:
        return "An instance has a `name` alone."
    more = " and more" if len(names) > _FIELDS_NAMED else ""
    return f"An instance has {', '.join(names[:_FIELDS_NAMED])}{more}."


def _try_it(scaffold: Scaffold) -> str:
    match scaffold.variety:
        case Variety.REPORT:
            return _TRY_CHECK.replace("check", "report", 1)
        case Variety.QUOTA:
            return f"{_TRY_CHECK} --quotas {scaffold.name}=2"
        case _:
            return _TRY_CHECK


def _import_lines(
    template: Template,
    by_variety: Mapping[Variety, tuple[str, ...]],
    always: tuple[str, ...] = (),
) -> str:
    """What the code needs, from the SDK and, for other people's templates, from their module."""
    carrier = template.message.carrier
    names = {*by_variety[template.variety], *always}
    module = _SDK if carrier.__module__ == "remixer.templates.instances" else carrier.__module__
    lines = []
    if module == _SDK:
        names.add(carrier.__name__)
    else:
        lines.append(f"from {module} import {carrier.__name__}")
    if names:
        lines.append(_import_line(_SDK, names))
    return "\n".join(sorted(lines))


def _import_line(module: str, names: Iterable[str]) -> str:
    # Constants, classes, functions: as import sorters want them.
    ordered = sorted(names, key=lambda each: (not each.isupper(), each[:1].islower(), each))
    line = f"from {module} import {', '.join(ordered)}"
    if len(line) <= _WIDTH:
        return line
    inside = "".join(f"    {each},\n" for each in ordered)
    return f"from {module} import (\n{inside})"


def _load(name: str, folder: Path) -> AnyAdapterInfo:
    """The adapter that was just written; its resources are made from it."""
    qualified = f"_remixer_scaffold_{name}"
    spec = importlib.util.spec_from_file_location(qualified, folder / name / "adapter.py")
    assert spec is not None  # noqa: S101 - a file that was just written
    assert spec.loader is not None  # noqa: S101 - see above
    module = importlib.util.module_from_spec(spec)
    sys.modules[qualified] = module  # dataclasses look their module up
    keep_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = keep_bytecode
        del sys.modules[qualified]
    info: object = module.INFO
    assert isinstance(info, AdapterInfo)  # noqa: S101 - our own text
    return info


def _resource_files(scaffold: Scaffold, info: AnyAdapterInfo) -> dict[str, str]:
    name = scaffold.name
    params = _PARAMS[scaffold.variety]
    documents = {
        "handler": resources.handler(
            name, params, address=None if scaffold.in_process else ADDRESS
        ),
        "instance": resources.instance(name, scaffold.template, in_process=scaffold.in_process),
        "rule": resources.rule(name),
    }
    found = {
        f"resources/{kind}.yaml": resources.yaml_text([document])
        for kind, document in documents.items()
    }
    if not scaffold.in_process:
        namespace = resources.MODEL_NAMESPACE
        adapter = adapter_resource(info, namespace=namespace, session_based=False)
        template = template_resource(scaffold.template, namespace=namespace)
        found["resources/adapter.yaml"] = resources.yaml_text([adapter])
        found["resources/template.yaml"] = resources.yaml_text([template])
        found[f"config/{name}.proto"] = params_proto_text(info)
    return found
