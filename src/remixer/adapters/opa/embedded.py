"""A policy of the configuration's own, evaluated in a child process.

Why a process: rego-cpp crashes on some policies, and an evaluation cannot be stopped in a thread.
A check takes about 0.5 ms, of which this process pays 0.27 ms, most of it for the thread.

rego-cpp's functions (`count`, `indexof`, `regex.match`, …) see text as JSON spells it: `"` as two
characters. A caller who sends one could slip past a policy that looks into texts. So such requests
are doubted where the policy calls functions at all; comparing is safe.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Final

from remixer.adapters.opa.results import Doubted, Evaluation
from remixer.drivers.child_process import ChildError, ChildProcess
from remixer.drivers.rego.dialect import calls_functions
from remixer.drivers.rego.results import Failed, PolicyFaultError
from remixer.drivers.rego.worker import decode_evaluation

START_TIMEOUT_S: Final = 10.0
"""Starting Python and compiling; a policy that takes longer is refused."""
MOST_WAITING: Final = 1_000
"""Checks that wait for their turn; at 0.5 ms each the last one waits 0.5 s."""
_ANSWER_LIMIT_BYTES: Final = 64 * 1024  # an answer is a word or a reason of one line
_ESCAPE: Final = b"\\"  # how a JSON document spells quotes, backslashes and control characters
_DOUBTED: Final = Doubted(
    "a text holds a quote, backslash or control character, which the embedded engine misjudges"
)


class EmbeddedPolicy:
    """A `Policy` whose engine may die and is started again for the next evaluation."""

    def __init__(self, modules: Sequence[str], rule: str, *, timeout_s: float) -> None:
        greeting = json.dumps({"modules": list(modules), "rule": rule}).encode()
        self._child = ChildProcess(
            (sys.executable, "-m", "remixer.drivers.rego.worker"),
            greeting=greeting,
            limit_bytes=_ANSWER_LIMIT_BYTES,
            start_timeout_s=START_TIMEOUT_S,
        )
        self._looks_into_texts = any(map(calls_functions, modules))
        self._timeout_s = timeout_s
        self._turn = asyncio.Lock()
        self._waiting = 0

    @property
    def starts(self) -> int:
        """How often the engine was started."""
        return self._child.starts

    async def start(self) -> None:
        """Compile. Raises `PolicyFaultError`."""
        try:
            await asyncio.to_thread(self._child.start)
        except ChildError as error:
            self._child.close()
            message = f"the policy does not compile: {error}"
            raise PolicyFaultError(message) from error
        except BaseException:
            self._child.close()
            raise

    async def evaluate(self, document: bytes) -> Evaluation:
        if self._looks_into_texts and _ESCAPE in document:
            return _DOUBTED
        if self._waiting >= MOST_WAITING:
            return Failed(f"{MOST_WAITING} evaluations wait already")
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(self._ask, document)
        finally:
            self._waiting -= 1

    async def aclose(self) -> None:
        self._child.close()

    def _ask(self, document: bytes) -> Evaluation:
        try:
            return decode_evaluation(self._child.ask(document, timeout_s=self._timeout_s))
        except ChildError as error:
            return Failed(f"the policy engine: {error}")
        except ValueError:
            return Failed("the policy engine: its answer cannot be read")
