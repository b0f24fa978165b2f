"""An adapter that does what its parameters say, and a journal of what happened to it.

    journal = Journal()
    async with running_engine(files, adapters=scripted_adapters(journal)) as running: ...

`scripted` answers at once, `waiting` after `delay_s`. They take built-in templates of all
varieties, and `LOOKUP`, a template of the variety that none of these has; give it to
`running_engine` as `templates=[LOOKUP]`.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from remixer.attributes.values import Duration, PlainStringMap, Value, ValueType
from remixer.foundation.status import Status
from remixer.sdk import (
    AdapterInfo,
    CheckOutput,
    CheckResult,
    Environment,
    Handler,
    HandlerContext,
    QuotaRequest,
    QuotaResult,
    RpcStatus,
)
from remixer.templates.instances import (
    CheckNothing,
    Kubernetes,
    ListEntry,
    Metric,
    Quota,
    ReportNothing,
)
from remixer.templates.schema import Field, Message, Template, Variety


@dataclass(frozen=True, slots=True)
class Lookup:
    """Asks for what stands under a key."""

    name: str
    key: str = ""


LOOKUP: Final = Template(
    name="lookup",
    variety=Variety.CHECK_WITH_OUTPUT,
    package="lookup",
    message=Message("Template", Lookup, (Field("key", 1, type=ValueType.STRING),)),
    output=Message(
        "OutputTemplate",
        dict,
        (
            Field("value", 2, type=ValueType.STRING),
            Field("hits", 3, type=ValueType.INT64),
            Field("labels", 4, type=ValueType.STRING, is_map=True),
        ),
    ),
)

_TEMPLATES = frozenset(
    {"checknothing", "listentry", "quota", "reportnothing", "metric", "kubernetes", LOOKUP.name}
)
_FROM_INSTANCE: Final = "@"


@dataclass(frozen=True, slots=True)
class Script:
    """What a scripted handler answers. `fails` raises, whatever is asked."""

    status: RpcStatus = field(default_factory=RpcStatus)
    valid_duration: Duration = Duration(10_000_000_000)  # noqa: RUF009 - an int subclass, immutable
    valid_use_count: int = 100
    grant: int = 0
    """At most so much of a quota."""
    output: Mapping[str, str] = field(default_factory=dict)
    """Output fields; `@key` stands for the instance's field `key`."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The output field `labels` of `lookup`, `source_labels` of `kubernetes`."""
    fails: bool = False
    delay_s: float = 0.0
    """For `waiting` only."""


@dataclass(slots=True)
class Journal:
    """What happened to scripted handlers, in order."""

    events: list[str] = field(default_factory=list)

    def note(self, handler: str, event: str) -> None:
        self.events.append(f"{handler} {event}")

    def of(self, event: str) -> list[str]:
        """Only the events in which this word occurs."""
        return [each for each in self.events if event in each]


class Scripted:
    """Answers at once."""

    def __init__(self, script: Script, name: str, journal: Journal) -> None:
        self.script = script
        self.name = name
        self.journal = journal

    def check(self, instance: CheckNothing | ListEntry | Lookup) -> CheckResult:
        self._note(f"check {instance.name}")
        status = self.script.status
        direct = status.details[0] if status.details else None
        return CheckResult(
            Status(status.code, status.message),
            self.script.valid_duration,
            self.script.valid_use_count,
            direct,
        )

    def check_with_output(self, instance: Lookup) -> CheckOutput:
        return CheckOutput(self.check(instance), self._output(instance, "labels"))

    def generate(self, instance: Kubernetes) -> Mapping[str, Value]:
        self._note(f"generate {instance.name}")
        return self._output(instance, "source_labels")

    def allocate(self, _instance: Quota, request: QuotaRequest) -> QuotaResult:
        self._note(f"allocate {request.amount} {request.deduplication_id}".rstrip())
        granted = min(request.amount, self.script.grant)
        return QuotaResult(granted, self.script.valid_duration if granted else Duration(0))

    def report(self, instances: Sequence[Metric | ReportNothing]) -> None:
        self._note(f"report {len(instances)}")

    async def aclose(self) -> None:
        self.journal.note(self.name, "close")

    def _output(self, instance: Lookup | Kubernetes, labels: str) -> dict[str, Value]:
        output: dict[str, Value] = {}
        for name, text in self.script.output.items():
            is_given = text.startswith(_FROM_INSTANCE)
            output[name] = getattr(instance, text[1:]) if is_given else text
        if self.script.labels:
            output[labels] = PlainStringMap(self.script.labels)
        return output

    def _note(self, event: str) -> None:
        self.journal.note(self.name, event)
        if self.script.fails:
            message = "broken"
            raise ValueError(message)


class Waiting(Scripted):
    """Answers the same, later."""

    async def check(self, instance: CheckNothing | ListEntry | Lookup) -> CheckResult:  # type: ignore[override] # a handler may wait
        await asyncio.sleep(self.script.delay_s)
        return super().check(instance)

    async def check_with_output(self, instance: Lookup) -> CheckOutput:  # type: ignore[override] # a handler may wait
        return CheckOutput(await self.check(instance), self._output(instance, "labels"))

    async def generate(self, instance: Kubernetes) -> Mapping[str, Value]:  # type: ignore[override] # a handler may wait
        await asyncio.sleep(self.script.delay_s)
        return super().generate(instance)

    async def allocate(self, instance: Quota, request: QuotaRequest) -> QuotaResult:  # type: ignore[override] # a handler may wait
        await asyncio.sleep(self.script.delay_s)
        return super().allocate(instance, request)

    async def report(self, instances: Sequence[Metric | ReportNothing]) -> None:  # type: ignore[override] # a handler may wait
        await asyncio.sleep(self.script.delay_s)
        super().report(instances)


def scripted_adapters(journal: Journal) -> tuple[AdapterInfo[Script], AdapterInfo[Script]]:
    """`scripted` and `waiting`, which write into `journal`."""
    return (
        adapter_of("scripted", lambda script, name: Scripted(script, name, journal), journal),
        adapter_of("waiting", lambda script, name: Waiting(script, name, journal), journal),
    )


def adapter_of(
    name: str, make: Callable[[Script, str], Handler], journal: Journal
) -> AdapterInfo[Script]:
    """An adapter whose handlers `make` makes from parameters and the handler's name."""

    async def build(script: Script, context: HandlerContext, _env: Environment) -> Handler:
        journal.note(context.name, "build")
        return make(script, context.name)

    return AdapterInfo(
        name=name, description="", templates=_TEMPLATES, defaults=Script(), build=build
    )
