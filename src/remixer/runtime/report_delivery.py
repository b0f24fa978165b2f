"""Instances on their way to the handler that they are for.

A handler that waits gets its batch through a bounded queue. One that never waits is called at once;
such a call has a wall of its own for what succeeds, as compiled checks have: most do.
"""

import asyncio

from remixer.runtime.calls import Call, Failure
from remixer.runtime.guard import Guard
from remixer.runtime.routes import Target


class Delivery:
    """Hands batches to one handler, as instances of one template."""

    __slots__ = ("_display_name", "_entry", "_guard", "_method", "_now_s", "_sink", "_succeeded")

    def __init__(self, target: Target[object], guard: Guard) -> None:
        entry = target.entry
        self._entry = entry
        self._guard = guard
        self._display_name = target.handler.display_name
        self._sink = target.handler.report_sink
        self._method = entry.method
        self._now_s = guard.now_s
        self._succeeded = guard.successes_of(entry)

    def deliver(self, instances: list[object], errors: list[str]) -> None:
        """A failure that is known at once joins `errors`."""
        entry = self._entry
        if self._sink is not None:
            self._sink.put(Call(entry, (instances,)), instances)
            return
        if entry.breaker is not None:
            result = self._guard.run_now(Call(entry, (instances,)))
        else:
            begun_s = self._now_s()
            try:
                answer = self._method(instances)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the wall
                result = self._guard.caught(entry, begun_s, error)
            else:
                if answer is None:
                    self._succeeded(self._now_s() - begun_s)
                    return
                result = self._guard.judged_now(entry, answer, begun_s)
        if isinstance(result, Failure):
            errors.append(f"{self._display_name}: {result.reason}")
