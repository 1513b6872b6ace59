"""``Circuit``: one named breaker, and the ways to run a call under it."""

from __future__ import annotations

import inspect
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, overload

from fastapi_hybrid_breaker.core.checks import check_text
from fastapi_hybrid_breaker.core.errors import BarredCallError
from fastapi_hybrid_breaker.core.override import OverrideKind, make_override

from .block import Block, HeldBlock, enter_short, leave_short
from .context import current_request, note_rejection, note_verdict
from .decorator import decorate
from .gate import Gate
from .marks import gives_coroutine
from .permits import refuse_coroutine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from types import TracebackType

    from .hub import Reach
    from .permits import Permit

P = ParamSpec("P")
T = TypeVar("T")


class Circuit(Gate):
    """One named breaker. Made by ``HybridBreaker.circuit``; safe from threads and tasks.

    ``call`` and ``call_sync`` are written out in full although ``admit`` and ``settle`` say the
    same: each Python call they save is a good part of what a guarded call costs.
    """

    __slots__ = ("__weakref__",)

    # -- running a call ---------------------------------------------------------------------

    async def call(  # noqa: C901 - written out, see above
        self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Await ``fn(*args, **kwargs)`` under this circuit.

        Raises:
            CircuitOpenError: rejected; ``fn`` was not called.
            TypeError: ``fn`` gave nothing to await (no verdict): use ``call_sync`` for it.
        """
        machine = self.machine
        permit: Permit | None = machine.ticket
        if permit is not None:
            started = None
        elif machine.barred:
            self.rejections += 1.0
            if current_request() is not None:
                note_rejection()
            raise BarredCallError(self)
        else:
            permit = machine.timed_ticket
            if permit is None:
                permit = self.enter()
                if machine.ramp is not None:
                    return await self.call_inside(permit, fn, args, kwargs)
            started = self.clock() if machine.timed else None
        try:
            result = await (fn(*args, **kwargs) if kwargs else fn(*args))  # type: ignore[call-arg]
        except BaseException as error:
            self.settle_error(permit, error, fn, started)
            raise
        if machine.attentive:
            if machine.only_watched:
                if current_request() is not None:
                    note_verdict(machine)
            elif machine.swift is not None or machine.config.failure_result is None:
                self.settle_success(permit, started)
            else:
                self.settle_result(permit, result, started)
        return result

    def call_sync(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``fn(*args, **kwargs)`` under this circuit, in this thread.

        Raises:
            CircuitOpenError: rejected; ``fn`` was not called.
            TypeError: ``fn`` is asynchronous (no verdict): use ``call`` for it.
        """
        machine = self.machine
        permit: Permit | None = machine.ticket
        started = None
        if permit is None:
            if machine.barred:
                raise self.refuse()
            permit = machine.timed_ticket
            if permit is None:
                permit = self.enter()
                if machine.ramp is not None:
                    with HeldBlock(self, permit, fn) as block:
                        result = block.result = refuse_coroutine(fn(*args, **kwargs), fn)
                        return result
                started = self.clock() if machine.timed else None
            else:
                started = self.clock()
        try:
            result = fn(*args, **kwargs) if kwargs else fn(*args)  # type: ignore[call-arg]
            if type(result) is CoroutineType:
                refuse_coroutine(result, fn)
        except BaseException as error:
            self.settle_error(permit, error, fn, started)
            raise
        if machine.attentive:
            self.settle_result(permit, result, started)
        return result

    @overload
    def execute(
        self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T]: ...
    @overload
    def execute(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T]: ...
    @gives_coroutine
    def execute(
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Coroutine[Any, Any, Any]:
        """Call ``fn`` under this circuit, and await what it gives if that can be awaited.

        A sync callable runs in place and blocks the event loop as long as it runs.

        Raises:
            CircuitOpenError: rejected; ``fn`` was not called.
        """
        return self.execute_with(fn, args, kwargs)

    async def execute_with(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Do what ``execute`` says; for who has the arguments in hand, to unpack them once only."""
        machine = self.machine
        permit: Permit | None = machine.ticket
        started = None
        if permit is None:
            if machine.barred:
                raise self.refuse()
            permit = machine.timed_ticket
            if permit is None:
                permit = self.enter()
                if machine.ramp is not None:
                    with HeldBlock(self, permit, fn) as block:
                        result: Any = fn(*args, **kwargs)
                        if inspect.isawaitable(result):
                            result = await result
                        block.result = result
                        return result
                started = self.clock() if machine.timed else None
            else:
                started = self.clock()
        try:
            result = fn(*args, **kwargs) if kwargs else fn(*args)
            if type(result) is CoroutineType or inspect.isawaitable(result):
                result = await result
        except BaseException as error:
            self.settle_error(permit, error, fn, started)
            raise
        if machine.attentive:
            self.settle_result(permit, result, started)
        return result

    def guard(self) -> Block:
        """Give a fresh permit for a block: ``with circuit.guard():`` or ``async with``.

        Entering raises ``CircuitOpenError`` when the call is rejected. The block may be entered
        in one task or thread and left in another.
        """
        block = Block()
        block.circuit = self
        block.held = None
        return block

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

    async def reset(self, *, reason: str = "", by: str = "") -> Reach:
        """Close the circuit and empty its counts, here at once and in the whole fleet.

        Waits for Redis for one second at most. Returns ``"fleet"`` when the fleet has it,
        ``"queued"`` when it is sent as soon as Redis answers, ``"local"`` without a fleet.

        Args:
            reason: what for, at most 200 characters.
            by: who resets it, at most 200 characters.

        Raises:
            TypeError, ValueError: a value of another type or range.
        """
        return await self._hub.reset(self.key, reason=reason, by=by)

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
        override = make_override(kind, by=by, reason=reason, seconds=seconds, now=self.clock())
        return await self._hub.put(self.key, override, override.by, override.reason)

    async def clear_override(self, *, by: str = "", reason: str = "") -> Reach:
        """End the override, here at once and in the whole fleet; harmless without one.

        Args:
            by: who ends it, at most 200 characters.
            reason: what for, at most 200 characters.

        Raises:
            TypeError, ValueError: a value of another type or range.
        """
        by, reason = check_text("by", by, least=0), check_text("reason", reason, least=0)
        return await self._hub.put(self.key, None, by, reason)

    async def call_inside(
        self,
        permit: Permit,
        fn: Callable[..., Awaitable[T]],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> T:
        """Run a call under a permit that others may share: what nests in a probe must know it."""
        with HeldBlock(self, permit, fn) as block:
            result = block.result = await fn(*args, **kwargs)
            return result
