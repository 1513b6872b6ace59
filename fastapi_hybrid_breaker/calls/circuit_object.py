"""``Circuit``: one named breaker, and the ways to run a call under it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar, cast, overload

from fastapi_hybrid_breaker.core.checks import check_text
from fastapi_hybrid_breaker.core.override import NEVER_REJECTS, OverrideKind, make_override

from .callables import refuse_async, refuse_unstarted
from .decorator import decorate
from .gate import Gate
from .guard import Guard
from .misuse import DEPENDS_ON_A_CIRCUIT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .hub import Reach, ResetResult
    from .permits import Permit

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound="Callable[..., Any]")


class Circuit(Gate):
    """One named breaker. Made by ``HybridBreaker.circuit``; safe from threads and tasks."""

    __slots__ = ("__weakref__",)

    # -- running a call ---------------------------------------------------------------------

    async def call(self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Await ``fn(*args, **kwargs)`` under this circuit.

        Raises:
            CircuitOpenError: rejected; ``fn`` was not called.
            TypeError: ``fn`` returned nothing to await (not counted): use ``call_sync`` for it.
        """
        machine = self.machine
        permit: Permit | None = machine.free_permit
        if permit is None:
            now = self.clock()
            if (wait := machine.reject_until - now) > 0.0:
                raise self.rejection(wait, fn)
            permit = self.enter(now, fn)
        try:
            result = await fn(*args, **kwargs)
        except BaseException as error:
            self.settle_error(permit, error, fn)
            raise
        if machine.counts_successes:
            self.settle_result(permit, result)
        return result

    def call_sync(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``fn(*args, **kwargs)`` under this circuit, in this thread.

        Raises:
            CircuitOpenError: rejected; ``fn`` was not called.
            TypeError: ``fn`` is asynchronous (use ``call``) or a generator function (guard its
                body with ``guard()``); not counted.
        """
        machine = self.machine
        permit: Permit | None = machine.free_permit
        if permit is None:
            now = self.clock()
            if (wait := machine.reject_until - now) > 0.0:
                raise self.rejection(wait, fn)
            permit = self.enter(now, fn)
        try:
            result = fn(*args, **kwargs)
            refuse_async(result, fn)
            refuse_unstarted(result, fn)
        except BaseException as error:
            self.settle_error(permit, error, fn)
            raise
        if machine.counts_successes:
            self.settle_result(permit, result)
        return result

    @overload
    async def execute(
        self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T: ...
    @overload
    async def execute(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    async def execute(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call ``fn`` under this circuit, and await what it returns if that can be awaited.

        A sync callable runs in place and blocks the event loop as long as it runs.

        Raises:
            CircuitOpenError: rejected; ``fn`` was not called.
            TypeError: ``fn`` is a generator function (not counted).
        """
        machine = self.machine
        permit: Permit | None = machine.free_permit
        if permit is None:
            now = self.clock()
            if (wait := machine.reject_until - now) > 0.0:
                raise self.rejection(wait, fn)
            permit = self.enter(now, fn)
        try:
            result = fn(*args, **kwargs)
            if hasattr(type(result), "__await__"):
                result = await result
            refuse_unstarted(result, fn)
        except BaseException as error:
            self.settle_error(permit, error, fn)
            raise
        if machine.counts_successes:
            self.settle_result(permit, result)
        return result

    def guard(self) -> Guard:
        """Return a fresh permit for a block: ``with circuit.guard():`` or ``async with``.

        Entering raises ``CircuitOpenError`` when the call is rejected. The block may be entered
        in one task or thread and left in another.
        """
        return Guard(self)

    def __call__(self, fn: Annotated[F, DEPENDS_ON_A_CIRCUIT], /) -> F:
        """Decorate ``fn``: every call of it is guarded. Signature and nature stay as they are.

        Raises:
            TypeError: ``fn`` is a generator function: calling one runs nothing yet.
        """
        return cast("F", decorate(self, fn))

    async def reset(self, *, reason: str = "", by: str = "", ramp: bool = False) -> ResetResult:
        """Close the circuit and empty its counts, here at once and in the whole fleet.

        Waits for Redis for one second at most. Returns ``"fleet"`` when the fleet has it,
        ``"queued"`` when it is sent as soon as Redis answers, ``"local"`` without a fleet.

        A manual override stays in force: ``.override`` of what is returned shows it, and a warning
        is logged. ``clear_override`` ends it.

        Args:
            reason: what for, at most 200 characters.
            by: who resets it, at most 200 characters.
            ramp: whether calls come back in growing shares, as after a recovery, where
                ``ramp_seconds`` is set; default False: all at once.

        Raises:
            TypeError, ValueError: a value of another type or range.
            RuntimeError: it is the circuit that keys beyond ``max_circuits`` share.
        """
        self._refuse_shared()
        return await self._hub.reset(self.key, reason=reason, by=by, ramp=ramp)

    async def override(
        self, kind: OverrideKind | str, *, by: str, reason: str, seconds: float | None
    ) -> Reach:
        """Set an operator's override, here at once and in the whole fleet.

        It stands above whatever the circuit decides by itself, which goes on below it. An
        override set later replaces it.

        Args:
            kind: ``"forced_open"``: everything is rejected; ``"disabled"``: everything is
                admitted, and nothing counted; ``"shadow"``: the circuit decides and counts as
                usual and rejects nothing; ``"enforced"``: it rejects what it decides to, where it
                is configured with ``mode="shadow"``.
            by: who sets it, 1 to 200 characters.
            reason: what for, 1 to 200 characters.
            seconds: how long it lasts, above 0, at most 31,622,400 (366 days); None, said
                aloud: until it is cleared.

        Raises:
            TypeError, ValueError: a value of another type or range.
            RuntimeError: it is the circuit that keys beyond ``max_circuits`` share.
        """
        override = make_override(kind, by=by, reason=reason, seconds=seconds, now=self.clock())
        self._refuse_shared()
        return await self._hub.put(self.key, override, override.by, override.reason)

    async def clear_override(self, *, by: str = "", reason: str = "") -> Reach:
        """End the override, here at once and in the whole fleet; harmless without one.

        Args:
            by: who ends it, at most 200 characters.
            reason: what for, at most 200 characters.

        Raises:
            TypeError, ValueError: a value of another type or range.
            RuntimeError: it is the circuit that keys beyond ``max_circuits`` share.
        """
        by, reason = check_text("by", by, least=0), check_text("reason", reason, least=0)
        self._refuse_shared()
        return await self._hub.put(self.key, None, by, reason)

    def _refuse_shared(self) -> None:
        """Refuse an operator's order on the circuit of keys that have none of their own."""
        if self.machine.override is NEVER_REJECTS:
            raise RuntimeError(
                "this circuit stands for all keys beyond max_circuits: it can be neither reset nor"
                " overridden; use breaker.reset(key) or breaker.override(key, ...)"
            )
