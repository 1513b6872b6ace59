"""The mutants of a Lua script."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import lupa.lua51

from .lua_statements import Parser, Token
from .mutant import Mutant, make

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN: Final = re.compile(
    r"""(?P<comment>--[^\n]*)
    |(?P<text>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<sign>==|~=|<=|>=|\.\.\.|\.\.|[-+*/%^\#<>=(){}\[\];:,.])
    |(?P<space>\s+)""",
    re.VERBOSE,
)

_SWAPS: Final = {
    "==": ("~=",),
    "~=": ("==",),
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
    "+": ("-",),
    "-": ("+",),
    "*": ("/",),
    "/": ("*",),
    "%": ("*",),
    "^": ("*",),
    "and": ("or",),
    "or": ("and",),
    "not": ("",),
    "true": ("false",),
    "false": ("true",),
    "min": ("max",),
    "max": ("min",),
}

_compile: Final = lupa.lua51.LuaRuntime().eval("function(text) return loadstring(text) ~= nil end")


def mutants_of(file: str, text: str) -> Iterator[Mutant]:
    """Return all mutants of one script or part of a script, in the order of the text."""
    found = [*_of_tokens(file, text), *_of_statements(file, text)]
    yield from sorted(found, key=lambda one: (one.start, one.end, one.replacement))


def compiles(text: str) -> bool:
    """Return whether a script is Lua at all."""
    return bool(_compile(text))


@dataclass(frozen=True, slots=True)
class _Before:
    """Whether a minus after this token is between two values."""

    token: Token | None

    def is_value(self) -> bool:
        if self.token is None:
            return False
        if self.token.kind == "name":
            return self.token.text not in {"return", "and", "or", "not", "then", "else", "in"}
        return self.token.kind in {"number", "text"} or self.token.text in {")", "]", "}"}


def _tokens(text: str) -> list[Token]:
    found = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"no Lua that is known here: {text[at : at + 20]!r}")
        kind = match.lastgroup or ""
        if kind not in {"comment", "space"}:
            found.append(Token(kind, match.group(), match.start(), match.end()))
        at = match.end()
    return found


def _of_tokens(file: str, text: str) -> Iterator[Mutant]:
    before: Token | None = None
    for token in _tokens(text):
        for other in _instead_of(token, before):
            yield make(file, text, token.start, token.end, other)
        before = token


def _instead_of(token: Token, before: Token | None) -> tuple[str, ...]:
    if token.kind == "number":
        return (f"{float(token.text) + 1:g}" if "." in token.text else str(int(token.text) + 1),)
    if token.kind == "text":
        return (f"{token.text[0]}x{token.text[1:]}",)
    if token.text == "-" and not _Before(before).is_value():
        return ("",)
    if token.text in {"min", "max"} and (before is None or before.text != "."):
        return ()
    return _SWAPS.get(token.text, ())


def _of_statements(file: str, text: str) -> Iterator[Mutant]:
    parser = Parser(_tokens(text))
    parser.read()
    for start, end in parser.conditions:
        condition = text[start:end]
        yield make(file, text, start, end, f"not ({condition})", "condition negated")
    for start, end in parser.statements:
        yield make(file, text, start, end, "", f"removed: {' '.join(text[start:end].split())[:60]}")
