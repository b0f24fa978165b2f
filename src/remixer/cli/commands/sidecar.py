"""`remixer sidecar`: run the agent beside an Envoy. Every flag is a row of the settings' table."""

from typing import Final

import typer

from remixer.cli.flags import with_flags
from remixer.cli.setting_flags import complain, flags_of, settings_arguments
from remixer.server.setting_table import SettingsError
from remixer.server.sidecar_settings import sidecar_settings_of_process, sidecar_settings_table

_FLAGS: Final = flags_of(sidecar_settings_table())


def _sidecar(context: typer.Context, given: tuple[str, ...]) -> int:
    """Answer the Envoy beside it from memory, and ask Mixers for the rest.

    Each flag is also an environment variable and a key of the file:
    --log-level, REMIXER_SIDECAR_LOG_LEVEL, log_level. A flag counts before
    a variable, a variable before the file, the file before the default.

    Exit codes:
    0 stopped on request, after finishing what was accepted
    1 the sidecar could not start
    2 settings cannot be understood
    """
    try:
        settings = sidecar_settings_of_process((*given, *context.args))
    except SettingsError as error:
        return complain(error)
    from remixer.server.sidecar_main import run_sidecar

    return run_sidecar(settings)


sidecar: Final = with_flags(_FLAGS, _sidecar, into="given", make=settings_arguments(_FLAGS))
