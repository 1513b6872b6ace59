"""The Lua scripts, as they are sent to the server."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Script:
    """A script's text and the digest by which the server knows it once loaded."""

    text: str
    sha: str


@cache
def load(name: str) -> Script:
    """Read the script ``name`` that lies beside this file."""
    text = files(__name__).joinpath(name).read_text(encoding="utf-8")
    # The digest is the server's name for a script (EVALSHA), no protection of anything.
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
