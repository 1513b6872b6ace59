"""How much is done in one turn of the event loop: what others have to wait for, without a clock."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest


class Turns:
    """Counts the turns of the running loop, and what is done in each of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._done: Counter[tuple[int, str]] = Counter()
        self.number = 0
        loop: Any = asyncio.get_running_loop()
        run_once = loop._run_once

        def counted() -> None:
            self.number += 1
            run_once()

        monkeypatch.setattr(loop, "_run_once", counted, raising=False)

    def count(self, owner: Any, name: str, times: str = "") -> None:
        """Count the calls of a function or method; ``times``: as what, else by its name."""
        original = getattr(owner, name)

        @wraps(original)
        def counted(*args: Any, **kwargs: Any) -> Any:
            self._done[self.number, times or name] += 1
            return original(*args, **kwargs)

        self._monkeypatch.setattr(owner, name, counted)

    def total(self, what: str) -> int:
        """Return how often it was done in all."""
        return sum(times for (_, one), times in self._done.items() if one == what)

    def most(self, what: str) -> int:
        """Return how often it was done in one turn, at most."""
        return max((times for (_, one), times in self._done.items() if one == what), default=0)

    def clear(self) -> None:
        """Begin to count anew."""
        self._done.clear()
