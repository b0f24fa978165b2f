"""Typed tree to Python function: one flat expression, built as `ast` nodes.

Policy text never becomes source: names and strings are constants inside the nodes, identifiers
are ours, and builtins are empty. `a == "x" && b | "y" == "z"` becomes

    (v0 if type(v0 := bag['a']) is str else fail('a', v0, …)) == 'x'
    and (v1 if type(v1 := bag['b']) is str or v1 is not None and fail('b', v1, …) else 'y') == 'z'

Chains stay flat (`or`, `and`, f-strings), so their length meets no recursion limit. Nodes
carry places in the policy's text, and the function's globals carry a loader that hands this
text to `linecache`: a traceback shows the expression, with the failing part underlined.
"""

import ast
import hashlib
from collections.abc import Callable
from functools import reduce
from types import CodeType, FunctionType
from typing import Final, NoReturn, TypeAlias, assert_never, cast

from remixer.attributes.bag import Bag
from remixer.attributes.values import Value, ValueType
from remixer.expr.errors import EvaluationError
from remixer.expr.interpret import unreadable
from remixer.expr.source import PythonLocation, Source
from remixer.expr.typed import (
    Apply,
    Choice,
    Constant,
    Default,
    Discarded,
    Failure,
    Logic,
    Lookup,
    Operation,
    Read,
    Sum,
    Typed,
)
from remixer.expr.types import CARRIERS, NOT_STRING_MAPS

Evaluate: TypeAlias = Callable[[Bag], Value]

# Operands of `+` that are written as nested Python operators; more become one flat call.
_MOST_NESTED_OPERANDS: Final = 4
# Characters of the expression in a traceback's file name; longer texts get a digest instead.
_LONGEST_NAME: Final = 60
_INLINE_CLASSES: Final = frozenset({str, int, float, bool, bytes})
_COMPARISONS: Final[dict[str, type[ast.cmpop]]] = {
    "==": ast.Eq,
    "!=": ast.NotEq,
    "<": ast.Lt,
    "<=": ast.LtE,
    ">": ast.Gt,
    ">=": ast.GtE,
}


def generate(tree: Typed, source: Source) -> Evaluate:
    """The function that evaluates `tree` in plain mode; raises `EvaluationError` when called."""
    generator = Generator(source, globals_of(source.text))
    body = generator.plain(tree)
    at = source.python_location(tree.span)
    parameters = ast.arguments(
        posonlyargs=[], args=[ast.arg(arg="bag", **at)], kwonlyargs=[], kw_defaults=[], defaults=[]
    )
    module = ast.Expression(ast.Lambda(args=parameters, body=body, **at))
    code = compile(module, _file_name(source.text), "eval")
    lambda_code = next(constant for constant in code.co_consts if isinstance(constant, CodeType))
    named = lambda_code.replace(co_name="evaluate", co_qualname="evaluate")
    return cast("Evaluate", FunctionType(named, generator.globals))


def _file_name(text: str) -> str:
    """What tracebacks call the expression: unique per text, and no name of a real file."""
    if len(text) <= _LONGEST_NAME and text.isprintable():
        return f"expression: {text}"
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]
    start = " ".join(text[:_LONGEST_NAME].split())
    return f"expression {digest}: {start}…"


class _PolicyText:
    """What `linecache` asks for the lines of a generated function."""

    def __init__(self, text: str) -> None:
        self._text = text

    def get_source(self, _module_name: str) -> str:
        return self._text


def _fail_reading(name: str, value: Value | None, wanted: ValueType) -> NoReturn:
    raise unreadable(name, value, wanted)


def _fail(message: str) -> NoReturn:
    raise EvaluationError(message)


def globals_of(text: str) -> dict[str, object]:
    """What generated expressions refer to; tracebacks show lines of `text`."""
    return {
        "__builtins__": {},
        "__name__": "policy expression",
        "__loader__": _PolicyText(text),
        "type": type,
        "fail": _fail,
        "fail_reading": _fail_reading,
        "NOT_STRING_MAPS": NOT_STRING_MAPS,
        **{carrier.__name__: carrier for carrier in CARRIERS.values()},
    }


