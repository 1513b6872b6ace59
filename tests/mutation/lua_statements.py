"""Where the statements and the conditions of a Lua script begin and end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_ENDS_BLOCK: Final = frozenset({"end", "else", "elseif", "until", ""})
_UNARY: Final = frozenset({"not", "-", "#"})
_BINARY: Final = frozenset(
    ["and", "or", "<", ">", "<=", ">=", "~=", "==", "..", "+", "-", "*", "/", "%", "^"]
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word or a sign of a script, and where it stands."""

    kind: str
    text: str
    start: int
    end: int


class Parser:
    """Reads a script once; ``conditions`` and ``statements`` are spans of characters then.

    A ``local`` is not among the statements: a script that uses it later does not run without it.
    """

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self.conditions: list[tuple[int, int]] = []
        self.statements: list[tuple[int, int]] = []

    def read(self) -> None:
        """Read the whole script."""
        self._block()
        if self._next():
            raise ValueError(f"no statement begins with {self._next()!r}")

    def _next(self) -> str:
        return self._tokens[self._at].text if self._at < len(self._tokens) else ""

    def _skip(self, *expected: str) -> None:
        if expected and self._next() not in expected:
            raise ValueError(f"{self._next()!r} instead of {expected}")
        self._at += 1

    def _span(self, first: int) -> tuple[int, int]:
        return self._tokens[first].start, self._tokens[self._at - 1].end

    def _block(self) -> None:
        while self._next() not in _ENDS_BLOCK:
            self._statement()

    def _statement(self) -> None:
        match self._next():
            case "if":
                self._if()
            case "while":
                self._skip()
                self._condition()
                self._body("do")
            case "for":
                self._skip()
                while self._next() not in {"=", "in"}:
                    self._skip()
                self._skip()
                self._expressions()
                self._body("do")
            case "do":
                self._body("do")
            case "repeat":
                self._skip()
                self._block()
                self._skip("until")
                self._condition()
            case "function":
                self._skip()
                self._function()
            case "local":
                self._local()
            case _:
                self._removable()

    def _removable(self) -> None:
        first = self._at
        if self._next() == "return":
            self._skip()
            if self._next() not in _ENDS_BLOCK:
                self._expressions()
        elif self._next() == "break":
            self._skip()
        else:
            self._expressions()
            if self._next() == "=":
                self._skip()
                self._expressions()
        self.statements.append(self._span(first))

    def _if(self) -> None:
        self._skip("if")
        self._condition()
        self._skip("then")
        self._block()
        while self._next() == "elseif":
            self._skip()
            self._condition()
            self._skip("then")
            self._block()
        if self._next() == "else":
            self._skip()
            self._block()
        self._skip("end")

    def _local(self) -> None:
        self._skip("local")
        if self._next() == "function":
            self._skip()
            self._function()
            return
        self._expressions()
        if self._next() == "=":
            self._skip()
            self._expressions()

    def _function(self) -> None:
        while self._next() != ")":
            self._skip()
        self._body(")")

    def _body(self, opening: str) -> None:
        self._skip(opening)
        self._block()
        self._skip("end")

    def _condition(self) -> None:
        first = self._at
        self._expression()
        self.conditions.append(self._span(first))

    def _expressions(self) -> None:
        self._expression()
        while self._next() == ",":
            self._skip()
            self._expression()

    def _expression(self) -> None:
        while self._next() in _UNARY:
            self._skip()
        self._operand()
        while self._next() in _BINARY:
            self._skip()
            while self._next() in _UNARY:
                self._skip()
            self._operand()

    def _operand(self) -> None:
        match self._next():
            case "function":
                self._skip()
                self._function()
                return
            case "{":
                self._table()
                return
            case "(":
                self._skip()
                self._expression()
                self._skip(")")
            case _:
                self._skip()
        while self._suffix():
            pass

    def _suffix(self) -> bool:
        match self._next():
            case "." | ":":
                self._skip()
                self._skip()
            case "[":
                self._skip()
                self._expression()
                self._skip("]")
            case "(":
                self._skip()
                if self._next() != ")":
                    self._expressions()
                self._skip(")")
            case _:
                return False
        return True

    def _table(self) -> None:
        self._skip("{")
        while self._next() != "}":
            if self._next() == "[":
                self._skip()
                self._expression()
                self._skip("]")
            else:
                self._expression()
            if self._next() == "=":
                self._skip()
                self._expression()
            if self._next() in {",", ";"}:
                self._skip()
        self._skip("}")
