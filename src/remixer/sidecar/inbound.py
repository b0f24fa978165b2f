"""What middleware is told of the service it stands before, and what it asks for each request."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

from remixer.attributes.bag import Bag
from remixer.attributes.http_bag import HttpBag, HttpFacts, inbound_attributes
from remixer.attributes.values import Value
from remixer.mixer.request import CheckRequest, MatchingQuotas, QuotaArgs

Charges: TypeAlias = Mapping[str, int]
"""Quota name to amount."""
Quotas: TypeAlias = Charges | MatchingQuotas | Callable[[Bag], Charges]
"""The same for every request, whatever the server's rules say, or as a function of the request."""

_BELOW: Final = "/*"


class Inbound:
    """A service's static attributes, its quotas, and the paths that nobody asks about."""

    __slots__ = ("_beneath", "_excluded", "_quotas", "_static")

    def __init__(
        self,
        *,
        attributes: Mapping[str, Value | Mapping[str, str]],
        quotas: Quotas,
        exclude: Iterable[str],
    ) -> None:
        """`exclude`: paths, or `/static/*` for all beneath. Raises ValueError for others."""
        paths = tuple(exclude)
        for path in paths:
            if not path.startswith("/") or "*" in path.removesuffix(_BELOW):
                message = f"exclude: `{path}` is no path; wanted `/healthz` or `/static/*`"
                raise ValueError(message)
        self._static = inbound_attributes(attributes)
        self._quotas = _arguments(quotas) if isinstance(quotas, Mapping) else quotas
        self._excluded = frozenset(path for path in paths if not path.endswith(_BELOW))
        self._beneath = tuple(path.removesuffix("*") for path in paths if path.endswith(_BELOW))

    def is_excluded(self, path: str) -> bool:
        """`path`: decoded. One that climbs (`..`) is beneath nothing."""
        if path in self._excluded:
            return True
        return bool(self._beneath) and path.startswith(self._beneath) and ".." not in path

    def bag(self, facts: HttpFacts, forwarded: Mapping[str, str] | None) -> HttpBag:
        return HttpBag(facts, static=self._static, forwarded=forwarded)

    def request(self, bag: Bag) -> CheckRequest:
        quotas = self._quotas
        if callable(quotas):
            quotas = _arguments(quotas(bag))
        return CheckRequest(bag, quotas)


def _arguments(charges: Charges) -> dict[str, QuotaArgs]:
    return {name: QuotaArgs(amount) for name, amount in charges.items()}
