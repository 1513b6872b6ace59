"""Which functions of the package are entered on the way of something, in their order."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import fastapi_hybrid_breaker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import FrameType

_ROOT = Path(fastapi_hybrid_breaker.__file__).parent


async def way_of(do: Callable[[], Awaitable[object]]) -> list[tuple[str, str]]:
    """Return file and function of each one that is entered while ``do`` is awaited, each once."""
    entered: dict[tuple[str, str], None] = {}

    def note(frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(_ROOT):
            entered[str(path.relative_to(_ROOT)), frame.f_code.co_qualname] = None

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        await do()
    finally:
        sys.setprofile(before)
    return list(entered)
