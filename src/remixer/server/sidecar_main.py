"""What `remixer sidecar` runs."""

from remixer.server.process import run_process, settled
from remixer.server.sidecar import SidecarServer
from remixer.server.sidecar_settings import SidecarSettings


def run_sidecar(settings: SidecarSettings) -> int:
    """Serve until SIGTERM or SIGINT; the exit code. A start that fails is one message."""
    return run_process(
        lambda: SidecarServer(settings, on_started=settled),
        log_format=settings.log_format,
        log_level=settings.log_level,
    )