class Generator:
    """Writes Python expressions; collects what they refer to in `globals`."""

    def __init__(self, source: Source, known: dict[str, object]) -> None:
        """`known` becomes `globals`: what `globals_of` gives, and more."""
        self._source = source
        self._temporaries = 0
        self.globals = known

    def _at(self, node: Typed) -> PythonLocation:
        return self._source.python_location(node.span)

    def _temporary(self) -> str:
        self._temporaries += 1
        return f"v{self._temporaries - 1}"

    # ------------------------------------------------------------ plain mode

    def plain(self, node: Typed) -> ast.expr:  # noqa: C901  one case per kind of node
        """An expression with the value of `node`."""
        at = self._at(node)
        match node:
            case Constant():
                return self._known(node.value, at)
            case Read():
                into = self._temporary()
                return ast.IfExp(
                    self._reads(node, into), _load(into, at), self._unreadable(node, into), **at
                )
            case Apply():
                return self._apply(node)
            case Sum():
                return self._sum(node)
            case Logic():
                operands = [self.plain(part) for part in node.operands]
                return _joined(ast.And() if node.is_and else ast.Or(), operands, at)
            case Choice():
                condition, if_true = self.plain(node.condition), self.plain(node.if_true)
                return ast.IfExp(condition, if_true, self.plain(node.if_false), **at)
            case Lookup():
                into = self._temporary()
                entry = self._entry(node, self.plain(node.map), self.plain(node.key))
                is_absent = _is_none(_store(into, entry, at), at, is_negated=False)
                return ast.IfExp(is_absent, ast.Constant("", **at), _load(into, at), **at)
            case Default():
                return self._default(node)
            case Discarded():
                return self.plain(node.operand)
            case Failure():
                return _call("fail", [ast.Constant(node.message, **at)], at)
            case _:
                assert_never(node)

    def _known(self, value: Value, at: PythonLocation) -> ast.expr:
        if type(value) in _INLINE_CLASSES:
            return ast.Constant(cast("str", value), **at)
        return _load(self._bind(value, "constant"), at)

    def _bind(self, value: object, hint: str) -> str:
        name = f"{hint}_{len(self.globals)}"
        self.globals[name] = value
        return name

    def _reads(self, node: Read, into: str) -> ast.expr:
        """Reads the attribute into a temporary; true if it is there and of its type."""
        at = self._at(node)
        found = _call("type", [_store(into, self._attribute(node), at)], at)
        carrier = CARRIERS.get(node.type)
        if carrier is None:
            return ast.Compare(found, [ast.NotIn()], [_load("NOT_STRING_MAPS", at)], **at)
        return ast.Compare(found, [ast.Is()], [_load(carrier.__name__, at)], **at)

    def _attribute(self, node: Read) -> ast.expr:
        """The attribute's value, or None."""
        at = self._at(node)
        return ast.Subscript(_load("bag", at), ast.Constant(node.name, **at), ast.Load(), **at)

    def _entry(self, node: Lookup, map_value: ast.expr, key: ast.expr) -> ast.expr:
        """The value under the key, or None."""
        return ast.Subscript(map_value, key, ast.Load(), **self._at(node))

    def _unreadable(self, node: Read, value: str) -> ast.expr:
        at = self._at(node)
        arguments = [ast.Constant(node.name, **at), _load(value, at), self._known(node.type, at)]
        return _call("fail_reading", arguments, at)

    def _apply(self, node: Apply) -> ast.expr:
        at = self._at(node)
        surplus = [self.plain(part) for part in node.surplus]
        result = self._operation(node.operation, [self.plain(part) for part in node.arguments], at)
        if not surplus:
            return result
        together = ast.Tuple([*surplus, result], ast.Load(), **at)
        return ast.Subscript(together, ast.Constant(len(surplus), **at), ast.Load(), **at)

    def _operation(
        self, operation: Operation, arguments: list[ast.expr], at: PythonLocation
    ) -> ast.expr:
        if operation.symbol in _COMPARISONS:
            left, right = arguments
            return ast.Compare(left, [_COMPARISONS[operation.symbol]()], [right], **at)
        if operation.symbol == "+":
            left, right = arguments
            return ast.BinOp(left, ast.Add(), right, **at)
        if operation.method:
            target, *others = arguments
            method = ast.Attribute(target, operation.method, ast.Load(), **at)
            return ast.Call(method, others, [], **at)
        return _call(self._bind(operation.call, operation.name), arguments, at)

    def _sum(self, node: Sum) -> ast.expr:
        at = self._at(node)
        operands = [self.plain(part) for part in node.operands]
        if len(operands) <= _MOST_NESTED_OPERANDS:
            return reduce(
                lambda left, right: self._operation(node.operation, [left, right], at), operands
            )
        if CARRIERS[node.type] is str:
            return ast.JoinedStr(
                [ast.FormattedValue(part, -1, None, **at) for part in operands], **at
            )
        operation = node.operation

        def add_all(*values: Value) -> Value:
            return reduce(operation.call, values)

        return _call(self._bind(add_all, operation.name), operands, at)

    def _default(self, node: Default) -> ast.expr:
        at = self._at(node)
        into = self._temporary()
        *lefts, last = node.operands
        tests = [test for left in lefts for test in self._present(left, into)]
        return ast.IfExp(_joined(ast.Or(), tests, at), _load(into, at), self.plain(last), **at)

    # ------------------------------------------------------------ optional mode

    def _present(self, node: Typed, into: str) -> list[ast.expr]:
        """Tests of which one is true if `node` has something, which is then stored in `into`."""
        at = self._at(node)
        match node:
            case Read():
                is_there = _is_none(_load(into, at), at, is_negated=True)
                of_other_type = _joined(ast.And(), [is_there, self._unreadable(node, into)], at)
                return [self._reads(node, into), of_other_type]
            case Lookup():
                map_tests, map_value = self._part(node.map)
                key_tests, key_value = self._part(node.key)
                entry = self._entry(node, map_value, key_value)
                is_found = _is_none(_store(into, entry, at), at, is_negated=True)
                return [_joined(ast.And(), [*map_tests, *key_tests, is_found], at)]
            case Default():
                return [test for part in node.operands for test in self._present(part, into)]
            case _:
                value = _store(into, self.plain(node), at)
                return [_is_none(value, at, is_negated=not isinstance(node, Discarded))]

    def _part(self, node: Typed) -> tuple[list[ast.expr], ast.expr]:
        """Tests that must all hold, and the value if they do."""
        at = self._at(node)
        if isinstance(node, Constant):
            return [], self.plain(node)
        into = self._temporary()
        return [_joined(ast.Or(), self._present(node, into), at)], _load(into, at)


# ------------------------------------------------------------ small pieces


def _load(name: str, at: PythonLocation) -> ast.Name:
    return ast.Name(name, ast.Load(), **at)


def _store(name: str, value: ast.expr, at: PythonLocation) -> ast.NamedExpr:
    return ast.NamedExpr(ast.Name(name, ast.Store(), **at), value, **at)


def _call(name: str, arguments: list[ast.expr], at: PythonLocation) -> ast.Call:
    return ast.Call(_load(name, at), arguments, [], **at)


def _is_none(value: ast.expr, at: PythonLocation, *, is_negated: bool) -> ast.Compare:
    operator = ast.IsNot() if is_negated else ast.Is()
    return ast.Compare(value, [operator], [ast.Constant(None, **at)], **at)


def _joined(operator: ast.boolop, operands: list[ast.expr], at: PythonLocation) -> ast.expr:
    return operands[0] if len(operands) == 1 else ast.BoolOp(operator, operands, **at)
