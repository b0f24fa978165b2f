"""`regopy` (rego-cpp). The only module that knows it.

Facts of 1.5.2: modules with and without `if` are read. A value is asked for by binding it; a bare
`data.a.b` is no result when it is false. Text is taken as the inside of a JSON string. Some
policies (`data[x].y`) crash the process while they are compiled, so only parsing is done in ours.
"""

import importlib
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from remixer.drivers.rego.dialect import canonical_text, missing_calls, modernise
from remixer.drivers.rego.results import Decided, Failed, Json, PolicyFaultError, Undecided

MISSING_PACKAGE: Final = "the Rego engine (regopy) is not installed"
INSTALL_HINT: Final = "Run pip install 'remixer[opa]', or ask a server: `server_url`."
_MOST_REASON_CHARACTERS: Final = 200
_STATIC_FAULTS: Final = ("Function not found", "Recursion detected")


@dataclass(frozen=True, slots=True)
class ModuleFault:
    """Why a module is none. `line` counts from 1."""

    index: int
    line: int
    message: str


def is_installed() -> bool:
    return importlib.util.find_spec("regopy") is not None


def parse_faults(modules: Sequence[str]) -> Iterator[ModuleFault]:
    """The first syntax error of each module, and calls of functions that the engine lacks."""
    engine = _engine()
    for index, source in enumerate(modules):
        interpreter = _silent(engine)
        try:
            interpreter.add_module("module", source)
        except (engine.RegoError, ValueError) as error:
            text = str(error)
            yield ModuleFault(index, _line(text, source), _message(text))
            continue
        for line, name in missing_calls(source):
            yield ModuleFault(index, line, f"the embedded engine has no function `{name}`")


class CompiledPolicy:
    """Modules and one rule, ready to be asked. One thread at a time."""

    def __init__(self, modules: Sequence[str], rule: str) -> None:
        """Raises `PolicyFaultError`."""
        self._engine = _engine()
        self._interpreter = _silent(self._engine)
        try:
            for index, source in enumerate(modules):
                self._interpreter.add_module(f"policy[{index}]", modernise(source))
            self._bundle: Any = self._interpreter.build(f"answer = {rule}")
        except (self._engine.RegoError, ValueError) as error:
            message = _message(str(error))
            raise PolicyFaultError(message) from error
        # A compiler would have found these; here they show only in an evaluation.
        trial = self.evaluate({})
        if isinstance(trial, Failed) and trial.reason.startswith(_STATIC_FAULTS):
            raise PolicyFaultError(trial.reason)

    def evaluate(self, document: Json) -> Decided | Undecided | Failed:
        """Decide over one input."""
        try:
            self._interpreter.set_input(self._engine.Input(_spelled(document)))
            output = self._interpreter.query_bundle(self._bundle)
        except ValueError as error:  # a JSONDecodeError holds the engine's own text
            return Failed(_message(getattr(error, "doc", "")))
        except self._engine.RegoError as error:
            return Failed(_message(str(error)))
        if not output.ok():
            return Failed("the policy cannot be evaluated")
        found = [result.bindings["answer"] for result in output.results if result.bindings]
        if len(found) == 1 and isinstance(found[0], bool):
            return Decided(found[0])
        return Undecided()


def _engine() -> ModuleType:
    """Loaded when first used: it is an optional extra of 14 MB."""
    if not is_installed():
        message = f"{MISSING_PACKAGE}. {INSTALL_HINT}"
        raise PolicyFaultError(message)
    return importlib.import_module("regopy")


def _silent(engine: ModuleType) -> Any:  # noqa: ANN401 - regopy has no types
    interpreter = engine.Interpreter()
    interpreter.log_level = engine.LogLevel.NONE
    return interpreter


def _spelled(value: Json) -> Json:
    if isinstance(value, str):
        return canonical_text(value)
    if isinstance(value, list):
        return [_spelled(each) for each in value]
    if isinstance(value, dict):
        return {canonical_text(key): _spelled(each) for key, each in value.items()}
    return value


def _message(text: str) -> str:
    """The first `(errormsg LENGTH:TEXT)` of the engine's report."""
    _, _, rest = text.partition("(errormsg ")
    length, _, tail = rest.partition(":")
    if not length.isdigit():
        return "the policy cannot be evaluated"
    return tail[: min(int(length), _MOST_REASON_CHARACTERS)]


def _line(text: str, source: str) -> int:
    """Of the first `(error LENGTH:module|OFFSET|LENGTH`; 1 if it has no place."""
    _, _, rest = text.partition("module|")
    offset = rest.partition("|")[0]
    return source.encode()[: int(offset)].count(b"\n") + 1 if offset.isdigit() else 1
