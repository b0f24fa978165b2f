"""Who waits for which revision: each revision's waiters are woken by one event.

A gathering exists while somebody waits for its revision, and no longer: waking ends it, and so
does the last one who leaves. Whoever comes after a wake-up makes a new one.
"""

import asyncio

from remixer.adapters.kactivator.readiness import Revision


class _Gathering:
    """The waiters of one revision."""

    __slots__ = ("answer", "over", "size")

    def __init__(self) -> None:
        self.size = 0
        self.answer = False
        self.over = asyncio.Event()
        """Woken, or left by the last waiter."""


class Crowd:
    """All who wait. Nothing is kept of those who do not wait any more."""

    def __init__(self) -> None:
        self._gatherings: dict[Revision, _Gathering] = {}

    def __len__(self) -> int:
        """Revisions that are waited for."""
        return len(self._gatherings)

    def waiting_for(self, revision: Revision) -> int:
        gathering = self._gatherings.get(revision)
        return 0 if gathering is None else gathering.size

    async def wait(self, revision: Revision, *, timeout_s: float) -> bool:
        """What the revision is woken with; False if it is not within `timeout_s`."""
        gathering = self._gatherings.get(revision)
        if gathering is None:
            gathering = self._gatherings[revision] = _Gathering()
        gathering.size += 1
        try:
            async with asyncio.timeout(timeout_s):
                await gathering.over.wait()
        except TimeoutError:
            pass  # the wake-up may have come in the same turn
        finally:
            gathering.size -= 1
            if gathering.size == 0:
                self._end(revision, gathering)
        return gathering.answer

    def wake(self, revision: Revision, *, answer: bool = True) -> None:
        """All who wait for `revision` go on with `answer`."""
        gathering = self._gatherings.get(revision)
        if gathering is not None:
            gathering.answer = answer
            self._end(revision, gathering)

    def dismiss(self) -> None:
        """Nobody's wish came true: all go on with False."""
        for revision in tuple(self._gatherings):
            self.wake(revision, answer=False)

    async def pause(self, revision: Revision, *, seconds: float) -> None:
        """Return after `seconds`, or as soon as nobody waits for `revision` any more."""
        gathering = self._gatherings.get(revision)
        if gathering is None:
            return
        try:
            async with asyncio.timeout(seconds):
                await gathering.over.wait()
        except TimeoutError:
            return

    def _end(self, revision: Revision, gathering: _Gathering) -> None:
        gathering.over.set()
        if self._gatherings.get(revision) is gathering:
            del self._gatherings[revision]
