"""What `remixer serve` runs."""

import gc
import sys
from collections.abc import Sequence
from typing import Final

import uvloop

from remixer.foundation.errors import StartupError
from remixer.foundation.log import event_log
from remixer.observability.logs import configure_logging
from remixer.server.compose import RemixerServer
from remixer.server.lifecycle import stop_on_signals
from remixer.server.mixer_flags import FlagNote
from remixer.server.settings import Settings

STOPPED = 0
NOT_STARTED = 1
_MANUAL: Final = "docs/migration-flags.md"
_log: Final = event_log(__name__)


def serve(settings: Settings, *, notes: Sequence[FlagNote] = ()) -> int:
    """Serve until SIGTERM or SIGINT; the exit code. A start that fails is one message.

    `notes`: flags of Mixer's that `settings` were made from; each is logged once.
    """
    configure_logging(log_format=settings.log_format, level=settings.log_level, stream=sys.stderr)
    for note in dict.fromkeys(notes):
        _log.warning("flag_of_mixer", flag=note.flag, means=note.means, see=_MANUAL)
    try:
        uvloop.run(_serve(settings))
    except StartupError as error:
        print(f"error: {error}", file=sys.stderr)
        return NOT_STARTED
    return STOPPED


async def _serve(settings: Settings) -> None:
    server = RemixerServer(settings, on_started=_settle)
    with stop_on_signals(server.lifecycle):
        await server.run()


def _settle() -> None:
    """What there is now stays: full collections, 50 ms long otherwise, need not look at it."""
    gc.collect()
    gc.freeze()
