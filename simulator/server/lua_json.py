"""JSON as scripts have it: the ``cjson`` library of a server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import lupa.lua51

if TYPE_CHECKING:
    from collections.abc import Callable

_kind: Final = lupa.lua51.lua_type


class _Null:
    """What a JSON null is in a script: neither nil nor false."""


NULL: Final = _Null()


def decode(text: Any, table: Callable[[Any], Any]) -> Any:
    """Read JSON; ``table`` makes a table of a list or a dictionary.

    Raises:
        ValueError: it is none.
    """
    return _in(json.loads(text), table)


def _in(value: Any, table: Callable[[Any], Any]) -> Any:
    if value is None:
        return NULL
    if isinstance(value, list):
        return table([_in(one, table) for one in value])
    if isinstance(value, dict):
        return table({name: _in(one, table) for name, one in value.items()})
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)  # a script has no other numbers
    return value


def encode(value: Any) -> str:
    """Write JSON: numbers with 14 digits, slashes escaped, an empty table as an object."""
    if value is None or value is NULL:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:.14g}"
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
        return text.replace("/", "\\/").replace("\x7f", "\\u007f")
    if _kind(value) != "table":
        raise TypeError(f"cannot encode a {_kind(value)}")
    items = dict(value.items())
    if items and all(isinstance(name, int) and name > 0 for name in items):
        return f"[{','.join(encode(items.get(at)) for at in range(1, max(items) + 1))}]"
    return f"{{{','.join(f'{encode(str(name))}:{encode(one)}' for name, one in items.items())}}}"
