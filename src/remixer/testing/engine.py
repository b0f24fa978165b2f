"""A whole runtime over YAML texts, without sockets or files: for tests and embedded use.

async with running_engine({"rules.yaml": text}, adapters=[INFO]) as running:
    outcome = await running.engine.check(CheckRequest(bag=plain_bag({"a": 1})))
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from remixer.adapters.remote import remote_adapter
from remixer.config.resolve import resolve
from remixer.config.resources import combine, parse_file
from remixer.config.snapshot import Snapshot
from remixer.drivers.http_client import HttpClient
from remixer.foundation.clock import Clock
from remixer.runtime.engine import Engine
from remixer.runtime.guard import Guard
from remixer.runtime.handlers import HandlerBuilder
from remixer.runtime.metrics import NoMetrics, RuntimeMetrics
from remixer.runtime.reload import Reloader
from remixer.runtime.slices import Slices
from remixer.sdk.adapter import AnyAdapterInfo
from remixer.templates.instances import BUILTIN_TEMPLATES
from remixer.templates.schema import Template
from remixer.testing.adapters import FakeScrapeRegistry
from remixer.testing.clock import VirtualClock
from remixer.testing.http import FakeHttpClient


@dataclass(frozen=True, slots=True)
class RunningEngine:
    """An engine, and the means to change its configuration."""

    engine: Engine
    reloader: Reloader
    adapters: Mapping[str, AnyAdapterInfo]
    scrape: FakeScrapeRegistry
    templates: tuple[Template, ...] = BUILTIN_TEMPLATES
    slices: Slices | None = None
    """Where functions of routes are written between requests."""

    async def apply(self, files: Mapping[str, str]) -> Snapshot:
        """Put these files in force; the snapshot, problems of building handlers included."""
        generation = await self.reloader.apply(
            snapshot_of(files, self.adapters, templates=self.templates)
        )
        return generation.snapshot


def snapshot_of(
    files: Mapping[str, str],
    adapters: Mapping[str, AnyAdapterInfo],
    *,
    templates: Iterable[Template] = BUILTIN_TEMPLATES,
) -> Snapshot:
    """Resolve YAML texts by file name."""
    loaded = combine(parse_file(files[name].encode(), name) for name in sorted(files))
    by_name = {template.name: template for template in templates}
    return resolve(loaded, adapters=adapters, templates=by_name, remote=remote_adapter)


@asynccontextmanager
async def running_engine(
    files: Mapping[str, str],
    *,
    adapters: Iterable[AnyAdapterInfo],
    templates: Iterable[Template] = (),
    clock: Clock | None = None,
    metrics: RuntimeMetrics | None = None,
    adapter_timeout_s: float = 1.0,
    http: HttpClient | None = None,
    compiles_later: bool = False,
) -> AsyncIterator[RunningEngine]:
    """An engine on `files`; everything is closed at the end of the block.

    `templates`: beside the built-in ones. `compiles_later`: as servers do, see `Slices`; else a
    route's first request waits for its functions.
    """
    clock = clock or VirtualClock()
    metrics = metrics or NoMetrics()
    guard = Guard(clock=clock, metrics=metrics, adapter_timeout_s=adapter_timeout_s)
    engine = Engine(guard=guard, metrics=metrics)
    scrape = FakeScrapeRegistry()
    async with asyncio.TaskGroup() as group:
        handlers = HandlerBuilder(
            clock=clock,
            http=http or FakeHttpClient(),
            scrape=scrape,
            group=group,
            guard=guard,
            metrics=metrics,
        )
        slices = Slices(group=group) if compiles_later else None
        reloader = Reloader(
            engine=engine, handlers=handlers, metrics=metrics, group=group, slices=slices
        )
        running = RunningEngine(
            engine=engine,
            reloader=reloader,
            adapters={info.name: info for info in adapters},
            scrape=scrape,
            templates=(*BUILTIN_TEMPLATES, *templates),
            slices=slices,
        )
        await running.apply(files)
        try:
            yield running
        finally:
            await reloader.aclose()
