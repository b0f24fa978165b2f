"""Recording checks into a file for `remixer cache advise`; see `remixer.tiers.trace`.

Records go into a bounded buffer, which a thread writes once a second: a slow disk costs records,
never requests. Two files at most: the one that grows, and the segment before it.
"""

import asyncio
import secrets
from collections.abc import Hashable
from pathlib import Path
from typing import Final

from remixer.foundation.clock import Clock
from remixer.foundation.errors import StartupError
from remixer.foundation.log import event_log
from remixer.tiers.answers import Answers
from remixer.tiers.keys import Shape, serial_of
from remixer.tiers.trace import TraceWriter

_INTERVAL_S: Final = 1.0
_MOST_BUFFERED: Final = 4 << 20
"""Bytes; about 100,000 checks in a second."""
_MOST_SHAPES: Final = 10_000
_SECRET_BYTES: Final = 32
_RECORDING_BYTES: Final = 8

_log: Final = event_log(__name__)


def earlier_segment(file: Path) -> Path:
    """Where the segment before the one in `file` is."""
    return file.with_name(file.name + ".1")


class CacheRecording:
    """A `CheckTrace` that writes a file, and the service that does the writing."""

    name: Final = "cache recording"

    def __init__(self, file: Path, *, most_bytes: int, clock: Clock) -> None:
        """`most_bytes`: of both files."""
        self._file = file
        self._clock = clock
        self._began_s = clock.monotonic_s()
        self._writer = TraceWriter(
            secret=secrets.token_bytes(_SECRET_BYTES),
            recording=secrets.token_bytes(_RECORDING_BYTES),
            segment_bytes=most_bytes // 2,
        )
        self._shapes: dict[int, tuple[Hashable, Shape]] = {}
        self._segments: list[tuple[bool, bytearray]] = []
        """Not written yet, each with whether it begins a file."""
        self._buffered = 0
        self._is_broken = False
        self.dropped = 0
        """Checks that were not recorded: the buffer was full, or the disk is."""

    def note(self, answers: Answers, slot: int, *, is_hit: bool, now_s: float) -> None:
        known = None if self._is_broken else self._shape(answers, slot)
        if known is None or self._buffered >= _MOST_BUFFERED:
            self.dropped += 1
            return
        place, shape = known
        begins, frames = self._writer.check(
            place,
            shape.references,
            shape.values_of(answers.table.key_at(slot)),
            is_hit=is_hit,
            at_s=now_s - self._began_s,
            life_s=answers.life_at(slot),
        )
        if begins or not self._segments:
            self._segments.append((begins, bytearray()))
        self._segments[-1][1].extend(frames)
        self._buffered += len(frames)

    # ------------------------------------------------------------ the service

    async def start(self) -> None:
        """Raises `StartupError` if the file cannot be made."""
        try:
            await asyncio.to_thread(self._touch)
        except OSError as error:
            message = (
                f"cannot record checks: {error.strerror}: {self._file}. Correct --cache-record."
            )
            raise StartupError(message) from error

    async def run(self) -> None:
        """Write, until cancelled."""
        while True:
            await asyncio.sleep(_INTERVAL_S)
            await self._write_all()

    async def drain(self, *, grace_s: float) -> None:  # noqa: ARG002 - requests may still come
        return

    async def aclose(self) -> None:
        """Write the rest."""
        await self._write_all()

    # ------------------------------------------------------------ inside

    def _shape(self, answers: Answers, slot: int) -> tuple[Hashable, Shape] | None:
        serial = serial_of(answers.table.key_at(slot))
        known = self._shapes.get(serial)
        if known is None:
            found = (
                (place.name, shape)
                for place in answers.places()
                for shape in place.shapes
                if shape.serial == serial
            )
            known = next(found, None)
            if known is not None:
                if len(self._shapes) >= _MOST_SHAPES:
                    self._shapes.clear()
                self._shapes[serial] = known
        return known

    async def _write_all(self) -> None:
        segments, self._segments, self._buffered = self._segments, [], 0
        if not segments or self._is_broken:
            return
        try:
            await asyncio.to_thread(self._write, segments)
        except OSError as error:
            # What follows could not be read without what was lost.
            self._is_broken = True
            _log.error("cache_recording_ended", file=str(self._file), reason=str(error))

    def _touch(self) -> None:
        self._file.touch(mode=0o600)

    def _write(self, segments: list[tuple[bool, bytearray]]) -> None:
        for begins, frames in segments:
            if begins:
                self._file.replace(earlier_segment(self._file))
                self._touch()
            with self._file.open("ab") as file:
                file.write(frames)
