"""What middleware needs of a Mixer, wherever it runs: in another process, or inside this one."""

from typing import Protocol

from remixer.mixer.port import Mixer


class AppMixer(Protocol):
    """A Mixer with a life of its own, for one event loop.

    `MixerClient` is one that asks another process, `remixer.embedded.Remixer.local` one that
    decides here. Its port turns failures into outcomes: `check` raises nothing for them, and what it
    answers has a verdict that `remixer.mixer.http_answer.http_answer` can tell.
    """

    @property
    def port(self) -> Mixer:
        """Whom to ask; of use once started."""
        ...

    async def start(self) -> None:
        """Be of use in the running event loop; once more in the same loop does nothing.

        A process that was forked from one that had started starts afresh. A Mixer that is away is
        no failure.
        """
        ...

    async def aclose(self) -> None:
        """Send what is to be reported, within a bound, and let everything go; twice is safe."""
        ...
