"""Keeps gRPC's C library from writing lines of its own between those of our log."""

import os
from typing import Final

_VARIABLE: Final = "GRPC_VERBOSITY"


def quiet_grpc() -> None:
    """Call before anything imports `grpc.aio`, which reads the variable once.

    It writes a line for every failed handshake, in a form that no reader of JSON lines takes; we
    tell of failed calls ourselves. A value that the operator set stays.
    """
    os.environ.setdefault(_VARIABLE, "ERROR")  # noqa: TID251 - written for the library, not read
