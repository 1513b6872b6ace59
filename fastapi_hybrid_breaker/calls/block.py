"""Guarding a block of code: ``with circuit.guard():`` and its short form ``with circuit:``."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Self

from fastapi_hybrid_breaker.core.errors import WrongContextError

from .context import enter_share, leave_share
from .permits import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from .circuit_object import Circuit
    from .permits import Permit


class Block:
    """One permit for one block of code, wherever it is entered and left.

    For ``with`` and ``async with`` alike; neither waits for anything. Entering it again while
    it is entered is an error, entering it again later takes a fresh permit.
    """

    __slots__ = ("circuit", "held")

    # No constructor: calling one costs a tenth of all that a block does. ``Circuit.guard`` sets
    # them.
    circuit: Circuit
    held: Permit | _Around | None

    def __enter__(self) -> Self:
        if self.held is not None:
            raise RuntimeError(f"this guard of circuit {self.circuit.key!r} is entered already")
        circuit = self.circuit
        permit = circuit.machine.ticket
        if permit is None:
            permit = circuit.machine.timed_ticket
        self._begin(circuit.enter() if permit is None else permit)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        held, self.held = self.held, None
        if held is None:
            raise RuntimeError(f"this guard of circuit {self.circuit.key!r} is not entered")
        permit, started = held.leave() if isinstance(held, _Around) else (held, None)
        if error is not None:
            self._fail(permit, error, started)
        elif self.circuit.machine.attentive:  # a healthy circuit looks at failures only
            self._succeed(permit, started)

    # The two for ``async with`` are written out for a circuit that admits without a question:
    # a call of the others would cost as much as all that they do.

    async def __aenter__(self) -> Self:
        permit = self.circuit.machine.ticket
        if permit is None or self.held is not None:
            return self.__enter__()
        self.held = permit
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None and type(self.held) is int and not self.circuit.machine.attentive:
            self.held = None
        else:
            self.__exit__(kind, error, traceback)

    def _succeed(self, permit: Permit, started: float | None) -> None:
        self.circuit.settle_success(permit, started)

    def _fail(self, permit: Permit, error: BaseException, started: float | None) -> None:
        self.circuit.settle_error(permit, error, started=started)

    def _begin(self, permit: Permit) -> None:
        machine = self.circuit.machine
        is_plain = not machine.timed and machine.ramp is None
        self.held = permit if is_plain else _Around(self.circuit, permit)


class _Around:
    """The permit of a block that is timed, or is one of a share of the calls."""

    __slots__ = ("_permit", "_share", "_started")

    def __init__(self, circuit: Circuit, permit: Permit) -> None:
        self._permit = permit
        self._started = circuit.start_time()
        ramp = circuit.machine.ramp
        self._share = None if ramp is None else enter_share(circuit.machine)

    def leave(self) -> tuple[Permit, float | None]:
        """End it; gives the permit, and when the block began, where that is of interest."""
        if self._share is not None:
            leave_share(self._share)
        return self._permit, self._started


class HeldBlock(Block):
    """A block around one call of ``fn`` that has its permit already, and may note its result."""

    __slots__ = ("_fn", "result")

    def __init__(self, circuit: Circuit, permit: Permit, fn: Callable[..., object]) -> None:
        self.circuit = circuit
        self.held = None
        self._fn = fn
        self.result: object = UNKNOWN
        self._begin(permit)

    def __enter__(self) -> Self:
        return self

    def _succeed(self, permit: Permit, started: float | None) -> None:
        self.circuit.settle_result(permit, self.result, started)

    def _fail(self, permit: Permit, error: BaseException, started: float | None) -> None:
        self.circuit.settle_error(permit, error, self._fn, started)


_Entered = tuple["Circuit", Block, object]

# The short form has no object of its own per use, so the blocks it enters wait here for their
# exit: per context, innermost last, each with the task or thread it belongs to (a task started
# inside the block sees a copy of this list, and must not leave what it did not enter).
_entered: ContextVar[tuple[_Entered, ...]] = ContextVar("hybrid_breaker_entered", default=())


def enter_short(circuit: Circuit) -> None:
    """Enter ``with circuit:``."""
    block = circuit.guard()
    block.__enter__()
    _entered.set((*_entered.get(), (circuit, block, _owner())))


def leave_short(circuit: Circuit, error: BaseException | None) -> None:
    """Leave ``with circuit:``.

    Raises:
        WrongContextError: the block was entered in another task, thread or context.
    """
    entered = _entered.get()
    for at in range(len(entered) - 1, -1, -1):
        holder, block, owner = entered[at]
        if holder is circuit and owner is _owner():
            _entered.set(entered[:at] + entered[at + 1 :])
            block.__exit__(None if error is None else type(error), error, None)
            return
    raise WrongContextError(
        f"'with' on circuit {circuit.key!r} is left in another task, thread or context than it"
        " was entered in, so its outcome does not count; use 'with circuit.guard():' there"
    ) from error


def _owner() -> object:
    """Give the running task, or outside of one the thread."""
    try:
        return asyncio.current_task() or threading.current_thread()
    except RuntimeError:  # no event loop runs in this thread
        return threading.current_thread()
