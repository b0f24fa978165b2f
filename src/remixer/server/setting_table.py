"""A table of settings: a dataclass whose fields are the rows, read from flags, variables and a file.

Flag, environment variable and file key follow from a field's name (`drain_grace_s`:
`--drain-grace`, `REMIXER_DRAIN_GRACE`, `drain_grace`), and the help text and the manual are made
from it. A flag counts before a variable, a variable before the file, the file before the default.
All faults of all sources are told at once.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any, ClassVar, Final, Protocol, TypeAlias, TypeVar

from remixer.foundation.errors import StartupError
from remixer.foundation.problems import Location, Problem
from remixer.server import setting_forms as forms
from remixer.server.setting_sources import (
    BAD_VALUE,
    FILE_KEY,
    Given,
    KnownKeys,
    Program,
    Source,
    flag_of,
    read_environment,
    read_file,
    read_flags,
)

CONFLICT: Final = "SET004"
"""Two settings that do not go together."""

T = TypeVar("T")


class Table(Protocol):
    """A frozen dataclass all of whose fields were made by `setting`."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


S = TypeVar("S", bound=Table)
Places: TypeAlias = Mapping[str, Location]
"""Where each setting that somebody gave was given, by field name."""


class SettingsError(StartupError):
    """The settings cannot be used; `problems` has every fault, `str()` one line for each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def setting(form: forms.Form[T], default: T, *, about: str, mixer: tuple[str, ...] = ()) -> T:
    """A row of a table. `mixer`: flags of Mixer 1.3 that it replaces."""
    return field(default=default, metadata={"form": form, "about": about, "mixer": mixer})


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A setting as the help text and the manual show it."""

    key: str
    flag: str
    variable: str
    placeholder: str
    wanted: str
    default: str
    about: str
    mixer: tuple[str, ...]


def rows_of(table: type[Table], program: Program) -> tuple[SettingRow, ...]:
    """All settings, in the order in which a reader wants them."""
    return tuple(_row(each, program) for each in fields(table))


def _row(row: "Field[object]", program: Program) -> SettingRow:
    key = _key(row.name)
    form: forms.Form[object] = row.metadata["form"]
    return SettingRow(
        key=key,
        flag=flag_of(key),
        variable=program.variable_of(key),
        placeholder=form.placeholder,
        wanted=form.wanted,
        default=form.show(row.default),
        about=row.metadata["about"],
        mixer=row.metadata["mixer"],
    )


def _key(name: str) -> str:
    return name.removesuffix("_s")


def known_keys(table: type[Table], program: Program) -> KnownKeys:
    rows = rows_of(table, program)
    former = {flag: row.key for row in rows for flag in row.mixer}
    return KnownKeys(frozenset(row.key for row in rows), former, program)


def read_table(
    defaults: S,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    program: Program,
    problems: Iterable[Problem] = (),
    conflicts: Callable[[S, Places], Iterable[Problem]],
) -> S:
    """Raises `SettingsError` with every fault of every source, `problems` of before included."""
    known = known_keys(type(defaults), program)
    flags = read_flags(arguments, known)
    variables = read_environment(environment, known)
    path = flags.text_of(FILE_KEY) or variables.text_of(FILE_KEY)
    file = Source() if path is None else read_file(path, known)
    sources = (file, variables, flags)  # later ones count
    found = [problem for source in sources for problem in source.problems]
    found += problems
    values: dict[str, Any] = {}  # each from the form of its own field
    places: dict[str, Location] = {}
    for given in (each for source in sources for each in source.given if each.key != FILE_KEY):
        name, form = _named(type(defaults), given.key)
        try:
            values[name] = form.parse(_last_if_single(given, form))
            places[name] = given.location
        except ValueError as error:
            found.append(_bad_value(given, form, str(error)))
    settings = replace(defaults, **values)
    found += conflicts(settings, places)
    if found:
        raise SettingsError(found)
    return settings


def _last_if_single(given: Given, form: forms.Form[object]) -> tuple[str, ...]:
    """A repeated flag of a single value: the last counts, so that a wrapper's can be overruled."""
    is_list = form.parse in forms.LISTS
    is_flag = given.location.file.startswith("--")
    return given.texts[-1:] if is_flag and not is_list else given.texts


def _named(table: type[Table], key: str) -> tuple[str, forms.Form[object]]:
    for row in fields(table):
        if _key(row.name) == key:
            return row.name, row.metadata["form"]
    raise KeyError(key)


def _bad_value(given: Given, form: forms.Form[object], found: str) -> Problem:
    return Problem(
        code=BAD_VALUE,
        message=f"{found}; wanted {form.wanted}",
        location=given.location,
        field=given.key,
    )


# ------------------------------------------------------------------ what does not go together


def conflict(name: str, places: Places, message: str, hint: str) -> Problem:
    """`name` does not go with another setting."""
    location = places.get(name, Location(flag_of(name)))
    return Problem(code=CONFLICT, message=message, location=location, field=name, hint=hint)


def place_conflicts(addresses: Iterable[tuple[str, str]], places: Places) -> Iterator[Problem]:
    """Two settings, by name and address, that want one place."""
    taken: dict[str, str] = {}
    for name, address in addresses:
        place = forms.fixed_place(address)
        if place is None:
            continue
        if place in taken:
            message = f"{flag_of(name)} and {flag_of(taken[place])} both want {place}"
            yield conflict(name, places, message, "Give each its own.")
        taken.setdefault(place, name)
