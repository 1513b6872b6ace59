"""What the calls of one circuit mean for it, by what they raised or returned."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from fastapi_hybrid_breaker.core.outcomes import (
    Classifier,
    PredicateError,
    classifier_of,
    judge_result,
)
from fastapi_hybrid_breaker.core.states import FAILURE, NOT_COUNTED
from fastapi_hybrid_breaker.core.translated import rejection_by
from fastapi_hybrid_breaker.throttled_log import ThrottledLog

from .callables import explain_misuse
from .counted import MARKS, counted_as, is_marked, running_in
from .permits import admitted_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi_hybrid_breaker.core.circuit_core import CircuitCore
    from fastapi_hybrid_breaker.core.errors import CircuitOpenError
    from fastapi_hybrid_breaker.core.states import Outcome

    from .permits import Permit


_serial = count(1)


class Judge:
    """Decides whether a call was a failure, a success, or is not counted.

    Where a function of the user's raises, the call is not counted, and that is logged.
    """

    __slots__ = ("_clock", "_core", "_faults", "_key", "classifier", "serial")

    def __init__(self, key: str, core: CircuitCore, clock: Callable[[], float]) -> None:
        self._key = key
        self._core = core
        self._clock = clock
        self._faults: dict[str, ThrottledLog] | None = None  # of the user's functions, by name
        self.classifier: Classifier = classifier_of(core.config)
        self.serial: int = next(_serial)  # on the marks of errors, for keys can be used again

    def judge_error(self, error: BaseException, permit: Permit, fn: object) -> Outcome:
        """Return what an exception means that left the call of ``fn``."""
        try:
            if (
                type(error) in self.classifier.plain
                and error.__context__ is None
                and error.__cause__ is None
                and MARKS not in error.__dict__
            ):
                return FAILURE
        except Exception:  # noqa: BLE001, S110 - a property of a stranger's class
            pass  # then it gets the closer look below
        try:
            if isinstance(error, TypeError) and explain_misuse(error, fn):
                return NOT_COUNTED
            return self.classifier.judge(error, lambda one: self._is_counted(one, permit))
        except PredicateError as fault:
            return self._note_fault(fault)
        except Exception:  # noqa: BLE001 - as above, or its metaclass; the caller gets its error
            return FAILURE if issubclass(type(error), Exception) else NOT_COUNTED

    def find_own_rejection(self, error: BaseException) -> CircuitOpenError | None:
        """Return the rejection by this very circuit that led to ``error``, or None."""
        try:
            return rejection_by(self._key, error)
        except Exception:  # noqa: BLE001 - see judge_error
            return None

    def judge_result(self, result: object) -> Outcome:
        """Return what a returned value means."""
        try:
            return judge_result(self._core.config, result)
        except PredicateError as fault:
            return self._note_fault(fault)

    def _is_counted(self, error: BaseException, permit: Permit) -> bool:
        """Return whether ``error`` is that of a call inside this one, and was counted for it."""
        if not is_marked(error):
            return False
        serial, admitted = self.serial, admitted_at(permit)
        # The number matters: an object that a later call raises again is a new failure.
        return (
            counted_as(error, serial, running_in()) > admitted
            or counted_as(error, serial, id(permit)) > admitted
        )

    def _note_fault(self, fault: PredicateError) -> Outcome:
        if self._faults is None:
            self._faults = {}
        name = str(fault)
        if name not in self._faults:
            self._faults[name] = ThrottledLog(self._clock, f"circuit {self._key}: ")
        self._faults[name].fail(f"{name} raised, so the call is not counted", fault)
        return NOT_COUNTED
