"""What `remixer serve` does once it need not show help. Imports nothing that it can do without."""

from collections.abc import Sequence

from remixer.cli.complaints import show_faults
from remixer.server.mixer_flags import translated
from remixer.server.setting_table import SettingsError
from remixer.server.settings import settings_of_process


def run_as_server(arguments: Sequence[str]) -> int:
    """Serve until asked to stop; the exit code."""
    try:
        settings = settings_of_process(arguments)
    except SettingsError as error:
        return show_faults(error.problems)
    from remixer.server.main import serve

    return serve(settings, notes=translated(arguments).notes)
