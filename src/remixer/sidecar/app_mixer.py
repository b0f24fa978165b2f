"""What middleware needs of a Mixer, wherever it runs: in another process, or inside this one."""

from typing import Protocol

from remixer.attributes.bag import Bag
from remixer.mixer.outcome import CheckOutcome
from remixer.mixer.port import Mixer
from remixer.mixer.request import CheckRequest


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


class BlockingAppMixer(Protocol):
    """The same for programs of threads. Every method may be called by any thread, also at once.

    Starts by itself with the first call, in each process anew after a fork.
    """

    def check(self, request: CheckRequest) -> CheckOutcome:
        """Blocks until there is an answer; raises nothing for failures."""
        ...

    def report(self, bag: Bag) -> None:
        """Take note of a finished request. Never blocks, never raises for load."""
        ...

    def close(self) -> None:
        """Send what is to be reported, within a bound, and let everything go; twice is safe."""
        ...


def for_asyncio(mixer: AppMixer) -> AppMixer:
    """The same; raises TypeError, at the start and not with the first request, for another kind.

    The two kinds have methods of one name, and most applications are not type-checked.
    """
    if not hasattr(mixer, "aclose"):
        message = (
            f"{type(mixer).__name__} is not for asyncio, and this middleware is. Give it "
            "`MixerClient(address)` in place of `BlockingMixerClient(address)`, and "
            "`Remixer.local(directory)` in place of `BlockingMixer(lambda: ...)`."
        )
        raise TypeError(message)
    return mixer


def for_threads(mixer: BlockingAppMixer) -> BlockingAppMixer:
    """As `for_asyncio`; raises TypeError for an `AppMixer`."""
    if hasattr(mixer, "aclose"):
        message = (
            f"{type(mixer).__name__} is for asyncio, and this middleware is for threads. Give it "
            "`BlockingMixerClient(address)` in place of `MixerClient(address)`, and "
            "`BlockingMixer(lambda: Remixer.local(directory))` in place of "
            "`Remixer.local(directory)`; both are in remixer.sidecar.blocking."
        )
        raise TypeError(message)
    return mixer
