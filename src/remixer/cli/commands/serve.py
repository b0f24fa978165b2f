"""`remixer serve`: run the server. Every flag is a row of the settings' table."""

from collections.abc import Mapping
from typing import Final

import typer

from remixer.cli.console import show_error
from remixer.cli.exits import ExitCode
from remixer.cli.flags import Flag, with_flags
from remixer.cli.problem_line import problem_line
from remixer.server.mixer_flags import translated
from remixer.server.setting_table import SettingRow, SettingsError
from remixer.server.settings import settings_of_process, settings_table

_FILE: Final = Flag(
    name="settings",
    spellings=("--settings",),
    type=list[str] | None,
    metavar="FILE",
    help="Settings as a YAML file, one `key: value` a line.",
)


def _serve(context: typer.Context, given: tuple[str, ...]) -> int:
    """Answer proxies' checks, quotas and reports until SIGTERM or Ctrl-C.

    Each flag is also an environment variable and a key of the file:
    --log-level, REMIXER_LOG_LEVEL, log_level. A flag counts before a
    variable, a variable before the file, the file before the default.

    Flags of Mixer's own server are understood too, or refused with the
    name of their replacement.

    Exit codes:
    0 stopped on request, after finishing what was accepted
    1 the server could not start
    2 settings cannot be understood
    """
    arguments = (*given, *context.args)
    try:
        settings = settings_of_process(arguments)
    except SettingsError as error:
        for problem in error.problems:
            show_error(problem_line(problem))
        return ExitCode.USAGE
    from remixer.server.main import serve as run_server

    return run_server(settings, notes=translated(arguments).notes)


def _flag(row: SettingRow) -> Flag:
    default = f" Default: {row.default}." if row.default else ""
    return Flag(
        name=row.key,
        spellings=(row.flag,),
        type=list[str] | None,
        metavar=row.placeholder,
        help=f"{row.about}{default}",
    )


def _as_arguments(given: Mapping[str, object]) -> tuple[str, ...]:
    """Flags as they were written; the settings read and judge them all, from every source."""
    spelling = {flag.name: flag.spellings[0] for flag in _FLAGS}
    return tuple(
        f"{spelling[name]}={text}"
        for name, texts in given.items()
        if isinstance(texts, list)
        for text in texts
    )


_FLAGS: Final = (_FILE, *(_flag(row) for row in settings_table()))
serve: Final = with_flags(_FLAGS, _serve, into="given", make=_as_arguments)
