"""Rows without a network: request bytes in, response bytes out."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from importlib.resources import files
from random import Random

from bench.bodies import recorded, recording
from bench.measure import Figure, cpu_per_call
from bench.out_of_process import AT_ONCE, back_end
from bench.policies import policy_text
from bench.subjects import ACCESS_LOG, OUT_OF_PROCESS, Ask, Subject
from remixer.adapters.denier import INFO as DENIER
from remixer.adapters.listchecker import INFO as LISTCHECKER
from remixer.adapters.memquota import INFO as MEMQUOTA
from remixer.adapters.noop import INFO as NOOP
from remixer.adapters.prometheus import INFO as PROMETHEUS
from remixer.adapters.stdio import INFO as STDIO
from remixer.attributes.vocabulary import Vocabulary
from remixer.foundation.clock import SystemClock
from remixer.foundation.deadline import Deadline
from remixer.foundation.problems import Severity
from remixer.frontends.envoy.access_log import access_log_methods
from remixer.frontends.envoy.ext_authz import ext_authz_methods
from remixer.frontends.mixer_v1 import mixer_v1_methods
from remixer.observability.metrics import RuntimeMetrics
from remixer.runtime.engine import Engine
from remixer.testing.engine import running_engine
from remixer.tiers.cached import CachedMixer
from remixer.tiers.part_recall import PartRecall
from remixer.tiers.recall import Recall
from remixer.tiers.settings import CacheSettings
from remixer.transport.port import Method, Peer, StreamMethod, UnaryMethod

ADAPTERS = (DENIER, LISTCHECKER, MEMQUOTA, NOOP, PROMETHEUS, STDIO)
ROUNDS = 5
WAITING_CALLS = 1_000
STREAM_MESSAGES = 500
VARIED_CALLS = 5_000
"""In each round, and before the first."""


class BenchContext:
    """What a transport would hand to a handler."""

    metadata: Mapping[str, str] = {}
    deadline: Deadline | None = None
    peer = Peer("bench")

    def set_trailing_metadata(self, metadata: Mapping[str, str]) -> None:
        """Nowhere to send it."""


def figure(subject: Subject) -> Figure:
    """CPU time of this process, per unit."""
    return asyncio.run(_figure(subject))


async def _figure(subject: Subject) -> Figure:
    if subject.config == OUT_OF_PROCESS:
        with back_end() as address:
            return await _measured(subject, policy_text(subject.config, back_end=address))
    return await _measured(subject, policy_text(subject.config))


async def _measured(subject: Subject, policy: str) -> Figure:
    async with _method(policy, subject.path, has_cache=subject.has_cache) as method:
        if isinstance(method, StreamMethod):
            found = await _streamed(method, subject)
        elif subject.config == OUT_OF_PROCESS:
            found = await _awaited(method, recorded(subject.body))
        else:
            found = _called(method, subject)
    return found.shared_by(subject.units)


def _called(method: UnaryMethod, subject: Subject) -> Figure:
    """Of calls that are answered without waiting."""
    call, context = method.handle, BenchContext()
    if subject.ask is Ask.VARIED:
        return _each_once(lambda message: call(message, context), subject)
    message = recorded(subject.body)
    first = call(message, context)
    assert isinstance(first, bytes), first
    return cpu_per_call(lambda: call(message, context), rounds=ROUNDS)


def _each_once(call: Callable[[bytes], object], subject: Subject) -> Figure:
    """No message comes twice: its verdict would be remembered."""
    messages = iter(recording.checks(subject.body, (ROUNDS + 1) * VARIED_CALLS))
    samples = []
    for _ in range(ROUNDS + 1):
        batch = [next(messages) for _ in range(VARIED_CALLS)]
        begun = time.process_time_ns()
        for message in batch:
            call(message)
        samples.append((time.process_time_ns() - begun) / 1e3 / VARIED_CALLS)
    return Figure.of(samples[1:])


async def _awaited(method: UnaryMethod, message: bytes) -> Figure:
    """Of calls that wait for another process, `AT_ONCE` at a time."""

    async def caller() -> None:
        for _ in range(WAITING_CALLS // AT_ONCE):
            answer = method.handle(message, BenchContext())
            assert isinstance(answer, Awaitable)
            await answer

    async def together() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(caller())

    return await _cpu(together, calls=WAITING_CALLS // AT_ONCE * AT_ONCE)


async def _streamed(method: StreamMethod, subject: Subject) -> Figure:
    messages = recording.access_logs(subject.body, STREAM_MESSAGES)

    async def sent() -> AsyncIterator[bytes]:
        for message in messages:
            yield message

    async def stream() -> None:
        async for _ in method.handle(sent(), BenchContext()):
            pass

    return await _cpu(stream, calls=STREAM_MESSAGES)


async def _cpu(work: Callable[[], Awaitable[None]], *, calls: int) -> Figure:
    samples = []
    await work()
    for _ in range(ROUNDS):
        begun = time.process_time_ns()
        await work()
        samples.append((time.process_time_ns() - begun) / 1e3 / calls)
    return Figure.of(samples)


@asynccontextmanager
async def answering(
    policy: str, path: str, *, has_cache: bool = False
) -> AsyncIterator[Callable[..., object]]:
    """The handler of one unary method over an engine with the rules of `policy`."""
    async with _method(policy, path, has_cache=has_cache) as found:
        assert isinstance(found, UnaryMethod)
        yield found.handle


@asynccontextmanager
async def _method(policy: str, path: str, *, has_cache: bool) -> AsyncIterator[Method]:
    async with engine_of(policy) as engine:
        memory = remembering(engine) if has_cache else None
        mixer = memory or engine
        recall = None if memory is None else recalling(memory, engine)
        part_recall = None
        if memory is not None:
            part_recall = PartRecall(memory, policies=engine, now_s=SystemClock().monotonic_s)

        def vocabulary() -> Vocabulary:
            return engine.generation.snapshot.vocabulary

        if path == ACCESS_LOG:
            methods: tuple[Method, ...] = access_log_methods(mixer, vocabulary=vocabulary)
        else:
            methods = (
                *mixer_v1_methods(mixer, SystemClock(), recall=recall),
                *ext_authz_methods(mixer, vocabulary=vocabulary, recall=part_recall),
            )
        yield next(each for each in methods if each.path == path)


def remembering(engine: Engine) -> CachedMixer:
    """`engine` with a memory of its verdicts, as a server has it."""
    return CachedMixer(
        engine,
        settings=CacheSettings(),
        policies=engine,
        clock=SystemClock(),
        random=Random(1),  # noqa: S311 - spreads expiry
    )


def recalling(memory: CachedMixer, engine: Engine) -> Recall:
    """What `memory` answers by layout and words, as a server has it."""
    return Recall(memory, policies=engine, now_s=SystemClock().monotonic_s)


@asynccontextmanager
async def engine_on(config: str) -> AsyncIterator[Engine]:
    """An engine with `bench/configs/CONFIG.yaml` in force."""
    async with engine_of(policy_text(config)) as engine:
        yield engine


@asynccontextmanager
async def engine_of(policy: str) -> AsyncIterator[Engine]:
    """An engine with the rules of `policy` and the attributes that come with Remixer."""
    vocabulary = (files("remixer.config") / "defaults" / "attributes.yaml").read_text()
    texts = {"attributes.yaml": vocabulary, "rules.yaml": policy}
    async with running_engine(
        texts,
        adapters=ADAPTERS,
        clock=SystemClock(),
        metrics=RuntimeMetrics(),
        adapter_timeout_s=5.0,
    ) as running:
        problems = running.engine.generation.snapshot.problems
        faults = [str(each) for each in problems if each.severity is Severity.ERROR]
        if faults:
            raise SystemExit("\n".join(faults))
        yield running.engine
