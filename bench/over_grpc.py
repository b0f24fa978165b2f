"""Rows over gRPC: server CPU per unit, by the kernel's accounting of the server's process."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bench import h2load, raw_load, servers
from bench.bodies import framed, recorded, recording
from bench.measure import Figure
from bench.out_of_process import back_end
from bench.probe import probe
from bench.subjects import OUT_OF_PROCESS, Ask, Subject

STREAM_MESSAGES = 100
"""In each request of a stream."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long is measured."""

    calls: int
    rounds: int


OWN, GRPCIO = Effort(8_000, 5), Effort(2_000, 3)
"""What is four times as slow is asked less often."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came out of one row."""

    cpu_us: Figure
    """Per unit."""
    resident_mb: float


def figure(subject: Subject, *, transport: str) -> Loaded:
    """A server in a process of its own; `transport`: `own` or `grpcio`."""
    with _serving(subject, transport) as server:
        return asked(subject, server, OWN if transport == "own" else GRPCIO)


def asked(subject: Subject, server: servers.ServerProcess, effort: Effort) -> Loaded:
    """Of a server that is there."""
    probe(subject, server.address)
    samples = list(_rounds(subject, server, effort))
    return Loaded(Figure.of(samples).shared_by(subject.units), h2load.resident_mb(server.pid))


@contextmanager
def _serving(subject: Subject, transport: str) -> Iterator[servers.ServerProcess]:
    with ExitStack() as stack:
        more: tuple[str, ...] = ()
        if subject.config == OUT_OF_PROCESS:
            more = (stack.enter_context(back_end()),)
        cache = "on" if subject.has_cache else "off"
        yield stack.enter_context(
            servers.running("remixer", subject.config, transport, cache, *more)
        )


def _rounds(subject: Subject, server: servers.ServerProcess, effort: Effort) -> Iterator[float]:
    """µs per message, one round after another."""
    calls = effort.calls // subject.effort
    address, path, pid = server.address, subject.path, server.pid
    match subject.ask:
        case Ask.SAME:
            body = recorded(subject.body)
            for _ in range(effort.rounds):
                load = h2load.run(address, path, body, server_pid=pid, calls=calls)
                yield _without_failures(load, subject)
        case Ask.VARIED:
            # The first round warms up; no message of any round comes again.
            calls //= 2
            messages = recording.checks(subject.body, calls * (effort.rounds + 1))
            for number in range(effort.rounds + 1):
                part = messages[number * calls : (number + 1) * calls]
                raw = raw_load.run(address, path, part, server_pid=pid, calls=calls)
                if number:
                    yield raw.server_cpu_us
        case Ask.STREAM:
            messages = recording.access_logs(subject.body, STREAM_MESSAGES)
            body = b"".join(map(framed, messages))
            requests = max(h2load.BUSY.calls_at_once, calls // STREAM_MESSAGES)
            for _ in range(effort.rounds):
                load = h2load.run_body(address, path, body, server_pid=pid, calls=requests)
                yield _without_failures(load, subject) / STREAM_MESSAGES


def _without_failures(load: h2load.Load, subject: Subject) -> float:
    if load.failed:
        message = f"{subject.key}: {load.failed} of {load.calls} calls failed"
        raise RuntimeError(message)
    return load.server_cpu_us
