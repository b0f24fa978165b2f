"""What `remixer sidecar` does once its flags are known. Imports nothing that it can do without."""

from collections.abc import Sequence

from remixer.cli.complaints import show_error, show_faults
from remixer.cli.exits import ExitCode
from remixer.foundation.errors import StartupError
from remixer.server.setting_table import SettingsError
from remixer.server.sidecar_settings import sidecar_settings_of_process


def run_as_sidecar(arguments: Sequence[str]) -> int:
    """Serve until asked to stop; the exit code."""
    try:
        settings = sidecar_settings_of_process(arguments)
    except SettingsError as error:
        return show_faults(error.problems)
    from remixer.server.sidecar_main import run_sidecar

    try:
        return run_sidecar(settings)
    except StartupError as error:
        show_error(str(error))
        return ExitCode.FAILED
