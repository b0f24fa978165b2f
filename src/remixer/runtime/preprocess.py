"""The ATTRIBUTE_GENERATOR variety: attributes that adapters add before anything else is asked.

All generators of the route are asked, side by side and without seeing each other's results. What
their instances bind is then taken in configuration order: of two that give one attribute the
first counts, and the request's own counts before both. The namespace is looked up anew with the
result, for it is often what a generator finds out.

References name what the generators read of the request, and the absence of each generated
attribute that somebody reads: a request that had it would get another answer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, cast

from remixer.attributes.bag import Bag, Reference, SuppliedBag, TrackedBag
from remixer.attributes.values import PlainStringMap, StringMap, Value, ValueType
from remixer.config.bindings import as_written
from remixer.config.snapshot import InstanceConfig
from remixer.expr.errors import EvaluationError
from remixer.foundation.deadline import Deadline
from remixer.foundation.errors import CheckFailedError
from remixer.runtime.calls import Call, Failure
from remixer.runtime.conditions import applies
from remixer.runtime.guard import Guard
from remixer.runtime.outputs import carried
from remixer.runtime.routes import GeneratorTarget, Output, Route
from remixer.templates.build import InstanceError, go_path

_BINDINGS: Final = "attribute_bindings"


@dataclass(frozen=True, slots=True)
class Preprocessed:
    """A request's attributes with those generated for it."""

    bag: Bag
    generated: Mapping[str, Value]
    references: frozenset[Reference]
    """What the namespace look-up and the generators read."""

    def view(self) -> TrackedBag:
        """A bag on which only these reads are noted yet."""
        return SuppliedBag(TrackedBag(self.bag), self.generated, earlier=self.references)


async def generate(
    route: Route, bag: TrackedBag, deadline: Deadline | None, *, guard: Guard
) -> dict[str, Value]:
    """What the generators of `route` give for `bag`.

    Finishes without suspending if none of them waits. Raises `CheckFailedError` if one fails: of
    a policy that needs attributes nobody knows what it would say without them.
    """
    failures: list[str] = []
    planned: list[GeneratorTarget] = []
    results = await guard.run_all(list(_calls(route, bag, planned, failures)), deadline)
    generated: dict[str, Value] = {}
    for target, result in zip(planned, results, strict=True):
        if isinstance(result, Failure):
            failures.append(f"{target.handler.display_name}: {result.reason}")
            continue
        try:
            for name, value in _bound(target.instance, result, bag):
                generated.setdefault(name, value)
        except InstanceError as error:
            failures.append(str(error))
    if failures:
        message = "preprocessing attributes failed: " + "; ".join(failures)
        raise CheckFailedError(message)
    return generated


def _calls(
    route: Route, bag: TrackedBag, planned: list[GeneratorTarget], failures: list[str]
) -> Iterator[Call[Output]]:
    for step in route.generators:
        if not applies(step.condition, step.rule, bag):
            continue
        for target in step.targets:
            try:
                instance = target.instance.build(bag)
            except InstanceError as error:
                failures.append(str(error))
                continue
            planned.append(target)
            yield Call(target.entry, (instance,))


def _bound(
    instance: InstanceConfig, output: Output, bag: TrackedBag
) -> Iterator[tuple[str, Value]]:
    """Raises `InstanceError` for a binding that has no value."""
    view = _OutputBag(bag, instance.bindings.output_fields, output)
    for binding in instance.bindings.attributes:
        try:
            value = binding.value.evaluate(view)
        except EvaluationError as error:
            path = go_path(f"{_BINDINGS}[{binding.attribute}]")
            cause = as_written(str(error))
            raise InstanceError(instance=instance.name, path=path, cause=cause) from error
        if binding.value.type is ValueType.STRING_MAP:
            # Whoever reads it later reads a copy, so the copy depends on every entry.
            value = PlainStringMap(cast("StringMap", value).whole())
        yield binding.attribute, value


class _OutputBag:
    """A handler's output under the names that bindings have for it, over the request."""

    __slots__ = ("_bag", "_fields", "_output")

    def __init__(self, bag: Bag, fields: Mapping[str, str], output: Output) -> None:
        self._bag = bag
        self._fields = fields
        self._output = output

    def __getitem__(self, name: str) -> Value | None:
        field = self._fields.get(name)
        return self._bag[name] if field is None else carried(self._output.get(field))

    def names(self) -> Iterator[str]:
        yield from self._bag.names()
        yield from (name for name, field in self._fields.items() if field in self._output)
