"""`remixer sidecar`: run the agent beside an Envoy. Every flag is a row of the settings' table."""

from typing import Final

import typer

from remixer.cli.flags import with_flags
from remixer.cli.setting_flags import flags_of, settings_arguments
from remixer.server.sidecar_settings import sidecar_settings_table

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
    from remixer.cli.sidecar_process import run_as_sidecar

    return run_as_sidecar((*given, *context.args))


sidecar: Final = with_flags(_FLAGS, _sidecar, into="given", make=settings_arguments(_FLAGS))
