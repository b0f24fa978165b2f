"""Tokens to nodes. Source: Go `text/template/parse`."""

from collections.abc import Collection
from typing import Final, NoReturn, TypeAlias

from remixer.sdk.go_template.errors import TemplateSyntaxError
from remixer.sdk.go_template.execute import Template
from remixer.sdk.go_template.functions import FUNCTIONS
from remixer.sdk.go_template.lexer import Kind, Token, tokens_of
from remixer.sdk.go_template.nodes import (
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

_DEEPEST: Final = 50
"""Blocks and parentheses inside each other; far more than anybody writes."""
_BlockKind: TypeAlias = type[If] | type[With] | type[Range]
_BLOCKS: Final[dict[str, _BlockKind]] = {"if": If, "with": With, "range": Range}
_UNSUPPORTED: Final = frozenset({"define", "template", "block", "break", "continue"})
_CONSTANTS: Final = {"true": True, "false": False, "nil": None}
_MOST_RANGE_VARIABLES: Final = 2


def parse_template(text: str) -> Template:
    """Raises `TemplateSyntaxError`, which tells where; unknown functions included."""
    return Template(_Parser(text).whole())


class _Parser:
    """One token ahead. `_variables` are those in force, innermost last."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens_of(text)
        self._next = next(self._tokens)
        self._variables = ["$"]
        self._depth = 0

    def whole(self) -> tuple[Node, ...]:
        nodes, ending = self._nodes(until=())
        assert ending is None  # noqa: S101 - only asked-for endings are returned
        return nodes

    # ------------------------------------------------------------ tokens

    def _take(self) -> Token:
        token = self._next
        if token.kind is not Kind.END:
            self._next = next(self._tokens)
        return token

    def _expect(self, kind: Kind, where: str) -> Token:
        if self._next.kind is not kind:
            raise self._unexpected(self._next, where)
        return self._take()

    def _fail(self, reason: str, token: Token) -> NoReturn:
        raise TemplateSyntaxError(reason, text=self._text, at=token.at)

    def _unexpected(self, token: Token, where: str) -> TemplateSyntaxError:
        found = token.kind.value if token.kind in {Kind.END, Kind.STOP} else f"`{token.text}`"
        reason = f"unexpected {found} in {where}"
        return TemplateSyntaxError(reason, text=self._text, at=token.at)

    def _enter(self, token: Token) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            self._fail(f"more than {_DEEPEST} levels deep", token)

    # ------------------------------------------------------------ blocks

    def _nodes(self, *, until: Collection[str]) -> tuple[tuple[Node, ...], Token | None]:
        """Nodes up to an action that begins with one of these words; its token, braces open."""
        nodes: list[Node] = []
        while True:
            token = self._take()
            if token.kind is Kind.TEXT:
                nodes.append(Text(token.text))
            elif token.kind is Kind.END:
                if until:
                    self._fail("a block has no {{end}}", token)
                return tuple(nodes), None
            elif self._next.kind is Kind.WORD and self._next.text in until:
                return tuple(nodes), self._take()
            else:
                nodes.append(self._action())

    def _action(self) -> Node:
        token = self._next
        if token.kind is Kind.WORD and token.text in _BLOCKS:
            return self._block(self._take())
        if token.kind is Kind.WORD and token.text in {"else", "end"}:
            self._fail(f"{{{{{token.text}}}}} without a block", token)
        if token.kind is Kind.WORD and token.text in _UNSUPPORTED:
            self._fail(f"`{token.text}` is not supported", token)
        pipeline = self._pipeline("an action", most_variables=1)
        self._expect(Kind.STOP, "an action")
        return Output(pipeline)

    def _block(self, word: Token) -> Node:
        self._enter(word)
        held = len(self._variables)
        most = _MOST_RANGE_VARIABLES if word.text == "range" else 1
        pipeline = self._pipeline(word.text, most_variables=most)
        self._expect(Kind.STOP, word.text)
        then, ending = self._nodes(until=("else", "end"))
        otherwise: tuple[Node, ...] = ()
        if ending is not None and ending.text == "else":
            otherwise = self._otherwise(word)
        else:
            self._expect(Kind.STOP, "end")
        del self._variables[held:]
        self._depth -= 1
        return _BLOCKS[word.text](pipeline, then, otherwise)

    def _otherwise(self, word: Token) -> tuple[Node, ...]:
        token = self._next
        if token.kind is Kind.WORD and token.text == "if" and word.text == "if":
            return (self._block(self._take()),)  # its {{end}} is the outer block's, too
        self._expect(Kind.STOP, "else")
        nodes, _ = self._nodes(until=("end",))
        self._expect(Kind.STOP, "end")
        return nodes

    # ------------------------------------------------------------ pipelines

    def _pipeline(self, where: str, *, most_variables: int = 0) -> Pipeline:
        first = self._next
        operand = self._operand(where)
        names: list[str] = []
        is_declaration = True
        if _is_variable(operand) and self._next.kind in {Kind.DECLARE, Kind.ASSIGN, Kind.COMMA}:
            names = self._targets(first, most_variables)
            is_declaration = self._take().kind is Kind.DECLARE
            operand = self._operand(where)
        commands = [self._command(operand, where)]
        while self._next.kind is Kind.PIPE:
            self._take()
            token = self._next
            command = self._command(self._operand(where), where)
            if isinstance(command.first, Literal):
                self._fail("a constant takes no argument", token)
            commands.append(command)
        if names:
            self._set_variables(first, names, is_declaration=is_declaration)
        return Pipeline(tuple(commands), tuple(names), is_declaration)

    def _targets(self, first: Token, most: int) -> list[str]:
        names = [first.text]
        while self._next.kind is Kind.COMMA:
            self._take()
            names.append(self._expect(Kind.VARIABLE, "a declaration").text)
        if len(names) > most or self._next.kind not in {Kind.DECLARE, Kind.ASSIGN}:
            raise self._unexpected(self._next, "a declaration")
        return names

    def _set_variables(self, first: Token, names: list[str], *, is_declaration: bool) -> None:
        if is_declaration:
            self._variables += names
            return
        for name in names:
            self._check_variable(name, first)

    def _command(self, first: Operand, where: str) -> Command:
        arguments: list[Operand] = []
        while self._next.kind not in {Kind.PIPE, Kind.STOP, Kind.CLOSE}:
            token = self._next
            if not token.is_spaced:
                raise self._unexpected(token, where)
            arguments.append(self._operand(where))
        if first == Literal(None):
            self._fail("`nil` is not a command", self._next)
        if arguments and isinstance(first, Literal):
            self._fail("a constant takes no argument", self._next)
        return Command(first, tuple(arguments))

    def _operand(self, where: str) -> Operand:
        token = self._take()
        match token.kind:
            case Kind.LITERAL:
                return Literal(token.value)
            case Kind.WORD:
                return self._word(token)
            case Kind.DOT:
                return FieldPath(())
            case Kind.FIELD:
                return FieldPath((token.text, *self._path()))
            case Kind.VARIABLE:
                return self._variable(token)
            case Kind.OPEN:
                self._enter(token)
                pipeline = self._pipeline("parentheses")
                self._expect(Kind.CLOSE, "parentheses")
                self._depth -= 1
                return Group(pipeline, self._path())
            case _:
                raise self._unexpected(token, where)

    def _path(self) -> tuple[str, ...]:
        """Names that follow without a blank."""
        names: list[str] = []
        while self._next.kind is Kind.FIELD and not self._next.is_spaced:
            names.append(self._take().text)
        return tuple(names)

    def _variable(self, token: Token) -> VariablePath:
        if self._next.kind not in {Kind.DECLARE, Kind.COMMA}:
            self._check_variable(token.text, token)
        return VariablePath(token.text, self._path())

    def _check_variable(self, name: str, token: Token) -> None:
        if name not in self._variables:
            self._fail(f"variable `{name}` is not defined", token)

    def _word(self, token: Token) -> Operand:
        if token.text in _CONSTANTS:
            return Literal(_CONSTANTS[token.text])
        if token.text not in FUNCTIONS:
            self._fail(f"function `{token.text}` is not defined", token)
        return Function(token.text)


def _is_variable(operand: Operand) -> bool:
    return isinstance(operand, VariablePath) and not operand.names
