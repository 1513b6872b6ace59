"""The Lua scripts, as they are sent to the server."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

_SHARED: Final = ("values.lua", "common.lua")

_PARTS: Final = {
    "circuit.lua": (*_SHARED, "circuit_stored.lua", "circuit_written.lua", "circuit.lua"),
    "evidence.lua": (*_SHARED, "evidence.lua"),
    "lease.lua": (*_SHARED, "lease.lua"),
    "heartbeat.lua": ("values.lua", "heartbeat.lua"),
}
"""The files that each script is put together of: a script cannot load another."""

NAMES: Final = tuple(_PARTS)


@dataclass(frozen=True, slots=True)
class Script:
    """A script's text and the digest by which the server knows it once loaded."""

    text: str
    sha: str

    def command(self, keys: tuple[str, ...], *arguments: str | int) -> tuple[str | int, ...]:
        """Return the command that runs it on ``keys``, all of one slot of a cluster.

        Sent as a plain command: a cluster's client has no ``evalsha`` for pipelines.
        """
        return ("EVALSHA", self.sha, len(keys), *keys, *arguments)


def parts_of(name: str) -> tuple[str, ...]:
    """Return the names of the files that the script ``name`` is put together of."""
    return _PARTS[name]


@cache
def load(name: str) -> Script:
    """Read the script ``name``, whose parts lie beside this file."""
    folder = files(__name__)
    text = "\n".join(folder.joinpath(part).read_text(encoding="utf-8") for part in _PARTS[name])
    # The digest is the server's name for a script (EVALSHA), no protection of anything.
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


@cache
def by_sha(sha: str) -> Script:
    """Return the script with this digest."""
    return next(script for script in map(load, NAMES) if script.sha == sha)
