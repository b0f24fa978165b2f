"""`remixer serve`: run the server. Every flag is a row of the settings' table."""

from typing import Final

import typer

from remixer.cli.flags import with_flags
from remixer.cli.setting_flags import flags_of, settings_arguments
from remixer.server.settings import settings_table

_FLAGS: Final = flags_of(settings_table())


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
    from remixer.cli.server_process import run_as_server

    return run_as_server((*given, *context.args))


serve: Final = with_flags(_FLAGS, _serve, into="given", make=settings_arguments(_FLAGS))
