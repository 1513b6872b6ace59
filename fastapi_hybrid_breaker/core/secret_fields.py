"""Fields of a text whose names show that they hold secrets: found, and their values masked. Pure.

No expression here looks at the same characters again and again, see ``redaction``.
"""

from __future__ import annotations

import re
from typing import Final

from .secret_names import is_secret_name

MASK: Final = "***"

QUOTED: Final = r"[bru]?'(?:[^'\\]|\\.?|'')*+(?:'|$)|[bru]?\"(?:[^\"\\]|\\.?|\"\")*+(?:\"|$)"

_FIELD: Final = re.compile(
    r"(?<![\w.\-])([\w.\-]++)(?:\\*+[\"'\]])*+(?:\s|\\++[nrt]){0,20}+(=>|[=:])(?:\s|\\++[nrt](?=[\w*]))*+"
)
"""A name, and what stands between it and its value."""

_TWO_WORDS: Final = re.compile(r"(?<![\w.\-])([\w\-]{1,20}) \Z")
"""The word before a name, as in ``api key: ...``."""

_SECOND_WORDS: Final = frozenset({"key", "code", "id"})

_VALUE: Final = re.compile(
    QUOTED + r"|-?\d+(?:\.\d+)?(?=[,}\])]|$)"
    r"|[^;=\n]{0,200}(?=;)|\*\*\*|(?:\\++.?|\S)+"
)
"""Quoted, or a number, or up to a semicolon, or masked already, or up to white space that is not
escaped."""

_LINE_END: Final = r"(?:\r\n?|[\n\x85\u2028\u2029]|(?:\\{1,8}r)?\\{1,8}n|\\{1,8}r)"
_LINE: Final = rf"(?s:(?!{_LINE_END}).)*+"

_BLOCK: Final = re.compile(
    rf"[ \t]*+(?:[!&](?:(?!{_LINE_END})\S){{1,60}}[ \t]++){{0,3}}"
    rf"(?:[|>?][+\-0-9]{{0,2}}[ \t]*+(?:\#{_LINE})?{_LINE_END}{_LINE}|(?={_LINE_END}[ \t\-\r\n\\]))"
    rf"(?:{_LINE_END}(?:[ \t]++(?:-[ \t])?|-[ \t]|(?={_LINE_END})){_LINE})*+"
)
"""The indented lines or the list below a name, as YAML has them."""

_EMPTY: Final = re.compile(r"(?:none|null|nil|true|false|undefined)(?![\w.\-])", re.IGNORECASE)
"""Values that explain something, and are no secret."""

_NUMBER: Final = re.compile(r"\d{1,9}(?![\w.\-])")

_PROSE: Final = re.compile(
    r"(?:a|access|an|authentication|bad|cannot|contains|could|denied|does|empty|error|expected"
    r"|expired|failed|field|has|incorrect|invalid|is|malformed|missing|must|no|not|permission"
    r"|rejected|required|revoked|should|signature|the|too|unable|unexpected|unknown|unsupported"
    r"|value|was|wrong)(?:[.,]?\s|$)"
)
"""How a sentence goes on after ``invalid token:``."""

_BRACKETS: Final = re.compile(r"[\[{(\]})]")

_PAIR: Final = re.compile(
    r"([(\[]b?[\"']([\w.\-]{1,80})[\"'],\s{0,20})(?:" + QUOTED + r")", re.IGNORECASE
)
"""A name and its value, as lists of headers have them."""

_OBJECT: Final = re.compile(
    r"((?<![\w.\-])([\w.\-]{1,80}+)\()(?:(?:" + QUOTED + r")(?:,\s?)?)++", re.IGNORECASE
)
"""An object that is called after a secret, with what it is made of."""

_ELEMENT: Final = re.compile(r"(<([\w.:\-]{1,80}+)(?:\s[^<>]{0,200})?>)[^<]++(?=</)", re.IGNORECASE)

_OPTION: Final = re.compile(r"((?<![\w\-])--([\w\-]{1,80}+)\s{1,20})\S+")

_COLUMN: Final = re.compile(
    r"(?<![\w.\-])([\w.\-]{1,80}+)[\"']?[ ]{0,20}(?:[\t\v]|\\{1,8}t)(?:[ \t]|\\{1,8}t)*+"
)
_CELL: Final = re.compile(QUOTED + r"|(?:\\++.?|\S)+")
"""A name in a table whose columns a tab divides, and the value behind it."""


def mask_fields(text: str) -> str:
    """Return ``text`` with the values of secret fields masked, whatever the notation."""
    text = _mask_assigned(text)
    for notation in (_PAIR, _OBJECT, _ELEMENT, _OPTION):
        text = notation.sub(_mask_named, text)
    return _mask_columns(text)


def _mask_named(found: re.Match[str]) -> str:
    return f"{found[1]}{MASK}" if is_secret_name(found[2]) else found[0]


def _mask_assigned(text: str) -> str:
    parts: list[str] = []
    at = 0
    begin = 0
    while (found := _FIELD.search(text, begin)) is not None:
        begin = found.end()
        if _is_secret(text, found):
            block = _BLOCK.match(text, found.end(2)) if found[2] == ":" else None
            end = max(_end_of_value(text, begin), found.end() if block is None else block.end())
            parts += [text[at:begin], MASK if end > begin else ""]
            at = begin = end
    return "".join([*parts, text[at:]])


def _mask_columns(text: str) -> str:
    parts: list[str] = []
    at = begin = 0
    while (found := _COLUMN.search(text, begin)) is not None:
        begin = found.end()
        cell = _CELL.match(text, begin)
        if cell is not None and is_secret_name(found[1]) and not _PROSE.match(text, begin):
            parts += [text[at:begin], MASK]
            at = begin = cell.end()
    return "".join([*parts, text[at:]])


def _is_secret(text: str, found: re.Match[str]) -> bool:
    name, sign, begin = found[1], found[2], found.end()
    if name.lower() in _SECOND_WORDS:
        first = _TWO_WORDS.search(text, max(0, found.start() - 24), found.start())
        name = name if first is None else f"{first[1]} {name}"
    # In URLs and connection strings these two stand for a secret.
    is_secret = is_secret_name(name) or (sign == "=" and name.lower() in {"key", "assertion"})
    if not is_secret or _EMPTY.match(text, begin):
        return False
    if name.lower().endswith("tokens") and _NUMBER.match(text, begin):
        return False  # how many
    return not (sign == ":" and text[begin - 1 : begin].isspace() and _PROSE.match(text, begin))


def _end_of_value(text: str, begin: int) -> int:
    if text[begin : begin + 1] not in {"[", "{", "("}:
        value = _VALUE.match(text, begin)
        return begin if value is None else value.end()
    depth = 0
    for bracket in _BRACKETS.finditer(text, begin):
        depth += 1 if bracket[0] in "[{(" else -1
        if not depth:
            return bracket.end()
    return len(text)
