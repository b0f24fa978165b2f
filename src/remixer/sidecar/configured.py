"""A Mixer that does as the operator of a client said.

Which services are checked and reported, with which attributes and quotas: the outermost tier of a
client that has a configuration. Source: Mixer's client.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from remixer.attributes.bag import Bag
from remixer.attributes.http_bag import FORWARDED_HEADER
from remixer.attributes.values import Duration
from remixer.foundation.status import OK
from remixer.mixer.outcome import (
    REPORTED,
    CheckOutcome,
    HeaderOperation,
    QuotaOutcome,
    ReportOutcome,
    RouteDirective,
)
from remixer.mixer.port import Mixer
from remixer.mixer.request import CheckRequest, MatchingQuotas
from remixer.sidecar.client_config.services import ClientConfig, ServiceView

_UNCHECKED: Final = CheckOutcome(
    status=OK, valid_duration=Duration(0), valid_use_count=0, references=frozenset()
)
_NO_DIRECTIVE: Final = RouteDirective()


class ConfiguredMixer:
    """Implements `Mixer` around another."""

    def __init__(self, inner: Mixer, *, config: ClientConfig) -> None:
        self._inner = inner
        self._config = config

    def check_now(self, request: CheckRequest) -> CheckOutcome | None:
        view = self._view(request.bag)
        if view is None:
            return _UNCHECKED
        if not view.is_checked:
            return _handed_on(_UNCHECKED, view)
        outcome = self._inner.check_now(_asked(request, view))
        return None if outcome is None else _handed_on(outcome, view)

    async def check(self, request: CheckRequest) -> CheckOutcome:
        view = self._view(request.bag)
        if view is None:
            return _UNCHECKED
        if not view.is_checked:
            return _handed_on(_UNCHECKED, view)
        return _handed_on(await self._inner.check(_asked(request, view)), view)

    def grant_now(self, request: CheckRequest) -> Mapping[str, QuotaOutcome] | None:
        return self._inner.grant_now(request)

    async def grant(self, request: CheckRequest) -> Mapping[str, QuotaOutcome]:
        return await self._inner.grant(request)

    def report(self, bags: Sequence[Bag]) -> ReportOutcome:
        reported: list[Bag] = []
        for bag in bags:
            view = self._view(bag)
            if view is not None and view.is_reported:
                reported.append(view.bag_for(bag))
        return self._inner.report(reported) if reported else REPORTED

    def _view(self, bag: Bag) -> ServiceView | None:
        if bag["context.protocol"] == "tcp":
            return self._config.for_connections()
        service = bag["destination.service.host"] or bag["destination.service.name"]
        return self._config.for_service(service if isinstance(service, str) else "")


def _asked(request: CheckRequest, view: ServiceView) -> CheckRequest:
    """The request with the service's attributes and quotas.

    Quotas that the operator specified take the place of all that the Mixer's rules would find.
    """
    bag = view.bag_for(request.bag)
    if isinstance(request.quotas, MatchingQuotas) and view.quota_table:
        return replace(request, bag=bag, quotas=view.quotas(bag))
    return replace(request, bag=bag)


def _handed_on(outcome: CheckOutcome, view: ServiceView) -> CheckOutcome:
    """With what the next proxy is to know of the caller."""
    if view.forwarded_header is None or not outcome.status.is_ok:
        return outcome
    directive = outcome.directive or _NO_DIRECTIVE
    told = HeaderOperation(FORWARDED_HEADER, view.forwarded_header)
    operations = (*directive.request_header_operations, told)
    return replace(outcome, directive=replace(directive, request_header_operations=operations))
