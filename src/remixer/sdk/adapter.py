"""What an adapter is, and what it gets to work with.

Life: describe (`AdapterInfo`) -> params decoded -> `validate` -> `build` -> use -> `aclose`.
`aclose` is called exactly once per built handler, also when a later step of the same
configuration fails; a `build` that raises must release what it had taken.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from remixer.attributes.values import Value
from remixer.drivers.http_client import HttpClient
from remixer.foundation.clock import Clock
from remixer.sdk.params import ParamProblem
from remixer.sdk.results import CheckOutput, CheckResult, QuotaRequest, QuotaResult
from remixer.templates.schema import InstanceType


class Handler(Protocol):
    """A built adapter. It also has the methods of the varieties that its templates need.

    A method that waits is `async def`; a plain one is a promise to answer at once, and its call
    fails if it answers with something to wait for. A handler without a method that its instances
    need is refused when it is built.
    """

    async def aclose(self) -> None:
        """Release everything; short and bounded."""
        ...


class CheckHandler(Handler, Protocol):
    """Serves templates of variety CHECK. The method may be `async def`.

    Texts of exceptions are logged and sent to the peer: put no attribute values into them.
    """

    def check(self, instance: Any, /) -> CheckResult | Awaitable[CheckResult]:  # noqa: ANN401 - the template's own instance type
        """Decide. An exception is an adapter error, not a denial."""
        ...


class OutputCheckHandler(Handler, Protocol):
    """Serves templates of variety CHECK_WITH_OUTPUT. The method may be `async def`."""

    def check_with_output(
        self,
        instance: Any,  # noqa: ANN401 - the template's own instance type
        /,
    ) -> CheckOutput | Awaitable[CheckOutput]:
        """Decide, and tell what the rule's header operations may use."""
        ...


class QuotaHandler(Handler, Protocol):
    """Serves templates of variety QUOTA. The method may be `async def`."""

    def allocate(
        self,
        instance: Any,  # noqa: ANN401 - the template's own instance type
        request: QuotaRequest,
        /,
    ) -> QuotaResult | Awaitable[QuotaResult]:
        """Grant or release."""
        ...


class ReportHandler(Handler, Protocol):
    """Serves templates of variety REPORT. The method may be `async def`.

    Instances and their maps are to be left as they are: they may be handed over many times, now
    and later. Raise `ExceptionGroup` when single instances failed and the others went through.
    """

    def report(self, instances: Sequence[Any], /) -> Awaitable[None] | None:
        """Take note of all instances of one report, in order."""
        ...


class AttributeHandler(Handler, Protocol):
    """Serves templates of variety ATTRIBUTE_GENERATOR. The method may be `async def`."""

    def generate(
        self,
        instance: Any,  # noqa: ANN401 - the template's own instance type
        /,
    ) -> Mapping[str, Value] | Awaitable[Mapping[str, Value]]:
        """Output fields that are known; an absent one is left out."""
        ...


class TaskSpawner(Protocol):
    """Runs background work of one handler; whatever still runs is cancelled after `aclose`."""

    def spawn(self, work: Coroutine[object, None, None], *, name: str) -> None:
        """Start `work`; an exception in it is logged, and ends only this task."""
        ...


class ScrapeSource(Protocol):
    """Metrics in the text format of Prometheus."""

    def render(self) -> bytes:
        """The current state, as one exposition."""
        ...


S = TypeVar("S", bound=ScrapeSource)


class ScrapeRegistry(Protocol):
    """The process's scrape endpoint for operators' metrics, shared by all handlers."""

    def publish(self, source: ScrapeSource) -> Callable[[], None]:
        """Show `source` from now on; the returned function takes it away, once or twice."""
        ...

    def shared(self, key: str, create: Callable[[], S]) -> S:
        """The one source of this key: made at first use, shown for the life of the process.

        For adapters whose handlers show one joint state, which outlives each of them. `key` is
        the adapter's name.
        """
        ...


@dataclass(frozen=True, slots=True)
class Environment:
    """What the process lends a handler."""

    clock: Clock
    http: HttpClient
    tasks: TaskSpawner
    scrape: ScrapeRegistry


@dataclass(frozen=True, slots=True)
class HandlerContext:
    """What a handler knows of its place in the configuration."""

    name: str
    """Run-time name of the handler: `deny.shop`, or `deny.denier.shop` for older kinds."""
    instances: tuple[InstanceType, ...]
    """Instances that rules send to it, sorted by name."""

    def of_template(self, template: str) -> tuple[InstanceType, ...]:
        """The instances made from one template."""
        return tuple(each for each in self.instances if each.template == template)


P = TypeVar("P")


def _no_problems(_params: object, _context: HandlerContext) -> Iterable[ParamProblem]:
    return ()


@dataclass(frozen=True, slots=True)
class AdapterInfo(Generic[P]):
    """An adapter that configuration can name.

    `defaults` is an instance of the adapter's frozen params dataclass; its class is the schema.
    `validate` is pure and does no I/O; `build` may.
    """

    name: str
    description: str
    templates: frozenset[str]
    defaults: P
    build: Callable[[P, HandlerContext, Environment], Awaitable[Handler]]
    validate: Callable[[P, HandlerContext], Iterable[ParamProblem]] = _no_problems


AnyAdapterInfo: TypeAlias = AdapterInfo[Any]
"""Where adapters of all kinds meet: each decodes and takes its own parameters only."""
