"""Signatures of routes: equal in every process only if requests are answered alike.

Where `RouteStamp` tells whether an answer of this process still counts, a signature tells whether
an answer of another one counts here.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from remixer.attributes.bag import Bag
from remixer.config.signature import canonical_bytes
from remixer.config.snapshot import RuleConfig, Snapshot
from remixer.runtime.generation import Generation
from remixer.runtime.routes import NAMESPACE_ATTRIBUTES, Route

ROUTE_SIGNATURE_BYTES: Final = 16


class RouteSignatures:
    """Of the configuration in force; made at the first request of each route."""

    def __init__(self, current: Callable[[], Generation]) -> None:
        self._current = current
        self._generation: Generation | None = None
        self._known: dict[str, bytes] = {}
        self._foundation = b""

    def signature_of(self, bag: Bag) -> bytes | None:
        """Of what decides a request; None if its answers may not be remembered."""
        generation = self._current()
        if generation is not self._generation:
            self._generation = generation
            self._known = {}
            self._foundation = _foundation(generation)
        route = generation.routes.route_for(bag)
        if route.stamp is None:
            return None
        signature = self._known.get(route.name)
        if signature is None:
            signature = self._known[route.name] = _signature(route, generation, self._foundation)
        return signature


def _foundation(generation: Generation) -> bytes:
    """What all routes depend on."""
    snapshot = generation.snapshot
    types = {name: int(type_) for name, type_ in snapshot.vocabulary.types.items()}
    return canonical_bytes((snapshot.default_namespace, types))


def _signature(route: Route, generation: Generation, foundation: bytes) -> bytes:
    snapshot = generation.snapshot
    spaces = {snapshot.default_namespace, route.name}
    if _may_move(route):
        spaces |= {rule.namespace for rule in snapshot.rules}
    rules = [rule for rule in snapshot.rules if rule.namespace in spaces]
    digest = hashlib.blake2b(foundation, digest_size=ROUTE_SIGNATURE_BYTES)
    digest.update(canonical_bytes((route.name, _policies(snapshot, spaces))))
    digest.update(canonical_bytes(tuple(rule.signature for rule in rules)))
    # A handler that could not be built is missing here and may be there elsewhere.
    digest.update(canonical_bytes(tuple(sorted(_missing(rules, generation)))))
    return digest.digest()


def _policies(snapshot: Snapshot, spaces: Iterable[str]) -> object:
    known = snapshot.cache_by_namespace
    return {space: known[space] for space in spaces if space in known}


def _missing(rules: Iterable[RuleConfig], generation: Generation) -> Iterator[str]:
    alive = generation.handlers.handlers
    for rule in rules:
        for action in rule.actions:
            failure = action.failure
            fallback = None if failure is None else failure.fallback
            for handler in (action.handler, fallback):
                if handler is not None and handler.name not in alive:
                    yield handler.name


def _may_move(route: Route) -> bool:
    """Whether its generators may send a request to the rules of another namespace."""
    return any(
        binding.attribute in NAMESPACE_ATTRIBUTES
        for step in route.generators
        for target in step.targets
        for binding in target.instance.bindings.attributes
    )
