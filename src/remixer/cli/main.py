"""Entry point of `remixer`."""

import sys
from typing import Final

from remixer.cli.grpc_log import quiet_grpc

_SERVE: Final = "serve"
_SIDECAR: Final = "sidecar"
_HELP: Final = frozenset({"--help", "-h"})


def run() -> None:
    """Run the command line of this process and exit with the command's code.

    Servers run without the machinery of command lines: its 10 MB would stay, and beside every
    Envoy its 80 ms count, too.
    """
    quiet_grpc()
    command, *rest = sys.argv[1:] or [""]
    if command == _SIDECAR and _HELP.isdisjoint(rest):
        from remixer.cli.sidecar_process import run_as_sidecar

        sys.exit(run_as_sidecar(rest))
    if command == _SERVE and _HELP.isdisjoint(rest):
        from remixer.cli.server_process import run_as_server

        sys.exit(run_as_server(rest))
    from remixer.cli.app import run_command_line

    run_command_line(sys.argv[1:])
