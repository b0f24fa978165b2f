"""What operators ask of the memory: forgotten here first, then everywhere."""

from collections.abc import Callable

import pytest

from remixer.attributes.vocabulary import Vocabulary
from remixer.drivers.key_values import KeyValueUnavailableError
from remixer.frontends.cache_admin import NotToldError, Revoked
from remixer.server.cache_admin import CacheAdmin
from remixer.testing.clock import VirtualClock
from remixer.tiers.revoking import BadConditionError
from remixer.wire.revocation_marks import RevocationMark


class Channel:
    """Fake `Revocations`."""

    def __init__(self, *, is_dead: bool = False) -> None:
        self.published: list[str] = []
        self._is_dead = is_dead

    def subscribe(self, take: Callable[..., object]) -> None:
        raise NotImplementedError(take)

    async def publish(self, text: str = "") -> None:
        if self._is_dead:
            message = "valkey://a: refused"
            raise KeyValueUnavailableError(message)
        self.published.append(text)


def admin(channel: Channel | None = None, mark: RevocationMark | None = None) -> CacheAdmin:
    return CacheAdmin(
        None,
        vocabulary=Vocabulary,
        clock=VirtualClock(),
        mark=mark or RevocationMark(),
        revocations=channel,
    )


async def test_without_others_nobody_else_hears_of_it() -> None:
    assert await admin().revoke("") == Revoked(0, is_shared=False)


async def test_others_hear_of_the_condition() -> None:
    channel = Channel()
    assert await admin(channel).revoke("true") == Revoked(0, is_shared=True)
    assert channel.published == ["true"]


async def test_others_that_cannot_be_told_are_a_failure() -> None:
    with pytest.raises(NotToldError, match="refused"):
        await admin(Channel(is_dead=True)).revoke("")


async def test_a_bad_condition_is_told_to_nobody() -> None:
    channel = Channel()
    with pytest.raises(BadConditionError):
        await admin(channel).revoke("nosuch == 1")
    assert channel.published == []


def test_a_cache_that_is_off_says_so() -> None:
    assert not admin().report().is_on


async def test_clients_are_told_by_a_mark_even_without_a_memory_here() -> None:
    mark = RevocationMark()
    with pytest.raises(BadConditionError):
        await admin(mark=mark).revoke("nosuch == 1")
    assert mark.field == b""
    await admin(mark=mark).revoke("")
    assert mark.field


async def test_where_others_hear_of_it_the_mark_comes_with_that_news() -> None:
    mark = RevocationMark()
    await admin(Channel(), mark).revoke("")
    assert mark.field == b""
