"""Where settings come from: flags, environment variables and one YAML file.

Each source gives texts with their place; nothing is interpreted here, and a fault in one
source hides none in another.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import yaml

from remixer.foundation.problems import Location, Problem

UNKNOWN_SETTING: Final = "SET001"
"""A flag, variable or key that is no setting."""
BAD_VALUE: Final = "SET002"
"""A value of the wrong form or out of range."""
UNREADABLE_SETTINGS: Final = "SET003"
"""The settings file, or the command line, cannot be read."""

FILE_KEY: Final = "settings"
"""Of the flag and variable that name the settings file; no key inside it."""
_LARGEST_FILE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Program:
    """Whose settings they are."""

    command: str
    """As people type it: `remixer serve`."""
    prefix: str
    """Of its environment variables."""
    others: tuple[str, ...] = ()
    """Prefixes of other programs' variables, where those begin with the prefix, too."""

    def variable_of(self, key: str) -> str:
        return self.prefix + key.upper()


SIDECAR: Final = Program("remixer sidecar", "REMIXER_SIDECAR_")
SERVE: Final = Program("remixer serve", "REMIXER_", others=(SIDECAR.prefix,))


@dataclass(frozen=True, slots=True)
class Given:
    """Texts that one source gives for one setting; several from a list or a repeated flag."""

    key: str
    texts: tuple[str, ...]
    location: Location


@dataclass(frozen=True, slots=True)
class Source:
    """All that one source gave, and its faults."""

    given: tuple[Given, ...] = ()
    problems: tuple[Problem, ...] = ()

    def text_of(self, key: str) -> str | None:
        """The last text given for `key`."""
        found = [each.texts[-1] for each in self.given if each.key == key and each.texts]
        return found[-1] if found else None


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """What may be set, and what Mixer 1.3 called it."""

    keys: frozenset[str]
    by_mixer_flag: Mapping[str, str]
    program: Program

    def hint(self, key: str, *, shown: Mapping[str, str]) -> str:
        """The next step for an unknown key; `shown` has each key as its source writes it."""
        former = self.by_mixer_flag.get(key)
        if former is not None:
            return f"Mixer 1.3's --{key} is {shown[former]} here."
        close = get_close_matches(key, sorted(shown), n=1)
        return (
            f"Did you mean {shown[close[0]]}?" if close else f"Run `{self.program.command} --help`."
        )


def flag_of(key: str) -> str:
    return "--" + key.replace("_", "-")


# ------------------------------------------------------------------ flags


def read_flags(arguments: Sequence[str], known: KnownKeys) -> Source:
    """Flags as `--key value` or `--key=value`; repeating one adds texts."""
    texts: dict[str, list[str]] = {}
    problems: list[Problem] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        name, equals, value = argument.partition("=")
        key = name.removeprefix("--").replace("-", "_")
        if not name.startswith("--") or key not in known.keys | {FILE_KEY}:
            problems.append(_unknown_flag(name, known))
            if rest and not equals and not rest[0].startswith("--"):
                rest.pop(0)  # its value, so that one slip gives one problem
            continue
        if not equals:
            if not rest or rest[0].startswith("--"):
                problems.append(_problem(UNREADABLE_SETTINGS, name, "the value is missing"))
                continue
            value = rest.pop(0)
        texts.setdefault(key, []).append(value)
    given = (Given(key, tuple(each), Location(flag_of(key))) for key, each in texts.items())
    return Source(tuple(given), tuple(problems))


def _unknown_flag(name: str, known: KnownKeys) -> Problem:
    shown = {key: flag_of(key) for key in known.keys | {FILE_KEY}}
    plain = name.lstrip("-")
    key = plain if plain in known.by_mixer_flag else plain.replace("-", "_")
    hint = known.hint(key, shown=shown)
    return _problem(UNKNOWN_SETTING, name, "there is no such flag", hint)


# ------------------------------------------------------------------ environment


