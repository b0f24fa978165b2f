"""The Mixer of an application, wherever it decides."""

from pathlib import Path

from remixer.embedded.local import LocalMixer
from remixer.server.settings import Settings
from remixer.sidecar.client import MixerClient
from remixer.sidecar.settings import ClientSettings
from remixer.tiers.settings import FailPolicy


class Remixer:
    """Makes what middleware takes as its `mixer`."""

    @staticmethod
    def local(
        config: Path | str,
        settings: Settings | None = None,
        *,
        failure: FailPolicy = FailPolicy.CLOSED,
    ) -> LocalMixer:
        """Rules, handlers and instances from files at `config`, followed as they change.

        `config`: a directory, or the URL of a store (`fs://`, `embedded://`). Of `settings` those count
        that are about rules and caches. `failure`: what becomes of requests that the rules cannot
        decide.
        """
        return LocalMixer(config, settings, failure=failure)

    @staticmethod
    def remote(address: str, settings: ClientSettings | None = None) -> MixerClient:
        """A Mixer elsewhere, or several; see `MixerClient`."""
        return MixerClient(address, settings)
