"""``Circuit``: one named breaker, and the ways to run a call under it."""

from __future__ import annotations

import inspect
import logging
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, overload

from fastapi_hybrid_breaker.core.checks import check_text
from fastapi_hybrid_breaker.core.cycle import RETRY_WHILE_PROBING
from fastapi_hybrid_breaker.core.errors import CircuitOpenError
from fastapi_hybrid_breaker.core.evidence import describe_error
from fastapi_hybrid_breaker.core.outcomes import PredicateError, judge, judge_result, mark_counted
from fastapi_hybrid_breaker.core.override import OverrideKind, make_override
from fastapi_hybrid_breaker.core.probe import UNCOUNTED, Probe
from fastapi_hybrid_breaker.core.states import CircuitState, Outcome

from .block import Block, HeldBlock, enter_short, leave_short
from .context import current_request, enclosing_probe
from .decorator import decorate
from .locked import LockedMachine
from .permits import NOT_CALLED, Borrowed, Permit, find_misuse, refuse_coroutine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from types import TracebackType

    from .hub import Reach

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger("fastapi_hybrid_breaker")


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
        started = None
        if permit is None:
            permit = machine.timed_ticket
            if permit is None:
                return await self.call_inside(self.admit(), fn, args, kwargs)
            started = self._hub.clock()
        awaitable: Any = machine  # stands for: not called yet
        try:
            awaitable = fn(*args, **kwargs)
            result: T = await awaitable
        except BaseException as error:
            awaited = NOT_CALLED if awaitable is machine else awaitable
            self.settle_error(permit, error, awaited, fn, started)
            raise
        if machine.attentive:
            self.settle_result(permit, result, started)
        return result

    def call_sync(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``fn(*args, **kwargs)`` under this circuit, in this thread.

        Raises:
            CircuitOpenError: rejected; ``fn`` was not called.
            TypeError: ``fn`` is asynchronous (no verdict): use ``call`` for it.
        """
        machine = self.machine
        permit = machine.ticket
        started = None
        if permit is None:
            permit = machine.timed_ticket
            if permit is None:
                with HeldBlock(self, self.admit(), fn) as block:
                    result = block.result = refuse_coroutine(fn(*args, **kwargs), fn)
                    return result
            started = self._hub.clock()
        try:
            result = fn(*args, **kwargs)
            if type(result) is CoroutineType:
                refuse_coroutine(result, fn)
        except BaseException as error:
            self.settle_error(permit, error, NOT_CALLED, fn, started)
            raise
        if machine.attentive:
            self.settle_result(permit, result, started)
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
        started = None
        if permit is None:
            permit = machine.timed_ticket
            if permit is None:
                with HeldBlock(self, self.admit(), fn) as block:
                    result: Any = fn(*args, **kwargs)
                    if inspect.isawaitable(result):
                        result = await result
                    block.result = result
                    return result
            started = self._hub.clock()
        try:
            result = fn(*args, **kwargs)
            if type(result) is CoroutineType or inspect.isawaitable(result):
                result = await result
        except BaseException as error:
            self.settle_error(permit, error, NOT_CALLED, fn, started)
            raise
        if machine.attentive:
            self.settle_result(permit, result, started)
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

    async def reset(self) -> Reach:
        """Close the circuit and empty its counts, here at once and in the whole fleet.

        Waits for Redis for one second at most. Returns ``"fleet"`` when the fleet has it,
        ``"queued"`` when it is sent as soon as Redis answers, ``"local"`` without a fleet.
        """
        return await self._hub.reset(self.key)

    async def override(
        self, kind: OverrideKind | str, *, by: str, reason: str, seconds: float | None
    ) -> Reach:
        """Set an operator's override, here at once and in the whole fleet.

        It stands above whatever the circuit decides by itself, which goes on below it. An
        override set later replaces it.

        Args:
            kind: ``"forced_open"``: everything is rejected; ``"disabled"``: everything is
                admitted, and nothing counted.
            by: who sets it, 1 to 200 characters.
            reason: what for, 1 to 200 characters.
            seconds: how long it lasts, above 0, at most 31,622,400 (366 days); None, said
                aloud: until it is cleared.

        Raises:
            TypeError, ValueError: a value of another type or range.
        """
        override = make_override(kind, by=by, reason=reason, seconds=seconds, now=self._hub.clock())
        return await self._hub.put(self.key, override, override.by)

    async def clear_override(self, *, by: str = "") -> Reach:
        """End the override, here at once and in the whole fleet; harmless without one.

        Args:
            by: who ends it, at most 200 characters.

        Raises:
            TypeError, ValueError: a value of another type or range.
        """
        return await self._hub.put(self.key, None, check_text("by", by, least=0))

    # -- the two halves of a guarded call, for adapters ---------------------------------------

    def admit(self) -> Permit:  # noqa: C901 - every way to be admitted or not, in their order
        """Give a permit; each must come back to ``settle`` or one of its kin.

        Raises:
            CircuitOpenError: no permit is to be had now.
        """
        machine = self.machine
        if (ticket := machine.ticket) is not None:
            return ticket
        if (ticket := machine.timed_ticket) is not None:
            return ticket
        now = self._hub.clock()
        if machine.override is not None:
            if (decided := self._admit_overridden(now)) is not None:
                return decided
        # Read without the lock: at worst a rejection that was due a moment ago.
        elif machine.state is CircuitState.OPEN and (wait := machine.deadline - now) > 0:
            return self._reject(wait)
        if probe := enclosing_probe(machine, now):
            return Borrowed(probe)
        with self._lock:
            before, self._inside = self._inside, True
            try:
                permit, change = machine.admit(now)
                wait = machine.retry_after(now)
            finally:
                self._inside = before
        if change is not None:
            try:
                self._tell(change)
            except BaseException:  # a listener ends the program: the permit reaches nobody
                if permit is not None:
                    self.settle(permit, Outcome.NO_VERDICT)
                raise
        if self._postponed:
            self._settle_postponed()
        return self._reject(wait or RETRY_WHILE_PROBING) if permit is None else permit

    def start_time(self) -> float | None:
        """Give the time if this circuit wants to know how long calls take."""
        return self._hub.clock() if self.machine.timed else None

    def settle(  # noqa: C901 - in one Python call, each costs as much as the rest
        self,
        permit: Permit,
        outcome: Outcome,
        *,
        started: float | None = None,
        seconds: float | None = None,
        error: object = None,
        asked: float | None = None,
    ) -> None:
        """Take the outcome of the call that ``permit`` admitted, once for each call.

        A second one for a probe changes nothing; other permits cannot tell.

        Args:
            permit: what ``admit`` gave.
            outcome: what the call says of its dependency.
            started: what ``start_time`` gave.
            seconds: how long the call took, where that is not the time since ``started``.
            error: an exception or a text, to explain an opening; not kept.
            asked: the open time that the dependency asks for, in seconds, or None.
        """
        machine = self.machine
        if outcome is Outcome.NO_VERDICT:
            if isinstance(permit, Borrowed) or not (machine.timed or isinstance(permit, Probe)):
                return
        else:
            if machine.watched and (request := current_request()):
                request.note_verdict(machine)
            counts = machine.failures or machine.meter.books
            if outcome is Outcome.SUCCESS and permit.__class__ is int and not counts:
                return  # a success that changes nothing
        if isinstance(permit, Borrowed):
            permit = permit.probe
        now = self._hub.clock()
        if seconds is None and machine.timed:
            if isinstance(permit, Probe):
                started = permit.started
            seconds = None if started is None else now - started
        with self._lock:
            if self._inside:
                about = {"seconds": seconds, "error": describe_error(error), "asked": asked}
                self._postpone(permit, outcome, about)
                return
            self._inside = True
            try:
                change = machine.settle(
                    permit, outcome, now, seconds=seconds, error=error, asked=asked
                )
            finally:
                self._inside = False
        if change is not None:
            self._tell(change)
        if self._postponed:
            self._settle_postponed()

    def settle_result(self, permit: Permit, result: object, started: float | None) -> None:
        """Take a returned value as the outcome of the call that ``permit`` admitted."""
        if self.machine.config.failure_result is None:
            self.settle(permit, Outcome.SUCCESS, started=started)
            return
        try:
            outcome = judge_result(self.machine.config, result)
        except PredicateError as fault:
            self._note_fault(fault)
            outcome = Outcome.NO_VERDICT
        error = "the returned value" if outcome is Outcome.FAILURE else None
        self.settle(permit, outcome, started=started, error=error)

    def settle_error(
        self,
        permit: Permit,
        error: BaseException,
        awaited: object = NOT_CALLED,
        fn: object = NOT_CALLED,
        started: float | None = None,
        seconds: float | None = None,
    ) -> None:
        """Take an exception as the outcome of the call that ``permit`` admitted.

        ``fn`` is what was to be called, and ``awaited`` what it gave to be awaited, where this
        circuit called it.

        Raises:
            TypeError: ``fn`` was given in a way that cannot work, a sync callable to ``call``.
        """
        machine = self.machine
        if fn is not NOT_CALLED and type(error) is TypeError:
            misuse = find_misuse(fn, awaited)
            if misuse is not None:
                self.settle(permit, Outcome.NO_VERDICT)
                raise misuse from None
        ticket = permit.probe if isinstance(permit, Borrowed) else permit
        admitted = ticket.admitted if isinstance(ticket, Probe) else ticket
        try:
            outcome = judge(machine.config, error, circuit=machine.serial, admitted=admitted)
        except PredicateError as fault:
            self._note_fault(fault)
            outcome = Outcome.NO_VERDICT
        self.settle(permit, outcome, started=started, seconds=seconds, error=error)
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
            result: T = await awaitable
            block.result = result
            return result

    def _admit_overridden(self, now: float) -> Permit | None:
        """Decide by the override; None: its time is up, and the circuit decides."""
        machine = self.machine
        with self._alone():
            change = machine.lift(now)
            override = machine.override
            wait = machine.retry_after(now)
        self._tell(change)
        if override is None:
            return machine.timed_ticket if machine.timed else machine.ticket
        if override.kind is OverrideKind.DISABLED:
            return UNCOUNTED
        raise self._rejection(wait or RETRY_WHILE_PROBING)

    def _reject(self, retry_after: float) -> Permit:
        """Raise, or in shadow mode let the call through, uncounted."""
        if self.machine.shadow:
            self.shadowed += 1
            return UNCOUNTED
        raise self._rejection(retry_after)

    def _rejection(self, retry_after: float) -> CircuitOpenError:
        self.rejected += 1
        if request := current_request():
            request.note_rejection()
        return CircuitOpenError(self.machine.key, retry_after)

    def _note_fault(self, fault: PredicateError) -> None:
        log.error(
            "circuit %s: %s raised, so the call gives no verdict", self.key, fault, exc_info=fault
        )