def read_environment(environment: Mapping[str, str], known: KnownKeys) -> Source:
    """Variables `REMIXER_KEY`. What Kubernetes adds for a service named remixer is no setting."""
    program = known.program
    by_variable = {program.variable_of(key): key for key in known.keys | {FILE_KEY}}
    given: list[Given] = []
    problems: list[Problem] = []
    for variable, value in sorted(environment.items()):
        if not variable.startswith(program.prefix) or variable.startswith(program.others):
            continue
        key = by_variable.get(variable)
        if key is not None:
            given.append(Given(key, (value,), Location(variable)))
        elif not _is_service_link(variable.removeprefix(program.prefix), value):
            shown = {each: program.variable_of(each) for each in known.keys}
            hint = known.hint(variable.removeprefix(program.prefix).lower(), shown=shown)
            problems.append(_problem(UNKNOWN_SETTING, variable, "no setting has this name", hint))
    return Source(tuple(given), tuple(problems))


def _is_service_link(rest: str, value: str) -> bool:
    """Whether Kubernetes made it for a service; `rest` is its name after the prefix.

    Forms: `X_SERVICE_HOST`, `X_SERVICE_PORT…`, `X_PORT=tcp://…`, `X_PORT_80_TCP…`.
    """
    name = "_" + rest
    if name.endswith("_SERVICE_HOST") or "_SERVICE_PORT" in name:
        return True
    _before, port, after = name.partition("_PORT")
    if not port:
        return False
    return "://" in value if not after else after.lstrip("_").partition("_")[0].isdigit()


# ------------------------------------------------------------------ file


def read_file(path: str, known: KnownKeys) -> Source:
    """One YAML mapping of keys to texts, numbers or lists of them."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LARGEST_FILE_BYTES + 1)
    except OSError as error:
        return _unreadable(Location(path), f"the file cannot be read ({error.strerror})")
    if len(content) > _LARGEST_FILE_BYTES:
        return _unreadable(Location(path), f"the file has more than {_LARGEST_FILE_BYTES} bytes")
    try:
        root = yaml.compose(content, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = Location(path, mark.line + 1, mark.column + 1) if mark else Location(path)
        return _unreadable(place, f"the file is not YAML ({error.problem})")
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        return _unreadable(Location(path), f"the file is not YAML ({type(error).__name__})")
    if root is None:
        return Source()
    if not isinstance(root, yaml.MappingNode):
        return _unreadable(_place(path, root), "wanted a mapping of settings")
    return _from_mapping(path, root, known)


def _from_mapping(path: str, root: yaml.MappingNode, known: KnownKeys) -> Source:
    given: dict[str, Given] = {}
    problems: list[Problem] = []
    for key_node, value_node in root.value:
        place = _place(path, key_node)
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else ""
        texts = _texts(value_node)
        if key not in known.keys:
            hint = known.hint(key, shown={each: each for each in known.keys})
            problems.append(_fault(UNKNOWN_SETTING, place, f"no setting is named `{key}`", hint))
        elif key in given:
            problems.append(_fault(UNREADABLE_SETTINGS, place, f"`{key}` is given twice"))
        elif texts is None:
            problems.append(_fault(BAD_VALUE, place, f"`{key}`: wanted a value or a list of them"))
        else:
            given[key] = Given(key, texts, place)
    return Source(tuple(given.values()), tuple(problems))


def _texts(node: yaml.Node) -> tuple[str, ...] | None:
    """Scalars as they are written; None for mappings, nulls and lists of lists."""
    match node:
        case yaml.ScalarNode(tag="tag:yaml.org,2002:null"):
            return None
        case yaml.ScalarNode(value=str(text)):
            return (text,)
        case yaml.SequenceNode(value=list(items)):
            return _scalar_texts(items)
        case _:
            return None


def _scalar_texts(items: Iterable[yaml.Node]) -> tuple[str, ...] | None:
    found = tuple(str(each.value) for each in items if isinstance(each, yaml.ScalarNode))
    return found if len(found) == len(tuple(items)) else None


def _place(path: str, node: yaml.Node) -> Location:
    return Location(path, node.start_mark.line + 1, node.start_mark.column + 1)


def _unreadable(location: Location, message: str) -> Source:
    return Source(problems=(_fault(UNREADABLE_SETTINGS, location, message),))


def _problem(code: str, place: str, message: str, hint: str = "") -> Problem:
    return _fault(code, Location(place), message, hint)


def _fault(code: str, location: Location, message: str, hint: str = "") -> Problem:
    return Problem(code=code, message=message, location=location, hint=hint)
