"""Rows without a network: bytes through the codecs and the engine, and expressions."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from random import Random

from bench.bodies import recorded
from bench.measure import Figure, cpu_per_call
from remixer.adapters.denier import INFO as DENIER
from remixer.adapters.listchecker import INFO as LISTCHECKER
from remixer.adapters.memquota import INFO as MEMQUOTA
from remixer.adapters.noop import INFO as NOOP
from remixer.adapters.prometheus import INFO as PROMETHEUS
from remixer.adapters.stdio import INFO as STDIO
from remixer.attributes.bag import TrackedBag, plain_bag
from remixer.attributes.values import ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.expr.compile import Expression, compile_expression
from remixer.foundation.clock import SystemClock
from remixer.foundation.deadline import Deadline
from remixer.frontends.envoy.access_log.codec import StreamDecoder
from remixer.frontends.envoy.ext_authz import ext_authz_methods
from remixer.frontends.mixer_v1 import mixer_v1_methods
from remixer.mixer.outcome import ReportOutcome
from remixer.observability.metrics import RuntimeMetrics
from remixer.runtime.engine import Engine
from remixer.testing.engine import running_engine
from remixer.tiers.cached import CachedMixer
from remixer.tiers.settings import CacheSettings
from remixer.transport.port import Peer, UnaryMethod

ADAPTERS = (DENIER, LISTCHECKER, MEMQUOTA, NOOP, PROMETHEUS, STDIO)
CONFIGS = Path(__file__).parent / "configs"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `goal_us` None: none stated."""

    name: str
    figure: Figure
    goal_us: float | None = None


class BenchContext:
    """What a transport would hand to a handler."""

    metadata: dict[str, str] = {}  # noqa: RUF012 - never changed
    deadline: Deadline | None = None
    peer = Peer("bench")

    def set_trailing_metadata(self, metadata: dict[str, str]) -> None:
        """Nowhere to send it."""


def engine_rows() -> list[Row]:
    """Mixer's and Envoy's checks and reports, from request bytes to response bytes."""
    return asyncio.run(_engine_rows())


async def _engine_rows() -> list[Row]:
    return [
        await _row("check, no rule", "none", "check-25", "Mixer/Check"),
        await _row(
            "check, allow through a list rule", "allow", "check-25", "Mixer/Check", goal_us=40
        ),
        await _row("check, deny", "deny", "check-25", "Mixer/Check"),
        await _row("check, allow with quota", "quota", "check-25-quota", "Mixer/Check"),
        await _row("report x1, 2 metrics of 8 labels", "metrics", "report-1", "Mixer/Report"),
        await _row("report x100, per bag", "metrics", "report-100", "Mixer/Report", divide=100),
        await _row(
            "ext_authz check, allow through a list rule",
            "allow",
            "ext-authz",
            "Authorization/Check",
            goal_us=40,
        ),
        await _access_log_row(),
        await _row("check, hit", "allow", "check-25", "Mixer/Check", cached=True),
        await _row(
            "ext_authz check, hit", "allow", "ext-authz", "Authorization/Check", cached=True
        ),
    ]


async def _row(
    name: str,
    config: str,
    body: str,
    method: str,
    *,
    goal_us: float | None = None,
    divide: int = 1,
    cached: bool = False,
) -> Row:
    async with answering(config, method, cached=cached) as call:
        message = recorded(body)
        context = BenchContext()
        call(message, context)
        figure = cpu_per_call(lambda: call(message, context))
    parts = (figure.minimum / divide, figure.median / divide, figure.maximum / divide)
    return Row(name, Figure(*parts), goal_us)


async def _access_log_row() -> Row:
    """From the bytes of a message of Envoy's with one entry to the metrics' series."""
    async with engine_on("metrics") as engine:
        message = recorded("access-log")
        decoder = StreamDecoder()
        vocabulary = engine.generation.snapshot.vocabulary

        def take() -> ReportOutcome:
            return engine.report(decoder.decode(message, vocabulary))

        assert not take().errors
        return Row("access-log entry, 2 metrics", cpu_per_call(take))


@asynccontextmanager
async def answering(
    config: str, method: str, *, cached: bool = False
) -> AsyncIterator[Callable[..., object]]:
    """The handler of one method over an engine with `bench/configs/CONFIG.yaml`.

    `method`: the end of its path.
    """
    async with engine_on(config) as engine:
        mixer = remembering(engine) if cached else engine
        methods = (
            *mixer_v1_methods(mixer, SystemClock()),
            *ext_authz_methods(mixer, vocabulary=lambda: engine.generation.snapshot.vocabulary),
        )
        found = next(each for each in methods if each.path.endswith(method))
        assert isinstance(found, UnaryMethod)
        yield found.handle


def remembering(engine: Engine) -> CachedMixer:
    """`engine` with a memory of its verdicts, as a server has it."""
    return CachedMixer(
        engine,
        settings=CacheSettings(),
        policies=engine,
        clock=SystemClock(),
        random=Random(1),  # noqa: S311 - spreads expiry
    )


@asynccontextmanager
async def engine_on(config: str) -> AsyncIterator[Engine]:
    """An engine with `bench/configs/CONFIG.yaml` in force."""
    vocabulary = (files("remixer.config") / "defaults" / "attributes.yaml").read_text()
    texts = {
        "attributes.yaml": vocabulary,
        "rules.yaml": (CONFIGS / f"{config}.yaml").read_text(),
    }
    clock = SystemClock()
    async with running_engine(
        texts, adapters=ADAPTERS, clock=clock, metrics=RuntimeMetrics()
    ) as running:
        problems = running.engine.generation.snapshot.problems
        if problems:
            raise SystemExit("\n".join(map(str, problems)))
        yield running.engine


def expression_rows() -> list[Row]:
    """One expression on a bag that was read before, and on a fresh one."""
    text = 'a == "x" && b | "y" == "z"'
    vocabulary = Vocabulary({"a": ValueType.STRING, "b": ValueType.STRING})
    compiled = compile_expression(text, vocabulary)
    assert isinstance(compiled, Expression)
    inner = plain_bag({"a": "x"})
    warm = TrackedBag(inner)
    evaluate = compiled.evaluate
    return [
        Row(f"expr, warm bag: {text}", cpu_per_call(lambda: evaluate(warm)), 0.5),
        Row("expr, fresh tracked bag", cpu_per_call(lambda: evaluate(TrackedBag(inner)))),
        Row("expr, an empty call, for comparison", cpu_per_call(lambda: None)),
    ]
