"""What is measured of the calls on the circuits of one label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastapi_hybrid_breaker.core.states import Outcome

from . import names
from .spans import tell_rejection

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.circuits.circuit import Circuit

    from .careful import Careful
    from .instruments import Instruments

OUTCOMES: Final = {
    Outcome.SUCCESS: "success",
    Outcome.FAILURE: "failure",
    Outcome.NOT_COUNTED: "no_verdict",
}


class Series:
    """Hears of the calls of its circuits; holds none of them.

    Args:
        instruments: where to measure.
        put: who hands it on.
        attributes: what distinguishes this label's series.
    """

    __slots__ = ("_attributes", "_by_outcome", "_instruments", "_put")

    def __init__(self, instruments: Instruments, put: Careful, attributes: dict[str, str]) -> None:
        self._instruments = instruments
        self._put = put
        self._attributes = attributes
        self._by_outcome = {
            outcome: {**attributes, names.OUTCOME: name} for outcome, name in OUTCOMES.items()
        }

    def settled(self, circuit: Circuit, outcome: Outcome, seconds: float | None) -> None:
        """Count a call that ran."""
        self._put(
            self._count, circuit._core.machine.statistics.slow, self._by_outcome[outcome], seconds
        )

    def rejected(self, circuit: Circuit, retry_after: float) -> None:
        """Count a rejection, and add it to the span it was in."""
        self._put(self._instruments.rejections.add, 1, self._attributes)
        self._put(tell_rejection, circuit.key, retry_after)

    def shadowed(self, circuit: Circuit) -> None:  # noqa: ARG002 - an observer's
        """Count what would have been a rejection."""
        self._put(self._instruments.shadow_rejections.add, 1, self._attributes)

    def shadow_failed(self, circuit: Circuit) -> None:  # noqa: ARG002 - an observer's
        """Count a failure that a rejection would have spared the caller."""
        self._put(self._instruments.shadow_failures.add, 1, self._attributes)

    def _count(
        self, slower_than: float | None, attributes: dict[str, str], seconds: float | None
    ) -> None:
        self._instruments.calls.add(1, attributes)
        if seconds is None:
            return
        self._instruments.duration.record(seconds, attributes)
        if slower_than is not None and seconds > slower_than:
            self._instruments.slow_calls.add(1, self._attributes)
