"""One memory of verdicts with all that is around it, for laws that compare two."""

from collections.abc import Coroutine, Mapping
from random import Random
from typing import Final

from remixer.foundation.deadline import Deadline
from remixer.mixer.port import Mixer
from remixer.runtime.stepping import run_to_end
from remixer.testing.clock import VirtualClock
from remixer.tiers.cached import CachedMixer, Policies
from remixer.tiers.settings import CacheSettings
from remixer.transport.port import Peer, RpcError, UnaryHandler

_SEED: Final = 7  # of what spreads expiry: two memories draw the same


class _Context:
    """What a transport would hand to a handler."""

    metadata: Mapping[str, str] = {}
    deadline: Deadline | None = None
    peer = Peer("ipv4:10.1.1.1:4711")
    """So that a law may trust it, or not."""

    def set_trailing_metadata(self, metadata: Mapping[str, str]) -> None:
        """Nowhere to send it."""


class RememberingSide:
    """A memory around a Mixer that never waits, at a time of its own."""

    def __init__(
        self, inner: Mixer, *, policies: Policies, settings: CacheSettings, renews: bool
    ) -> None:
        self.clock = VirtualClock()
        self.clock.advance(1.0)
        self._later: list[Coroutine[object, None, None]] = []
        self.memory = CachedMixer(
            inner,
            settings=settings,
            policies=policies,
            clock=self.clock,
            random=Random(_SEED),  # noqa: S311 - spreads expiry
            background=self._put_off if renews else None,
        )

    def _put_off(self, work: Coroutine[object, None, None], *, name: str) -> None:
        assert name  # noqa: S101 - the port's promise
        self._later.append(work)

    @staticmethod
    def ask(handle: UnaryHandler, message: bytes) -> object:
        """The bytes of the answer, or code and text of the refusal."""
        try:
            answer = handle(message, _Context())
        except RpcError as error:
            return error.code, error.message
        assert isinstance(answer, bytes)  # noqa: S101 - nobody waits
        return answer

    def renew(self) -> None:
        """Do what was put off."""
        work, self._later[:] = [*self._later], []
        for each in work:
            run_to_end(each)

    def told(self) -> tuple[object, ...]:
        """All that anybody can tell of the memory."""
        answers = self.memory.answers
        shapes = {
            (place.name, shape.references): (shape.counts.hits, shape.counts.learned, number)
            for place in answers.places()
            for number, shape in enumerate(place.shapes)
        }
        table = answers.table
        keys = {table.key_at(slot) for slot in range(table.slots)}
        return self.memory.counts, answers.uses_spent, shapes, keys

    def close(self) -> None:
        """Drop what was put off."""
        for each in self._later:
            each.close()
