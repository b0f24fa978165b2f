"""The port through which tiers start work that nobody waits for."""

from collections.abc import Coroutine
from typing import Protocol


class Background(Protocol):
    """Runs work to its end; `asyncio.TaskGroup.create_task` is one."""

    def __call__(self, work: Coroutine[object, object, None], /, *, name: str) -> object: ...
