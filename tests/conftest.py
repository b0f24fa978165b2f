"""What several folders of tests share: peers, and what every test must leave as it was."""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from remixer.testing.valkey import ValkeyProcess

# Laws hold on a machine that is busy, too; what is slow is found by benchmarks. The same sources are
# judged alike each time: examples follow from a law's own text. To look for new ones:
# pytest --hypothesis-profile explore tests/property
settings.register_profile(
    "remixer",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("explore", settings.get_profile("remixer"), derandomize=False)
settings.load_profile("remixer")


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyProcess]:
    """One server for the whole run: tests name what is theirs, and leave it running."""
    with ValkeyProcess(tmp_path_factory.mktemp("valkey")) as process:
        yield process


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """A process's entry point sets up its log; the next test in this process has its own."""
    root = logging.getLogger()
    handlers, level, raises = tuple(root.handlers), root.level, logging.raiseExceptions
    yield
    for each in tuple(root.handlers):
        root.removeHandler(each)
    for each in handlers:
        root.addHandler(each)
    root.setLevel(level)
    logging.raiseExceptions = raises
