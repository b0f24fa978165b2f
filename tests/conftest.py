"""Peers that several folders of tests share."""

from collections.abc import Iterator

import pytest

from remixer.testing.valkey import ValkeyProcess


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyProcess]:
    """One server for the whole run: tests name what is theirs, and leave it running."""
    with ValkeyProcess(tmp_path_factory.mktemp("valkey")) as process:
        yield process
