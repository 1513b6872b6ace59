"""All commands by their name; the server does not know any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from .hashes import HASHES
from .sorted_sets import SORTED_SETS
from .strings import STRINGS

Command: TypeAlias = Callable[..., Any]
"""Receives the data and the command's arguments, returns the answer or raises RefusedError."""

COMMANDS: Mapping[str, Command] = {**STRINGS, **HASHES, **SORTED_SETS}
