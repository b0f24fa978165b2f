"""The verdicts of `listchecker`."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final

from remixer.adapters.listchecker.matching import EntryList, NotAnAddressError
from remixer.adapters.listchecker.params import Params, validate
from remixer.adapters.listchecker.parsing import make_list
from remixer.adapters.listchecker.provider import ListProvider, let_go
from remixer.attributes.values import Duration, Value
from remixer.foundation.errors import RemixerError
from remixer.foundation.status import Code, Status
from remixer.sdk import AdapterInfo, CheckResult, Environment, HandlerContext, stringify
from remixer.templates.instances import ListEntry

_REMEMBERED_DENIALS: Final = 1_024
_LONGEST_REMEMBERED: Final = 256  # characters of a value; longer than any name or address


class NoListError(RemixerError):
    """There is no list to look into; `str()` is the reason of the last fetch."""


class ListChecker:
    """Looks values up. A whitelist denies what it does not hold, a blacklist what it holds."""

    def __init__(self, params: Params, *, provider: ListProvider | None) -> None:
        """Without a provider the list is the overrides, for good."""
        self._provider = provider
        self._list: EntryList | None = None
        if provider is None:
            self._list = make_list(params.entry_type, params.overrides)
        self._answer = partial(_answer, params.caching_interval, params.caching_use_count)
        self._denied_when_found = params.blacklist
        self._allowed = self._answer(Code.OK, "")
        denial = "is blacklisted" if params.blacklist else "is not whitelisted"
        self._denial = partial(_denial, self._answer, denial)
        self._remembered_denial = lru_cache(maxsize=_REMEMBERED_DENIALS)(self._denial)

    def check(self, instance: ListEntry, /) -> CheckResult:
        """Raises `NoListError` if fetching failed; no opinion if there is no list for no reason.

        Source: Mixer 1.3's list adapter, its texts included.
        """
        entries = self._list if self._provider is None else self._provider.current
        if entries is None:
            return self._without_list()
        value = instance.value
        if type(value) is not str and type(value) is not bytes:
            return self._invalid(_shown(value), "string or IP address")
        try:
            found = entries.holds(value)
        except NotAnAddressError:
            return self._invalid(stringify(value), "IP address")
        if found is not self._denied_when_found:
            return self._allowed
        if len(value) > _LONGEST_REMEMBERED:
            return self._denial(value)
        return self._remembered_denial(value)

    async def aclose(self) -> None:
        """Let go of the list; the refresh is a task of the runtime's."""
        before, self._list = self._list, None
        if before is not None:
            await let_go(before)
        if self._provider is not None:
            await self._provider.aclose()

    def _without_list(self) -> CheckResult:
        if self._provider is not None and self._provider.last_error:
            raise NoListError(self._provider.last_error)
        return _NO_OPINION

    def _invalid(self, text: str, wanted: str) -> CheckResult:
        return self._answer(Code.INVALID_ARGUMENT, f"{text} is not a valid {wanted}")


_NO_OPINION: Final = CheckResult()


# Functions, not methods: what remembers their results must not keep a handler and its list alive.
def _answer(valid_duration: Duration, uses: int, code: Code, message: str) -> CheckResult:
    return CheckResult(Status(code, message), valid_duration, uses)


def _denial(
    answer: Callable[[Code, str], CheckResult], denial: str, value: str | bytes
) -> CheckResult:
    return answer(Code.PERMISSION_DENIED, f"{stringify(value)} {denial}")


def _shown(value: Value | None) -> str:
    return "<nil>" if value is None else stringify(value)


async def _build(params: Params, context: HandlerContext, environment: Environment) -> ListChecker:
    if not params.provider_url:
        return ListChecker(params, provider=None)
    provider = ListProvider(
        params, http=environment.http, clock=environment.clock, handler=context.name
    )
    await provider.refresh()
    environment.tasks.spawn(provider.refresh_forever(), name="refresh")
    return ListChecker(params, provider=provider)


INFO = AdapterInfo(
    name="listchecker",
    description="Allows or denies by a list, given or fetched by HTTP.",
    templates=frozenset({"listentry"}),
    defaults=Params(),
    build=_build,
    validate=validate,
)
