"""Reads the flags of `mixs server`, so that a deployment written for Mixer starts here.

Pure. `translated` gives our own flags for those that have a meaning, a note for each (the server
logs it once), and a `Problem` for each that has none. What is no flag of Mixer's passes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from remixer.foundation.problems import Location, Problem
from remixer.server.mixer_flag_table import MIXER_FLAGS, MixerFlag
from remixer.server.setting_sources import BAD_VALUE, UNREADABLE_SETTINGS

REFUSED: Final = "SET005"
"""A flag of Mixer 1.3 that means nothing here."""
_ADDRESS: Final = "address"
_PORT: Final = "port"
_EVERY_INTERFACE: Final = "0.0.0.0"  # noqa: S104 - what `:PORT` means to Mixer


@dataclass(frozen=True, slots=True)
class FlagNote:
    """A flag of Mixer's that was understood."""

    flag: str
    """As it is documented: `--configStoreURL`."""
    means: str
    """Our flags with their values, or what its replacement is if it changes nothing."""


@dataclass(slots=True)
class Translated:
    """What a command line comes to."""

    arguments: list[str] = field(default_factory=list)
    notes: list[FlagNote] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def translated(arguments: Sequence[str], flags: Sequence[MixerFlag] = MIXER_FLAGS) -> Translated:
    """`arguments` in our own flags."""
    found = Translated()
    has_address = any(each.partition("=")[0] == "--address" for each in arguments)
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        flag, value = _recognised(argument, flags)
        if flag is None:
            found.arguments.append(argument)
        elif value is None and not rest:
            found.problems.append(_problem(UNREADABLE_SETTINGS, flag, "the value is missing"))
        else:
            text = rest.pop(0) if value is None else value
            if flag.name == _PORT and has_address:
                found.notes.append(FlagNote("--port", "nothing beside --address"))
            else:
                _translate(flag, text, found)
    return found


def _recognised(argument: str, flags: Sequence[MixerFlag]) -> tuple[MixerFlag | None, str | None]:
    """The flag, and its value if it stands in the same argument."""
    name, equals, value = argument.partition("=")
    for flag in flags:
        if name == f"--{flag.name}":
            return flag, value if equals else ("true" if flag.is_switch else None)
        # `-p 9091`, `-p=9091`, `-p9091`
        if flag.short and argument.startswith(f"-{flag.short}"):
            joined = argument[2:].removeprefix("=")
            return flag, joined or None
    return None, None


def _translate(flag: MixerFlag, value: str, found: Translated) -> None:
    if flag.becomes is None:
        if flag.is_harmless(value):
            found.notes.append(FlagNote(f"--{flag.name}", f"no effect: {flag.instead}"))
        else:
            message = f"this flag of Mixer has no meaning here, found `{value}`"
            found.problems.append(_problem(REFUSED, flag, message, _sentence(flag.instead)))
        return
    if flag.name == _ADDRESS:
        found.arguments.append(_own_address(value, found.notes))
        return
    _translate_value(flag, flag.becomes, value, found)


def _translate_value(
    flag: MixerFlag,
    becomes: Callable[[str], tuple[str, ...]],
    value: str,
    found: Translated,
) -> None:
    try:
        ours = becomes(value)
    except ValueError as error:
        found.problems.append(_problem(BAD_VALUE, flag, str(error)))
        return
    found.arguments += ours
    shown = " ".join(each.replace("=", " ", 1) for each in ours)
    found.notes.append(FlagNote(f"--{flag.name}", shown or "no effect"))


def _own_address(value: str, notes: list[FlagNote]) -> str:
    """Go writes `:PORT` for all interfaces; our own addresses always have a host."""
    port = value.removeprefix("tcp://").removeprefix(":")
    if not port.isdigit() or value not in {f":{port}", f"tcp://:{port}"}:
        return f"--address={value}"
    ours = f"{_EVERY_INTERFACE}:{port}"
    notes.append(FlagNote(f"--address {value}", f"--address {ours}"))
    return f"--address={ours}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _problem(code: str, flag: MixerFlag, message: str, hint: str = "") -> Problem:
    return Problem(code=code, message=message, location=Location(f"--{flag.name}"), hint=hint)
