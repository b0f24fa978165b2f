"""Which templates there are: the built-in ones and those of installed third parties.

A third party registers a `Template` under the entry point group ``remixer.templates``. A broken
one is a fault to show, never a reason not to start.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Final, Generic, Protocol, TypeVar

from remixer.templates.instances import BUILTIN_TEMPLATES
from remixer.templates.schema import Message, Template, Variety

TEMPLATE_GROUP: Final = "remixer.templates"
_WITH_OUTPUT: Final = frozenset({Variety.ATTRIBUTE_GENERATOR, Variety.CHECK_WITH_OUTPUT})


class PluginSource(Protocol):
    """What an `importlib.metadata.EntryPoint` is to us."""

    @property
    def name(self) -> str:
        """Name in the group."""
        ...

    @property
    def value(self) -> str:
        """`package.module:attribute`."""
        ...

    def load(self) -> object:
        """Import it; may raise anything."""
        ...


@dataclass(frozen=True, slots=True)
class PluginFault:
    """Why an entry point gives nothing."""

    group: str
    name: str
    source: str
    """`package.module:attribute`."""
    message: str
    hint: str = ""


P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Plugins(Generic[P]):
    """What could be loaded, by entry point, and what could not."""

    loaded: tuple[tuple[PluginSource, P], ...]
    faults: tuple[PluginFault, ...]


@dataclass(frozen=True, slots=True)
class TemplateRegistry:
    """Templates by name, sorted, and the faults of those left out."""

    templates: Mapping[str, Template]
    faults: tuple[PluginFault, ...] = ()


def installed(group: str) -> tuple[PluginSource, ...]:
    """Entry points of a group, in stable order. Reads the metadata of installed packages."""
    found = entry_points(group=group)
    return tuple(sorted(found, key=lambda point: (point.name, point.value)))


def load_plugins(group: str, wanted: type[P], sources: Iterable[PluginSource]) -> Plugins[P]:
    """Import entry points that are to give an object of class `wanted`."""
    loaded: list[tuple[PluginSource, P]] = []
    faults: list[PluginFault] = []
    for source in sources:
        try:
            found = source.load()
        except Exception as error:  # noqa: BLE001 - the wall around third parties' imports
            reason = f"cannot be imported: {type(error).__name__}: {error}"
            hint = "Repair or uninstall the package; everything else works without it."
            faults.append(PluginFault(group, source.name, source.value, reason, hint))
            continue
        if isinstance(found, wanted):
            loaded.append((source, found))
        else:
            reason = f"is a `{type(found).__name__}`; wanted a `{wanted.__name__}`"
            faults.append(PluginFault(group, source.name, source.value, reason))
    return Plugins(tuple(loaded), tuple(faults))


def load_templates(sources: Iterable[PluginSource] | None = None) -> TemplateRegistry:
    """Built-in templates and third parties'; `sources` None means: the installed ones."""
    points = installed(TEMPLATE_GROUP) if sources is None else sources
    plugins = load_plugins(TEMPLATE_GROUP, Template, points)
    templates = {each.name: each for each in BUILTIN_TEMPLATES}
    faults = list(plugins.faults)
    for source, template in plugins.loaded:
        reason = next(_faults_of(template), "")
        if not reason and template.name in templates:
            reason = f"another template is named `{template.name}`"
        if reason:
            faults.append(PluginFault(TEMPLATE_GROUP, source.name, source.value, reason))
        else:
            templates[template.name] = template
    return TemplateRegistry(dict(sorted(templates.items())), tuple(faults))


def _faults_of(template: Template) -> Iterator[str]:
    """What makes a template unusable, found before the first instance of it is configured."""
    if not template.name.isidentifier():
        yield f"the template name `{template.name}` is no identifier"
    if (template.output is not None) != (template.variety in _WITH_OUTPUT):
        wanted = "needs" if template.output is None else "takes no"
        yield f"a template of variety {template.variety.name} {wanted} `output` message"
    yield from _message_faults(template.message, template.name, lambda field: field == "name")


def _message_faults(
    message: Message, path: str, is_reserved: Callable[[str], bool]
) -> Iterator[str]:
    for field in message.fields:
        here = f"{path}.{field.name}"
        if is_reserved(field.name):
            yield f"the field name of `{here}` is reserved"
        if (field.type is None) == (field.message is None):
            yield f"`{here}` must have either a type or a message"
        if field.message is not None:
            if field.is_map:
                yield f"`{here}` is a map of messages, which is not supported"
            yield from _message_faults(field.message, here, lambda _name: False)
