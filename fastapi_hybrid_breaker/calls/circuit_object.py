"""``Circuit``: one named breaker, and the ways to run a call under it."""

from __future__ import annotations

import inspect
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, overload

from fastapi_hybrid_breaker.core.errors import CircuitOpenError
from fastapi_hybrid_breaker.core.machine import RETRY_WHILE_PROBING, Probe
from fastapi_hybrid_breaker.core.outcomes import judge, mark_counted
from fastapi_hybrid_breaker.core.states import CircuitState, Outcome

from .block import Block, HeldBlock, enter_short, leave_short
from .context import current_request, enclosing_probe
from .decorator import decorate
from .locked import LockedMachine
from .permits import NOT_CALLED, Borrowed, Permit, find_misuse, refuse_coroutine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from types import TracebackType

    from .hub import ResetReach

P = ParamSpec("P")
T = TypeVar("T")


class Circuit(LockedMachine):
    """One named breaker. Made by ``HybridBreaker.circuit``; safe from threads and tasks.

    ``call`` and ``call_sync`` are written out in full although ``admit`` and ``settle`` say the
    same: each Python call they save is a good part of what a guarded call costs.
    """

    __slots__ = ("__weakref__",)

    # -- running a call ---------------------------------------------------------------------

    async def call(self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Await ``fn(*args, **kwargs)`` under this circuit.

        Raises:
            CircuitOpenError: rejected; ``fn`` was not called.
            TypeError: ``fn`` gave nothing to await (no verdict): use ``call_sync`` for it.
        """
        machine = self.machine
        permit = machine.ticket
        if permit is None:
            return await self.call_inside(self.admit(), fn, args, kwargs)
        awaitable: Any = NOT_CALLED
        try:
            awaitable = fn(*args, **kwargs)
            result: T = await awaitable
        except BaseException as error:
            self.settle_error(permit, error, awaitable, fn)
            raise
        if machine.attentive:
            self.settle(permit, Outcome.SUCCESS)
        return result

    def call_sync(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``fn(*args, **kwargs)`` under this circuit, in this thread.

        Raises:
            CircuitOpenError: rejected; ``fn`` was not called.
            TypeError: ``fn`` is asynchronous (no verdict): use ``call`` for it.
        """
        machine = self.machine
        permit = machine.ticket
        if permit is None:
            with HeldBlock(self, self.admit(), fn):
                return refuse_coroutine(fn(*args, **kwargs), fn)
        try:
            result = fn(*args, **kwargs)
            if type(result) is CoroutineType:
                refuse_coroutine(result, fn)
        except BaseException as error:
            self.settle_error(permit, error, NOT_CALLED, fn)
            raise
        if machine.attentive:
            self.settle(permit, Outcome.SUCCESS)
        return result

    @overload
    async def execute(
        self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T: ...
    @overload
    async def execute(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    async def execute(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call ``fn`` under this circuit, and await what it gives if that can be awaited.

        A sync callable runs in place and blocks the event loop as long as it runs.

        Raises:
            CircuitOpenError: rejected; ``fn`` was not called.
        """
        machine = self.machine
        permit = machine.ticket
        if permit is None:
            with HeldBlock(self, self.admit(), fn):
                result: Any = fn(*args, **kwargs)
                return await result if inspect.isawaitable(result) else result
        try:
            result = fn(*args, **kwargs)
            if type(result) is CoroutineType or inspect.isawaitable(result):
                result = await result
        except BaseException as error:
            self.settle_error(permit, error, NOT_CALLED, fn)
            raise
        if machine.attentive:
            self.settle(permit, Outcome.SUCCESS)
        return result

    def guard(self) -> Block:
        """Give a fresh permit for a block: ``with circuit.guard():`` or ``async with``.

        Entering raises ``CircuitOpenError`` when the call is rejected. The block may be entered
        in one task or thread and left in another.
        """
        return Block(self)

    @overload
    def __call__(
        self, fn: Callable[P, Coroutine[Any, Any, T]], /
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __call__(self, fn: Callable[P, T], /) -> Callable[P, T]: ...
    def __call__(self, fn: Callable[..., Any], /) -> Callable[..., Any]:
        """Decorate ``fn``: every call of it is guarded. Signature and nature stay as they are.

        Raises:
            TypeError: ``fn`` is a generator function: calling one runs nothing yet.
        """
        return decorate(self, fn)

    def __enter__(self) -> Self:
        enter_short(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        leave_short(self, error)

    async def __aenter__(self) -> Self:
        enter_short(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        leave_short(self, error)

    async def reset(self) -> ResetReach:
        """Close the circuit and empty its counts, here at once and in the whole fleet.

        Waits for Redis for one second at most. Returns ``"fleet"`` when the fleet has it,
        ``"queued"`` when it is sent as soon as Redis answers, ``"local"`` without a fleet.
        """
        return await self._hub.reset(self.key)

    # -- the two halves of a guarded call, for adapters ---------------------------------------

    def admit(self) -> Permit:
        """Give a permit; each must come back to ``settle`` or ``settle_error``.

        Raises:
            CircuitOpenError: no permit is to be had now.
        """
        machine = self.machine
        if (ticket := machine.ticket) is not None:
            return ticket
        now = self._hub.clock()
        # Read without the lock: at worst a rejection that was due a moment ago.
        if machine.state is CircuitState.OPEN and (wait := machine.deadline - now) > 0:
            raise self._rejection(wait)
        if probe := enclosing_probe(machine):
            return Borrowed(probe)
        with self._lock:
            permit, change = machine.admit(now)
            wait = machine.retry_after(now)
        if change is not None:
            self._hub.changed(self, change)
        if permit is None:
            raise self._rejection(wait or RETRY_WHILE_PROBING)
        return permit

    def settle(self, permit: Permit, outcome: Outcome) -> None:
        """Take the outcome of the call that ``permit`` admitted, once for each call.

        A second one for a probe changes nothing; other permits cannot tell.
        """
        machine = self.machine
        if outcome is not Outcome.NO_VERDICT:
            if machine.watched and (request := current_request()):
                request.note_verdict(machine)
                if outcome is Outcome.SUCCESS and permit.__class__ is int and not machine.failures:
                    return  # a success that changes nothing
        elif not isinstance(permit, Probe):
            return
        if isinstance(permit, Borrowed):
            permit = permit.probe
        with self._lock:
            change = machine.settle(permit, outcome, self._hub.clock())
        if change is not None:
            self._hub.changed(self, change)

    def settle_error(
        self,
        permit: Permit,
        error: BaseException,
        awaited: object = NOT_CALLED,
        fn: object = NOT_CALLED,
    ) -> None:
        """Take an exception as the outcome of the call that ``permit`` admitted.

        ``fn`` is what was to be called, and ``awaited`` what it gave to be awaited, where this
        circuit called it.

        Raises:
            TypeError: ``fn`` was given in a way that cannot work, a sync callable to ``call``.
        """
        machine = self.machine
        if isinstance(error, TypeError) and fn is not NOT_CALLED:
            misuse = find_misuse(fn, awaited)
            if misuse is not None:
                self.settle(permit, Outcome.NO_VERDICT)
                raise misuse from None
        ticket = permit.probe if isinstance(permit, Borrowed) else permit
        admitted = ticket.admitted if isinstance(ticket, Probe) else ticket
        outcome = judge(machine.config, error, circuit=machine.serial, admitted=admitted)
        self.settle(permit, outcome)
        if outcome is Outcome.FAILURE:
            mark_counted(error, circuit=machine.serial, sequence=machine.sequence)

    async def call_inside(
        self,
        permit: Permit,
        fn: Callable[..., Awaitable[T]],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> T:
        """Run an admitted call so that what nests in it knows its probe."""
        with HeldBlock(self, permit, fn) as block:
            awaitable = block.awaited = fn(*args, **kwargs)
            return await awaitable

    def _rejection(self, retry_after: float) -> CircuitOpenError:
        self.rejected += 1
        if self._hub.has_routes and (request := current_request()):
            request.note_rejection()
        return CircuitOpenError(self.machine.key, retry_after)
