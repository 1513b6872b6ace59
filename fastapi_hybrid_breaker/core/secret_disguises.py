"""What keeps a text from being read as what it shows: taken out before secrets are looked for.

Pure. No expression here looks at the same characters again and again, see ``redaction``.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

_ESCAPED_BYTES: Final = re.compile(r"(?:\\{1,8}x[0-9A-Fa-f]{2})++")
_BYTE: Final = re.compile(r"x(..)")
_ESCAPED: Final = re.compile(r"\\{1,8}(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))")

_SPECIAL: Final = re.compile(r"[^\t-\r -~]")
_COLOR: Final = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")

_WHITE: Final = frozenset("\t\n\v\f\r")
_BLANK: Final = frozenset("\u034f\u115f\u1160\u2800\u3164\uffa0\ufe0e\ufe0f")
"""Characters that show nothing, although their categories are of some that do."""


_LONGEST_FORM: Final = 3
"""Characters of a plain form: of what stands for a whole sentence the text would grow too long."""


def without_disguise(text: str) -> str:
    """Return ``text`` as it reads: without what cannot be seen, in the plain form of each letter.

    Characters that stand there as escapes, as in what ``repr`` and JSON write, are taken for what
    they stand for.
    """
    if "\\" in text:
        text = _ESCAPED_BYTES.sub(_decoded, text)
        text = _ESCAPED.sub(_character, text)
    if not _SPECIAL.search(text):
        return text
    return "".join(map(_shown, _COLOR.sub("", text)))


@lru_cache(maxsize=1024)
def _shown(char: str) -> str:
    """Return the plain form of a character; nothing for one that cannot be seen."""
    if char in _BLANK or (char not in _WHITE and unicodedata.category(char) in {"Cc", "Cf"}):
        return ""
    plain = unicodedata.normalize("NFKC", char)
    return plain if len(plain) <= _LONGEST_FORM else char


def _decoded(found: re.Match[str]) -> str:
    data = bytes.fromhex("".join(_BYTE.findall(found[0])))
    try:
        return data.decode()
    except UnicodeDecodeError:  # an escape of a text, and not of bytes
        return data.decode("latin-1")


def _character(found: re.Match[str]) -> str:
    code = int(found[1] or found[2], 16)
    return chr(code) if code <= 0x10FFFF else found[0]
