"""A circuit whose guarded calls somebody measures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from fastapi_hybrid_breaker.core.states import NO_VERDICT

from .circuit_object import Circuit
from .gate import Gate

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.errors import CircuitOpenError
    from fastapi_hybrid_breaker.core.states import Outcome

    from .permits import Permit


class CallObserver(Protocol):
    """Hears of the guarded calls of circuits, on their way: quick, safe from threads, never raises.

    It may be called by the collector of garbage, which can finalize a generator that holds a
    permit anywhere: also while this thread holds whatever lock the observer would take.
    """

    def settled(self, circuit: Circuit, outcome: Outcome, seconds: float | None) -> None:
        """Take the end of a call that ran; None: it was not timed from its beginning."""

    def rejected(self, circuit: Circuit, retry_after: float) -> None:
        """Take that a call was rejected; ``retry_after`` is in seconds."""

    def shadowed(self, circuit: Circuit) -> None:
        """Take that a call was let through that would have been rejected, but for shadow mode."""


class ObservedCircuit(Circuit):
    """What a circuit is while it is observed: of another class.

    So the methods of one that nobody observes ask no question about it, and cost what they cost
    before there were observers.
    """

    __slots__ = ()

    def settle(
        self,
        permit: Permit,
        outcome: Outcome,
        started: float | None = None,
        seconds: float | None = None,
        error: object = None,
        asked: float | None = None,
    ) -> None:
        """Have the observer hear of the call's end, once for each guard, and take its outcome."""
        observer, took = self._observer, seconds
        if observer is not None:
            if took is None and started is not None:
                took = self.clock() - started
            observer.settled(self, outcome, took)
        super().settle(permit, outcome, started, seconds, error, asked)

    def settle_gate(self, permit: Permit) -> None:
        """Take back the permit unobserved: the call inside was."""
        Gate.settle(self, permit, NO_VERDICT, seconds=0.0)

    def _reject(self, retry_after: float) -> Permit:
        if self._observer is not None and self.machine.shadow:
            self._observer.shadowed(self)
        return super()._reject(retry_after)

    def _rejection(self, retry_after: float) -> CircuitOpenError:
        if self._observer is not None:
            self._observer.rejected(self, retry_after)
        return super()._rejection(retry_after)


def observe(circuit: Circuit, observer: CallObserver | None, *, measured: bool) -> None:
    """Have ``observer`` hear of the circuit's calls from now on; None: nobody.

    Args:
        circuit: which one; calls that run now may end observed without having begun so.
        observer: replaces the one before.
        measured: it wants to hear of each call, and how long it took; else of rejections, and of
            those calls only that change something.
    """
    with circuit._alone():  # noqa: SLF001 - of the same family
        circuit._observer = observer  # noqa: SLF001
        circuit.machine.observed = observer is not None
        circuit.machine.measure(measured)
        circuit.__class__ = Circuit if observer is None else ObservedCircuit
