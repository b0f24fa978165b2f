"""How long handlers may take to end, where real peers are to be told the rest."""

import pytest

from remixer.adapters.otlp import exports
from remixer.sdk import outbox


@pytest.fixture
def patient_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler's end waits a minute for peers that are well: a second is little on a busy machine."""
    for module in (outbox, exports):
        monkeypatch.setattr(module, "_FLUSH_TIMEOUT_S", 60.0)


@pytest.fixture
def brief_ends(patient_ends: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 - undoes it
    """A handler's end waits a second, as it does in a server."""
    for module in (outbox, exports):
        monkeypatch.setattr(module, "_FLUSH_TIMEOUT_S", 1.0)
