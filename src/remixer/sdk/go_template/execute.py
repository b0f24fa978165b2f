"""A parsed template over data.

Theory of operation. The walk is recursive and the parser bounds its depth. Every node and every
operand costs a step, and what is printed is counted: so that `range` inside `range` ends early.
Variables live in one list of pairs, innermost last; a block cuts off those it has declared.
"""

from collections.abc import Mapping, Sequence
from typing import Final, assert_never

from remixer.sdk.go_template.errors import TemplateError
from remixer.sdk.go_template.formats import printed
from remixer.sdk.go_template.functions import call_function, entries_of, is_true
from remixer.sdk.go_template.methods import call_method
from remixer.sdk.go_template.nodes import (
    MISSING,
    Command,
    FieldPath,
    Function,
    Group,
    If,
    Literal,
    Node,
    Operand,
    Output,
    Pipeline,
    Range,
    Text,
    VariablePath,
    With,
)

LONGEST_OUTPUT: Final = 256 * 1024
"""Characters; what one log entry of CloudWatch may hold, and far more than a metric's name."""
_MOST_STEPS: Final = 10_000
"""A template with a hundred lookups takes some hundred steps."""
_NOTHING: Final = object()
"""No value is piped in."""


class Template:
    """Ready to be rendered, any number of times."""

    __slots__ = ("_nodes",)

    def __init__(self, nodes: tuple[Node, ...]) -> None:
        self._nodes = nodes

    def render(self, data: Mapping[str, object]) -> str:
        """Raises `TemplateError`. A key that is absent prints `<no value>`."""
        walk = _Walk(data)
        walk.run(self._nodes, data)
        return "".join(walk.parts)


class _Walk:
    def __init__(self, data: Mapping[str, object]) -> None:
        self.parts: list[str] = []
        self._length = 0
        self._steps = 0
        self._variables: list[tuple[str, object]] = [("$", data)]

    # ------------------------------------------------------------ nodes

    def run(self, nodes: Sequence[Node], dot: object) -> None:
        for node in nodes:
            self._step()
            match node:
                case Text(text):
                    self._print(text)
                case Output(pipeline):
                    value = self._pipeline(pipeline, dot)
                    if not pipeline.variables:
                        self._print(printed(value))
                case If() | With() | Range():
                    held = len(self._variables)
                    self._block(node, dot)
                    del self._variables[held:]
                case _:
                    assert_never(node)

    def _block(self, node: If | With | Range, dot: object) -> None:
        value = self._pipeline(node.pipeline, dot)
        if not is_true(value):
            self.run(node.otherwise, dot)
        elif isinstance(node, Range):
            self._range(node, value)
        else:
            self.run(node.then, value if isinstance(node, With) else dot)

    def _range(self, node: Range, value: object) -> None:
        entries = entries_of(value)
        if entries is None:
            message = "range wants a map"
            raise TemplateError(message)
        names = node.pipeline.variables
        held = len(self._variables)
        for key in sorted(entries):
            if names:
                self._set(names[-1], entries[key], is_declaration=node.pipeline.is_declaration)
            if len(names) > 1:
                self._set(names[0], key, is_declaration=node.pipeline.is_declaration)
            self._step()
            self.run(node.then, entries[key])
            del self._variables[held:]

    def _print(self, text: str) -> None:
        self._length += len(text)
        if self._length > LONGEST_OUTPUT:
            message = f"more than {LONGEST_OUTPUT} characters"
            raise TemplateError(message)
        self.parts.append(text)

    def _step(self) -> None:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            message = f"more than {_MOST_STEPS} steps"
            raise TemplateError(message)

    # ------------------------------------------------------------ values

    def _pipeline(self, pipeline: Pipeline, dot: object) -> object:
        value: object = _NOTHING
        for command in pipeline.commands:
            value = self._command(command, dot, value)
        for name in pipeline.variables:
            self._set(name, value, is_declaration=pipeline.is_declaration)
        return value

    def _set(self, name: str, value: object, *, is_declaration: bool) -> None:
        if is_declaration:
            self._variables.append((name, value))
            return
        place = max(i for i, (known, _) in enumerate(self._variables) if known == name)
        self._variables[place] = (name, value)

    def _command(self, command: Command, dot: object, piped: object) -> object:
        given = [self._operand(each, dot) for each in command.arguments]
        arguments = tuple(given if piped is _NOTHING else [*given, piped])
        if isinstance(command.first, Function):
            self._step()
            result = call_function(command.first.name, arguments)
            self._check_length(result)
            return result
        return self._operand(command.first, dot, arguments)

    def _check_length(self, result: object) -> None:
        # A text may be doubled again and again without ever being printed.
        if isinstance(result, str) and len(result) > LONGEST_OUTPUT:
            message = f"a text of more than {LONGEST_OUTPUT} characters"
            raise TemplateError(message)

    def _operand(self, operand: Operand, dot: object, arguments: tuple[object, ...] = ()) -> object:
        self._step()
        match operand:
            case Literal(value):
                return value
            case FieldPath(names):
                return _looked_up(dot, names, arguments)
            case VariablePath(variable, names):
                found = next(v for name, v in reversed(self._variables) if name == variable)
                return _looked_up(found, names, arguments)
            case Function(name):
                return call_function(name, ())
            case Group(pipeline, names):
                return _looked_up(self._pipeline(pipeline, dot), names, arguments)
            case _:
                assert_never(operand)


def _looked_up(value: object, names: tuple[str, ...], arguments: tuple[object, ...]) -> object:
    """Follow the names; arguments go to the last, which then must be a method."""
    last = len(names) - 1
    for place, name in enumerate(names):
        value = _member(value, name, arguments if place == last else ())
    if arguments and not names:
        message = "a value that is no function has arguments"
        raise TemplateError(message)
    return value


def _member(value: object, name: str, arguments: tuple[object, ...]) -> object:
    if value is MISSING:
        return MISSING
    if value is None:
        message = f"nil has no field {name}"
        raise TemplateError(message)
    entries = entries_of(value)
    if entries is None:
        return call_method(value, name, arguments)
    if arguments:
        message = f"{name} has arguments but cannot be invoked as function"
        raise TemplateError(message)
    return entries.get(name, MISSING)
