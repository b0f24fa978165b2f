"""A shared cache from a URL, with all that belongs to it.

valkey://, redis://, rediss://, unix://     one server
valkey+sentinel://a,b/name                  the primary that sentinels name
valkey+cluster://a,b                        a cluster
memcached://a,b                             servers with a share of the keys each

    shared = open_shared_cache(url, settings=…, clock=…, background=group.create_task)
    await shared.start()
    mixer = CachedMixer(shared.around(engine, policies=engine), …)
    shared.revocations.subscribe(mixer.revoke)
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from remixer.drivers.key_values import KeyValues, Notices
from remixer.drivers.memcached import Memcached
from remixer.drivers.memcached_address import MemcachedAddressError, parse_memcached_addresses
from remixer.drivers.redis import RedisSettings
from remixer.drivers.redis_address import RedisAddressError
from remixer.drivers.redis_group import parse_redis_place
from remixer.drivers.redis_values import RedisValues
from remixer.foundation.clock import Clock
from remixer.foundation.errors import StartupError
from remixer.mixer.port import Mixer
from remixer.tiers.background import Background
from remixer.tiers.shared.cache import SharedCache
from remixer.tiers.shared.mixer import SharedMixer, SharedPolicies
from remixer.tiers.shared.revocations import BadRevocationError, Matches, SharedRevocations
from remixer.tiers.shared.seal import Seal
from remixer.tiers.shared.secrets import SecretsFile
from remixer.tiers.shared.settings import SharedSettings

_CONNECT_S: Final = 0.5
_COMMAND_S: Final = 0.25
"""After which a connection is given up; checks give up long before."""
_POOL: Final = 16
"""Rounds of both sorts, writes, probes, one that listens, and some to spare."""


class SharedCacheUrlError(StartupError):
    """The URL names no shared cache; `str()` says why, without credentials."""


def _nothing_compiles(_text: str) -> Matches:
    message = "this process cannot read conditions; revoke everything instead"
    raise BadRevocationError(message)


class SharedTier:
    """A shared cache, its seal, its revocations. `start` before the first check."""

    def __init__(
        self,
        stores: Mapping[str, KeyValues],
        *,
        settings: SharedSettings,
        clock: Clock,
        background: Background,
        notices: Notices | None = None,
        secrets: SecretsFile | None = None,
        compile_text: Callable[[str], Matches] = _nothing_compiles,
    ) -> None:
        self.cache = SharedCache(stores, settings=settings, background=background)
        self._clock = clock
        self._background = background
        self._secrets = secrets
        self._seal = Seal()
        self._mixers: list[SharedMixer] = []
        self.revocations = SharedRevocations(
            self.cache,
            seal=self._seal,
            clock=clock,
            compile_text=compile_text,
            notices=notices,
        )

    async def start(self) -> None:
        """Read the secrets, look for the servers.

        Raises `RemixerError` for what an operator must repair; a server that is away is not that.
        """
        if self._secrets is not None:
            self.use_seal(Seal(await self._secrets.read()))
        await self.cache.start()
        if not self.cache.is_resting:
            await self.revocations.look()

    async def run(self) -> None:
        """Look after servers, hear of revocations and of new secrets, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.cache.watch())
            group.create_task(self.revocations.run())
            if self._secrets is not None:
                group.create_task(self._watch(self._secrets))

    async def aclose(self) -> None:
        """Write what is still to be written, if it goes fast; close connections."""
        await self.cache.aclose()

    @property
    def is_keyed(self) -> bool:
        """Whether a secret keeps strangers from writing answers."""
        return self._seal.is_keyed

    def around(self, inner: Mixer, *, policies: SharedPolicies) -> SharedMixer:
        """A Mixer that asks this cache before `inner`."""
        mixer = SharedMixer(
            inner,
            cache=self.cache,
            policies=policies,
            clock=self._clock,
            seal=self._seal,
            revocations=self.revocations,
            background=self._background,
        )
        self._mixers.append(mixer)
        return mixer

    def use_seal(self, seal: Seal) -> None:
        """Close and open with it from now on."""
        self._seal = seal
        self.revocations.seal = seal
        for mixer in self._mixers:
            mixer.use_seal(seal)

    async def _watch(self, secrets: SecretsFile) -> None:
        while True:
            await asyncio.sleep(self.cache.settings.poll_s)
            found = await secrets.changed()
            if found is not None:
                self.use_seal(Seal(found))


def open_shared_cache(
    url: str,
    *,
    settings: SharedSettings,
    clock: Clock,
    background: Background,
    secrets_file: Path | None = None,
    compile_text: Callable[[str], Matches] = _nothing_compiles,
) -> SharedTier:
    """The cache that `url` names; sends nothing. Raises `SharedCacheUrlError`.

    `compile_text` turns a CEXL condition into a function of attributes, or raises
    `BadRevocationError`.
    """
    stores, notices = _stores(url, clock)
    return SharedTier(
        stores,
        settings=settings,
        clock=clock,
        background=background,
        notices=notices,
        secrets=None if secrets_file is None else SecretsFile(secrets_file),
        compile_text=compile_text,
    )


def _stores(url: str, clock: Clock) -> tuple[Mapping[str, KeyValues], Notices | None]:
    try:
        if url.startswith("memcached"):
            return {
                str(address): Memcached(
                    address, connect_timeout_s=_CONNECT_S, command_timeout_s=_COMMAND_S
                )
                for address in parse_memcached_addresses(url)
            }, None
        place = parse_redis_place(url)
    except (MemcachedAddressError, RedisAddressError) as error:
        message = f"shared cache: {error}"
        raise SharedCacheUrlError(message) from error
    values = RedisValues(
        RedisSettings(
            place, pool_size=_POOL, connect_timeout_s=_CONNECT_S, command_timeout_s=_COMMAND_S
        ),
        clock=clock,
    )
    return {str(values): values}, values
