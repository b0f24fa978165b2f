"""What `remixer serve` runs: until a signal, or not at all with one message."""

import os
import signal
import threading
from pathlib import Path

import pytest

from remixer.server.main import serve
from remixer.server.process import NOT_STARTED, STOPPED
from remixer.server.settings import LogLevel, Settings


def settings(store: str, *, monitoring: str = "127.0.0.1:0") -> Settings:
    return Settings(
        config_store=store,
        config_wait_s=0.0,
        address=("127.0.0.1:0",),
        monitoring_address=monitoring,
        prometheus_address="127.0.0.1:0",
        drain_grace_s=1.0,
        log_level=LogLevel.ERROR,
    )


def test_a_start_that_fails_is_one_message_and_an_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve(settings(f"fs://{tmp_path}/missing")) == NOT_STARTED
    errors = capsys.readouterr().err
    assert errors.startswith("error: no configuration within 0 s")
    assert "Traceback" not in errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_a_server_in_order(tmp_path: Path, number: signal.Signals) -> None:
    listening = tmp_path / "monitoring"
    given_up = threading.Event()

    def send_once_it_listens() -> None:
        while not listening.exists():
            if given_up.wait(0.01):
                return
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=send_once_it_listens)
    sender.start()
    try:
        assert serve(settings("embedded://", monitoring=f"unix:{listening}")) == STOPPED
    finally:
        given_up.set()
        sender.join()
