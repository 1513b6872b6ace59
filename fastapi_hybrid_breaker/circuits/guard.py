"""Guarding a block of code: ``with circuit.guard():`` and ``async with circuit.guard():``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from fastapi_hybrid_breaker.core.states import SUCCESS

from .admission import begin, rejection
from .settling import settle, settle_error

if TYPE_CHECKING:
    from types import TracebackType

    from .circuit import Circuit
    from .permits import Permit


class Guard:
    """One permit for one block of code, wherever it is entered and left.

    For ``with`` and ``async with`` alike; neither waits for anything. Entering it again while
    it is entered is an error, entering it again later takes a fresh permit.
    """

    __slots__ = ("_circuit", "_permit")

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self._permit: Permit | None = None

    def __enter__(self) -> Self:
        if self._permit is not None:
            raise RuntimeError(f"this guard of circuit {self._circuit.key!r} is entered already")
        circuit = self._circuit
        core = circuit._core
        permit: Permit | None = core.free_permit
        if permit is None:
            now = circuit._clock()
            if (wait := core.reject_until - now) > 0.0:
                raise rejection(circuit, wait)
            permit = begin(circuit, now)
        self._permit = permit
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        permit, self._permit = self._permit, None
        if permit is None:
            raise RuntimeError(f"this guard of circuit {self._circuit.key!r} is not entered")
        if error is not None:
            settle_error(self._circuit, permit, error)
        else:
            circuit = self._circuit
            if circuit._core.counts_successes or circuit._guarded_by_route:
                settle(circuit, permit, SUCCESS)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)
