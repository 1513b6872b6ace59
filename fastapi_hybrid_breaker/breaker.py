"""``Breaker``: the circuits of one process, their listeners, and their exchange with the fleet."""

from __future__ import annotations

import logging
import random
import time
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, overload

from . import forks
from .circuits.host import Host
from .circuits.registry import Registry
from .core.checks import check_between, check_text
from .core.keys import check_key, check_namespace, overlaps_of
from .core.override import make_override
from .core.states import CircuitState, CircuitStats, CircuitView, never_used
from .environment import FROM_ENVIRONMENT, FromEnvironment, naming_variables
from .fleet.sync import FleetSync
from .health import Health, health_of
from .operations import Operations

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from types import TracebackType

    import redis.asyncio

    from .circuits.circuit import Circuit
    from .circuits.host import Reach, ResetResult
    from .core.config import CircuitConfig
    from .core.override import OverrideKind
    from .core.states import StateChange
    from .fleet.instances import Instance
    from .fleet.status import SyncStatus

P = ParamSpec("P")
T = TypeVar("T")

log: logging.Logger = logging.getLogger("fastapi_hybrid_breaker")


class Breaker:
    """The circuits of one process, and their exchange with the fleet: what needs no framework.

    ``HybridBreaker`` makes one that can be installed on an application; its arguments are those.
    """

    def __init__(
        self,
        *,
        redis: str | redis.asyncio.Redis | FromEnvironment | None = FROM_ENVIRONMENT,
        namespace: str | FromEnvironment = FROM_ENVIRONMENT,
        defaults: CircuitConfig | None = None,
        circuits: Mapping[str, CircuitConfig] | None = None,
        max_circuits: int | FromEnvironment = FROM_ENVIRONMENT,
        report_every: float = 0.1,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random.random,
    ) -> None:
        from .settings import BreakerSettings  # noqa: PLC0415 - imports pydantic-settings

        settings = BreakerSettings()
        asked = {"redis": redis, "namespace": namespace, "max_circuits": max_circuits}
        from_environment = {name for name in asked if isinstance(asked[name], FromEnvironment)}
        if isinstance(redis, FromEnvironment):
            redis = settings.url()
        if isinstance(namespace, FromEnvironment):
            namespace = settings.namespace
        if isinstance(max_circuits, FromEnvironment):
            max_circuits = settings.max_circuits
        self._host: Host = Host(clock, random)
        self._starts = 0
        wanted = f"report_every must be a number of seconds from 0.01 to 10, not {report_every!r}"
        check_between(report_every, wanted, least=0.01, most=10.0)
        with naming_variables(from_environment):
            namespace = check_namespace(namespace)
            self._start_notes = [] if redis is None else overlaps_of(namespace)
            self._registry: Registry = Registry(
                self._host,
                defaults=settings.circuit_config() if defaults is None else defaults,
                circuits=circuits or {},
                max_circuits=max_circuits,
            )
            self._join(
                FleetSync(
                    redis,
                    namespace=namespace,
                    registry=self._registry,
                    clock=clock,
                    report_every=report_every,
                )
            )
        forks.note(self._after_fork)

    def __repr__(self) -> str:
        count, state = len(self._registry), self._sync.status().state
        return f"<{type(self).__name__} of {count} circuits, {state}>"

    def _join(self, sync: FleetSync) -> None:
        """Share circuits by ``sync`` from now on; before any start."""
        self._sync: FleetSync = sync
        self._host.fleet, self._host.operations = sync, Operations(self._registry, sync)
        self._registry.used_first = sync.made

    # -- circuits ---------------------------------------------------------------------------

    def circuit(self, key: str, config: CircuitConfig | None = None) -> Circuit:
        """Find or make the circuit of ``key``.

        Raises:
            ValueError: the key names no circuit (see ``core.keys``), or it exists with another
                configuration than ``config``.
        """
        return self._registry.find_or_make(key, config)

    def _own_circuit(self, key: str) -> Circuit:
        """Find or make the circuit of ``key``, also where ``max_circuits`` leaves no room."""
        return self._registry.find_or_make(key, must=True)

    def circuits(self) -> Iterator[Circuit]:
        """Iterate over the circuits this process knows."""
        return iter(self._registry)

    @overload
    async def execute(
        self, key: str, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T: ...
    @overload
    async def execute(
        self, key: str, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T: ...
    async def execute(self, key: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run an async or sync callable under the circuit of ``key``; a sync one blocks the loop.

        Raises:
            CircuitOpenError: rejected; ``fn`` was not called.
        """
        return await self._registry.find_or_make(key).execute(fn, *args, **kwargs)

    def state(self, key: str) -> CircuitState:
        """Return the state of a circuit, as this process knows it; makes no circuit."""
        return self.stats(key).state

    def stats(self, key: str) -> CircuitStats:
        """Return the figures of a circuit, as this process knows it; makes no circuit."""
        circuit = self._registry.get(check_key(key))
        if circuit is not None:
            return circuit.stats()
        config = self._registry.config_for(key)
        return self._registry.held.over(key, never_used(config), config)

    async def reset(
        self, key: str, *, reason: str = "", by: str = "", ramp: bool = False
    ) -> ResetResult:
        """Close a circuit and clear its counters in the whole fleet; see ``Circuit.reset``."""
        return await self._host.operations.reset(key, reason=reason, by=by, ramp=ramp)

    async def override(
        self, key: str, kind: OverrideKind | str, *, by: str, reason: str, seconds: float | None
    ) -> Reach:
        """Set an override in the whole fleet; see ``Circuit.override``."""
        now = self._host.clock()
        override = make_override(kind, by=by, reason=reason, seconds=seconds, now=now)
        key = self._own_circuit(key).key  # it is in force here at once, so there must be one
        return await self._host.operations.put(key, override, override.by, override.reason)

    async def clear_override(self, key: str, *, by: str = "", reason: str = "") -> Reach:
        """End an override in the whole fleet; see ``Circuit.clear_override``."""
        key = check_key(key)
        by, reason = check_text("by", by, least=0), check_text("reason", reason, least=0)
        return await self._host.operations.put(key, None, by, reason)

    async def look_up(self, key: str) -> CircuitView | None:
        """Return a circuit's state and figures, from Redis where this process does not know it.

        For pages that show circuits: unlike ``stats`` this may wait for Redis, one second at
        most. None: neither declared, nor known here, nor in Redis. Makes no circuit.
        """
        key = check_key(key)
        circuit = self._registry.get(key)
        config = self._registry.config_for(key) if circuit is None else circuit.config
        open_at: tuple[str, ...] = ()
        if config.scope == "instance" or config.quorum != 1:
            open_at = await self._sync.open_at(key)
        if circuit is not None:
            return CircuitView(key, config, circuit.stats(), circuit.history(), open_at)
        stats = await self._sync.peek(key, config)
        held = self._registry.held
        if stats is None and (key in self._registry.declared or key in held):
            stats = never_used(config)
        if stats is None:
            return None
        return CircuitView(key, config, held.over(key, stats, config), (), open_at)

    # -- listening ----------------------------------------------------------------------------

    def on_change(self, listener: Callable[[StateChange], object]) -> Callable[[], None]:
        """Call ``listener`` after each change of a circuit's state.

        Listeners are called synchronously and outside every lock, in the order of the changes, by
        one thread at a time: a thread that finds another one calling them leaves its change to
        that one, and what a listener changes itself is delivered after the change it was called
        for. Of many changes in one turn of an event loop the first are delivered at once, and the
        rest in the next turns, between other tasks. What a listener raises is logged. Returns a
        function that takes it off again.
        """
        return self._host.changes.add(listener)

    def sync_status(self) -> SyncStatus:
        """Return how the exchange with the fleet stands."""
        return self._sync.status()

    def health(self) -> Health:
        """Return which circuits are not CLOSED, and how the exchange with the fleet stands."""
        return health_of(self._registry, self.sync_status())

    async def instances(self) -> list[Instance] | None:
        """Return the instances of the fleet, this one among them, the oldest first.

        Waits for Redis one second at most. None: there is no fleet, or Redis does not answer.
        """
        return await self._sync.instances()

    # -- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin the exchange with the fleet; returns within about a second, Redis or not.

        Counted: as many ``stop`` as ``start`` end it.
        """
        self._starts += 1
        if self._starts == 1:
            for note in self._start_notes:
                log.warning("%s", note)
        await self._sync.start()

    async def stop(self) -> None:
        """End the exchange with the fleet within 2 seconds; circuits go on in memory."""
        self._starts = max(0, self._starts - 1)
        await self._sync.stop()
        self._host.changes.deliver(everything=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def _note_at_start(self, note: str) -> None:
        """Log ``note`` as a warning when the breaker starts, once however often it was noted."""
        if note not in self._start_notes:
            self._start_notes.append(note)

    def _after_fork(self) -> None:
        """Start over in a child process: states stay, everything that runs stayed behind."""
        self._starts = 0
        self._host.changes.after_fork()
        self._sync.after_fork()
        self._registry.after_fork()
