"""What the events say of one circuit: small, and the same as long as nothing happens."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fastapi_hybrid_breaker.circuits.listeners import explain
from fastapi_hybrid_breaker.core.states import CircuitState, CircuitView

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.circuits.circuit import Circuit

RECENT: Final = 600.0
"""Seconds of changes that a row carries, for a chart."""

_SAME_TIME: Final = 0.5
"""Seconds by which a time can differ from reading to reading and still be the same."""


@dataclass(frozen=True, slots=True)
class Row:
    """A circuit as an event shows it.

    Args:
        text: as JSON.
        figures: what must differ for another event.
        times: the same, with tolerance: when it may be called, when its override ends.
    """

    text: str
    figures: tuple[object, ...]
    times: tuple[float, float]

    def differs(self, other: Row | None) -> bool:
        """Return whether somebody who knows ``other`` would see anything new."""
        return (
            other is None
            or self.figures != other.figures
            or any(abs(a - b) > _SAME_TIME for a, b in zip(self.times, other.times, strict=True))
        )


def row_of(view: CircuitView, now: float) -> Row:
    """Show a circuit; ``now`` is in epoch seconds."""
    stats, override = view.stats, view.stats.override
    last = view.history[-1] if view.history else None
    until = None if override is None or override.remaining is None else now + override.remaining
    figures: dict[str, Any] = {
        "key": view.key,
        "state": stats.state,
        "ready_to_probe": stats.ready_to_probe,
        "why": "" if last is None else explain(last) or last.evidence.cause or last.cause,
        "since": None if last is None else round(last.time, 3),
        "failures": stats.failures,
        "rejected": stats.rejected,
        "calls": stats.calls,
        "failure_rate": _rounded(stats.failure_rate),
        "slow_rate": _rounded(stats.slow_rate),
        "alone": stats.alone,
        "mode": stats.mode,
        "shadowed": stats.shadowed,
        "shadowed_failures": stats.shadowed_failures,
        "version": stats.version,
    }
    said = figures | {
        "next_attempt": None if stats.next_attempt is None else round(stats.next_attempt, 1),
        "override": None
        if override is None
        else {
            "kind": override.kind,
            "by": override.by,
            "reason": override.reason,
            "until": None if until is None else round(until, 1),
        },
        "recent": _recent(view, now),
    }
    hand = None if override is None else (override.kind, override.by, override.reason)
    return Row(
        json.dumps(said, separators=(",", ":")),
        (*figures.values(), hand, stats.next_attempt is None, until is None),
        (stats.next_attempt or 0.0, until or 0.0),
    )


def is_quiet(circuit: Circuit) -> bool:
    """Return whether a circuit is such that only what ``sign_of`` gives can make its row differ."""
    core = circuit._core
    is_closed = core.machine.state is CircuitState.CLOSED and core.override.current is None
    return is_closed and not core.machine.statistics.books


def sign_of(circuit: Circuit) -> tuple[int, ...]:
    """Return what differs once something but successes has come to a quiet circuit.

    That is a call, a change, an update, another configuration, or a circuit made anew with its key.
    """
    core = circuit._core
    return (
        circuit._serial,
        core.machine.generation,
        core.membership.version,
        core.machine.failures,
        int(circuit._clock() // 60)
        if core.machine.failures
        else 0,  # old ones leave a run by themselves
        core.membership.sharing.shadow,
        circuit.rejected,
        circuit.shadowed,
        core.shadow.failures,
    )


def _recent(view: CircuitView, now: float) -> list[list[Any]]:
    """Return the changes of the last minutes, and before them the state at their beginning."""
    changes = [one for one in view.history if one.time >= now - RECENT and one.old != one.new]
    before = [[0, changes[0].old]] if changes else []
    return before + [[round(one.time, 1), one.new] for one in changes]


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 3)
