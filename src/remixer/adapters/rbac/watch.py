"""Keeps the index up to date with a directory.

A change starts a timer of one second; then everything that has changed until then is taken
together. A file that broke keeps what it held before. Every fault is logged when it appears.
"""

import asyncio
from pathlib import Path
from typing import Final

from remixer.adapters.rbac.decoding import decode
from remixer.adapters.rbac.index import RbacIndex
from remixer.drivers.yaml_files import YamlFault, YamlTree
from remixer.foundation.log import event_log

POLL_INTERVAL_S: Final = 0.5
BATCH_S: Final = 1.0
"""As the original's."""
MOST_LOGGED_FAULTS: Final = 20
"""Of one reading; enough to know where to look."""

_log: Final = event_log(__name__)


class RbacWatch:
    """The index of a directory's roles and bindings."""

    def __init__(self, root: Path, *, handler: str) -> None:
        self._tree = YamlTree(root)
        self._handler = handler
        self._reading = asyncio.Lock()  # the tree is for one thread at a time
        self._known: frozenset[YamlFault] = frozenset()
        self.index: RbacIndex | None = None
        """None until the first reading; then nobody is admitted."""

    async def load(self) -> None:
        """Read what changed since the last time."""
        async with self._reading:
            await asyncio.to_thread(self._tree.refresh)
            await self._take()

    async def follow(self) -> None:
        """Poll for ever."""
        while True:
            await asyncio.sleep(POLL_INTERVAL_S)
            async with self._reading:
                if not await asyncio.to_thread(self._tree.refresh):
                    continue
                await asyncio.sleep(BATCH_S)
                await asyncio.to_thread(self._tree.refresh)
                await self._take()

    async def _take(self) -> None:
        index, faults = await asyncio.to_thread(_decided, self._tree)
        self.index = index
        fresh = [fault for fault in faults if fault not in self._known]
        self._known = frozenset(faults)
        for fault in fresh[:MOST_LOGGED_FAULTS]:
            _log.warning(
                "rbac_resource_left_out",
                handler=self._handler,
                place=f"{fault.file}:{fault.line}" if fault.line else fault.file,
                reason=fault.message,
            )
        _log.info("rbac_loaded", handler=self._handler, faults=len(faults))


def _decided(tree: YamlTree) -> tuple[RbacIndex, tuple[YamlFault, ...]]:
    policies, faults = decode(tree.documents)
    return RbacIndex(policies), tree.faults + faults
