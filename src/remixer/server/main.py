"""What `remixer serve` runs."""

from collections.abc import Sequence
from typing import Final

from remixer.foundation.log import event_log
from remixer.server.compose import RemixerServer
from remixer.server.mixer_flags import FlagNote
from remixer.server.process import run_process, settled
from remixer.server.settings import Settings

_MANUAL: Final = "docs/migration-flags.md"
_log: Final = event_log(__name__)


def serve(settings: Settings, *, notes: Sequence[FlagNote] = ()) -> int:
    """Serve until SIGTERM or SIGINT; the exit code. A start that fails is one message.

    `notes`: flags of Mixer's that `settings` were made from; each is logged once.
    """

    def tell() -> None:
        for note in dict.fromkeys(notes):
            _log.warning("flag_of_mixer", flag=note.flag, means=note.means, see=_MANUAL)

    return run_process(
        lambda: RemixerServer(settings, on_started=settled),
        log_format=settings.log_format,
        log_level=settings.log_level,
        on_logging=tell,
    )
