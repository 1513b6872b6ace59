"""``Circuit``: one named breaker, and the ways to run a call under it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar, cast, overload

from fastapi_hybrid_breaker.core.checks import check_text
from fastapi_hybrid_breaker.core.outcomes import classifier_of
from fastapi_hybrid_breaker.core.override import NEVER_REJECTS, OverrideKind, make_override

from .admission import begin, rejection
from .callables import refuse_async, refuse_unstarted
from .decorator import decorate
from .figures import stats_of
from .guard import Guard
from .judge import Judge
from .locked import Locked
from .misuse import DEPENDS_ON_A_CIRCUIT
from .settling import settle_error, settle_result

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager

    from fastapi_hybrid_breaker.core.circuit_core import CircuitCore
    from fastapi_hybrid_breaker.core.config import CircuitConfig
    from fastapi_hybrid_breaker.core.news import Proposal
    from fastapi_hybrid_breaker.core.override import Override
    from fastapi_hybrid_breaker.core.states import (
        CircuitState,
        CircuitStats,
        StateChange,
    )

    from .host import CallObserver, Host, Reach, ResetResult
    from .permits import Permit

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound="Callable[..., Any]")


class Circuit:
    """One named breaker. Made by ``HybridBreaker.circuit``; safe from threads and tasks.

    ``rejected`` and ``shadowed`` (let through in shadow mode) are counted without the lock: exact
    with the GIL, approximate without.
    """

    __slots__ = (
        "__weakref__",
        "_clock",
        "_config_is_guess",
        "_core",
        "_guarded_by_route",
        "_host",
        "_judge",
        "_locked",
        "_observer",
        "_used",
        "key",
        "rejected",
        "shadowed",
    )

    def __init__(self, core: CircuitCore, host: Host) -> None:
        self._core: CircuitCore = core
        self.key: str = core.outbox.key
        """The name by which the whole fleet knows the circuit."""
        self._clock: Callable[[], float] = (
            host.clock
        )  # monotonic seconds; at hand, for it is read often
        self._observer: CallObserver | None = None
        self._guarded_by_route: bool = False  # so that requests must hear of outcomes
        self.rejected: int = 0
        self.shadowed: int = 0
        self._used: int = 0  # number of its last look-up, see registry.py; 0: none
        self._config_is_guess: bool = False  # made for an update of the fleet
        self._host = host
        self._locked = Locked(core, host)
        self._judge = Judge(self.key, core, host.clock)

    def __repr__(self) -> str:
        return f"<Circuit {self.key!r} {self.state}>"

    # -- running a call ---------------------------------------------------------------------

    async def call(self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Await ``fn(*args, **kwargs)`` under this circuit.

        Raises:
            CircuitOpenError: rejected; ``fn`` was not called.
            TypeError: ``fn`` returned nothing to await (not counted): use ``call_sync`` for it.
        """
        core = self._core
        permit: Permit | None = core.free_permit
        if permit is None:
            now = self._clock()
            if (wait := core.reject_until - now) > 0.0:
                raise rejection(self, wait, fn)
            permit = begin(self, now, fn)
        try:
            result = await fn(*args, **kwargs)
        except BaseException as error:
            settle_error(self, permit, error, fn)
            raise
        if core.counts_successes or self._guarded_by_route:
            settle_result(self, permit, result)
        return result

    def call_sync(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``fn(*args, **kwargs)`` under this circuit, in this thread.

        Raises:
            CircuitOpenError: rejected; ``fn`` was not called.
            TypeError: ``fn`` is asynchronous (use ``call``) or a generator function (guard its
                body with ``guard()``); not counted.
        """
        core = self._core
        permit: Permit | None = core.free_permit
        if permit is None:
            now = self._clock()
            if (wait := core.reject_until - now) > 0.0:
                raise rejection(self, wait, fn)
            permit = begin(self, now, fn)
        try:
            result = fn(*args, **kwargs)
            refuse_async(result, fn)
            refuse_unstarted(result, fn)
        except BaseException as error:
            settle_error(self, permit, error, fn)
            raise
        if core.counts_successes or self._guarded_by_route:
            settle_result(self, permit, result)
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
        core = self._core
        permit: Permit | None = core.free_permit
        if permit is None:
            now = self._clock()
            if (wait := core.reject_until - now) > 0.0:
                raise rejection(self, wait, fn)
            permit = begin(self, now, fn)
        try:
            result = fn(*args, **kwargs)
            if hasattr(type(result), "__await__"):
                result = await result
            refuse_unstarted(result, fn)
        except BaseException as error:
            settle_error(self, permit, error, fn)
            raise
        if core.counts_successes or self._guarded_by_route:
            settle_result(self, permit, result)
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
        """Close the circuit and clear its counters, here at once and in the whole fleet.

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
        return await self._host.operations.reset(self.key, reason=reason, by=by, ramp=ramp)

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
            seconds: how long it lasts, above 0, at most 31,622,400 (366 days); None, given
                explicitly: until it is cleared.

        Raises:
            TypeError, ValueError: a value of another type or range.
            RuntimeError: it is the circuit that keys beyond ``max_circuits`` share.
        """
        override = make_override(kind, by=by, reason=reason, seconds=seconds, now=self._clock())
        self._refuse_shared()
        return await self._host.operations.put(self.key, override, override.by, override.reason)

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
        return await self._host.operations.put(self.key, None, by, reason)

    def _refuse_shared(self) -> None:
        """Refuse an operator's action on the circuit of keys that have none of their own."""
        if self._core.override.current is NEVER_REJECTS:
            raise RuntimeError(
                "this circuit stands for all keys beyond max_circuits: it can be neither reset nor"
                " overridden; use breaker.reset(key) or breaker.override(key, ...)"
            )

    # -- looking: changes nothing -----------------------------------------------------------

    @property
    def _serial(self) -> int:
        """The number of this circuit in this process; another one with its key has another."""
        return self._judge.serial

    @property
    def config(self) -> CircuitConfig:
        """How it decides."""
        return self._core.config

    @property
    def state(self) -> CircuitState:
        """The state in force, its own or an override's; OPEN until a call comes after its time."""
        core = self._core
        if core.override.current is None:
            return core.machine.state
        return core.effective_state(self._clock())

    def retry_after(self) -> float:
        """Return the seconds until a call may be admitted; 0.0: one may be now."""
        return self._core.retry_after(self._clock())

    def is_ready_to_probe(self) -> bool:
        """Return whether it waits for a call, which will be a probe; see ``CircuitStats``."""
        return self._core.is_ready_to_probe(self._clock())

    def stats(self) -> CircuitStats:
        """Return the figures of this moment."""
        return stats_of(self)

    def history(self) -> tuple[StateChange, ...]:
        """Return the last changes, oldest first; ``history_size`` of them at most."""
        with self._hold():
            return self._locked.history()

    # -- from outside of calls ------------------------------------------------------------------

    def _hold(self) -> AbstractContextManager[CircuitCore]:
        """Hold the circuit's lock; what came of it is delivered after."""
        return self._locked.hold(self)

    def _change(self) -> AbstractContextManager[tuple[CircuitCore, float]]:
        """Hold the lock for a change and yield the time; an expired override ends before it."""
        return self._locked.change(self)

    def _reset_here(self, *, by: str = "", reason: str = "", ramp: bool = False) -> Proposal:
        """Close the circuit in this process; return what to send to the fleet."""
        with self._change() as (core, now):
            core.reset(now, by=by, reason=reason, ramp=ramp)
            return core.membership.describe(now)

    def _open_here(self, seconds: float) -> None:
        """Open the circuit in this process only, for so long; see ``testing.open_circuit``."""
        with self._change() as (core, now):
            core.open_for(seconds, now)

    def _put_here(self, override: Override | None, by: str, reason: str = "") -> None:
        """Set or clear the override in this process."""
        with self._change() as (core, now):
            core.set_override(override, by, now, reason)

    def _observe(self, observer: CallObserver | None, *, measured: bool) -> None:
        """Report the circuit's calls to ``observer`` from now on; None: to nobody.

        Args:
            observer: replaces the one before; calls that run now may end observed without having
                begun so.
            measured: it wants to hear of each call, and how long it took; else of rejections, and
                of those calls only that change something.
        """
        with self._hold() as core:
            self._observer = observer
            core.measure(wanted=measured)

    def _configure(self, config: CircuitConfig) -> None:
        """Apply the configuration of the code that uses it, where the one so far was a guess."""
        with self._hold() as core:
            core.configure(config)
            self._judge.classifier = classifier_of(config)
            self._config_is_guess = False

    def _after_fork(self) -> None:
        """Start over in a child process: a lock may have been held by a thread left behind."""
        self._locked.after_fork()
