"""The flags of programs that have a table of settings."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from remixer.cli.flags import Flag
from remixer.server.setting_table import SettingRow

_FILE: Final = Flag(
    name="settings",
    spellings=("--settings",),
    type=list[str] | None,
    metavar="FILE",
    help="Settings as a YAML file, one `key: value` a line.",
)


def flags_of(rows: Iterable[SettingRow]) -> tuple[Flag, ...]:
    """The flag of each setting, and that of the file."""
    return (_FILE, *map(_flag, rows))


def settings_arguments(
    flags: Sequence[Flag],
) -> Callable[[Mapping[str, object]], tuple[str, ...]]:
    """Flags as they were written; the settings read and judge them all, from every source."""
    spelling = {flag.name: flag.spellings[0] for flag in flags}

    def as_arguments(given: Mapping[str, object]) -> tuple[str, ...]:
        return tuple(
            f"{spelling[name]}={text}"
            for name, texts in given.items()
            if isinstance(texts, list)
            for text in texts
        )

    return as_arguments


def _flag(row: SettingRow) -> Flag:
    default = f" Default: {row.default}." if row.default else ""
    return Flag(
        name=row.key,
        spellings=(row.flag,),
        type=list[str] | None,
        metavar=row.placeholder,
        help=f"{row.about}{default}",
    )
