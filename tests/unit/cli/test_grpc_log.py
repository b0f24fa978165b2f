"""The C library's own lines stay out of the log."""

import os

import pytest

from remixer.cli.grpc_log import quiet_grpc


def test_grpc_writes_errors_alone_unless_the_operator_wants_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = os.environ  # noqa: TID251 - what the library will read
    monkeypatch.delenv("GRPC_VERBOSITY", raising=False)
    quiet_grpc()
    assert environment["GRPC_VERBOSITY"] == "ERROR"
    monkeypatch.setenv("GRPC_VERBOSITY", "INFO")
    quiet_grpc()
    assert environment["GRPC_VERBOSITY"] == "INFO"
