"""`remixer version`."""

import platform

from remixer import __version__
from remixer.cli.console import OutputFlag, OutputFormat, emit_json, show
from remixer.cli.exits import ExitCode
from remixer.foundation.build import is_compiled


def version(output: OutputFlag = OutputFormat.TEXT) -> int:
    """Print the version of Remixer and of the Python that runs it."""
    python = platform.python_version()
    has_compiled = is_compiled()
    if output is OutputFormat.JSON:
        emit_json({"remixer": __version__, "python": python, "compiled": has_compiled})
    else:
        kind = ", compiled modules" if has_compiled else ""
        show(f"remixer {__version__} (Python {python}{kind})")
    return ExitCode.DONE
