"""What an instance has reported of one circuit and waits for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.shared_run import Report


@dataclass(slots=True)
class PendingReport:
    """A report under way: repeated as it is until it is answered."""

    number: int
    report: Report
    basic: tuple[int, float] | None


@dataclass(slots=True)
class Suspect:
    """A run that is long enough to open a circuit; ``since``: when its first failure was."""

    since: float
    was_looked_at: bool = False
