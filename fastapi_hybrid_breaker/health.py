"""Whether a process does its work, and what keeps it from some of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .core.states import CLOSED, OPEN

if TYPE_CHECKING:
    from .circuits.circuit import Circuit
    from .circuits.registry import Registry
    from .core.override import Override
    from .fleet.status import SyncStatus

HealthStatus = Literal["ok", "degraded"]


@dataclass(frozen=True, slots=True)
class Health:
    """What is known in memory at one moment: reading it waits for nothing.

    Args:
        open: keys of the circuits that reject calls, by themselves or by an override, which may be
            of a key that this process has not used yet.
        half_open: keys of those that let probes through.
        ready_to_probe: keys of those whose recovery timeout has elapsed and that nobody calls: the
            next call is admitted.
        overridden: keys of those with a manual override.
        sync: how the exchange with the fleet stands.
    """

    open: tuple[str, ...]
    half_open: tuple[str, ...]
    ready_to_probe: tuple[str, ...]
    overridden: tuple[str, ...]
    sync: SyncStatus

    @property
    def status(self) -> HealthStatus:
        """``ok``, or ``degraded``: a circuit rejects or is being probed, or nothing is shared.

        ``sync.error`` says why nothing is shared, though it should be.

        Degraded is no reason to restart a process: it protects itself, and does all the rest.
        """
        is_unshared = self.sync.state == "isolated" or self.sync.error is not None
        return "degraded" if self.open or self.half_open or is_unshared else "ok"


class Survey:
    """Looks at circuits one by one; those in shadow mode reject nothing and are left out."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._half_open: list[str] = []
        self._ready: list[str] = []
        self._overridden: list[str] = []

    def look_at(self, circuit: Circuit) -> None:
        """Look at a circuit."""
        core = circuit._core
        override, machine = core.override.current, core.machine
        if override is None and machine.state is CLOSED:
            return  # most are
        now = circuit._clock()
        state, mode = machine.state, core.config.mode
        if override is not None and not override.is_over(now):
            self._overridden.append(circuit.key)
            state, mode = core.effective_state(now), core.override.mode(core.config, now)
            if override.kind.state is not None:
                mode = "enforce"
        if state is CLOSED or mode == "shadow":
            return
        if now >= machine.open_until and core.is_ready_to_probe(now):
            self._ready.append(circuit.key)
        else:
            (self._open if state is OPEN else self._half_open).append(circuit.key)

    def look_at_override(self, key: str, override: Override) -> None:
        """Look at the override of a key that has no circuit in this process."""
        self._overridden.append(key)
        if override.kind.state is OPEN:
            self._open.append(key)

    def health(self, sync: SyncStatus) -> Health:
        """Return what was found."""
        return Health(
            open=tuple(sorted(self._open)),
            half_open=tuple(sorted(self._half_open)),
            ready_to_probe=tuple(sorted(self._ready)),
            overridden=tuple(sorted(self._overridden)),
            sync=sync,
        )


def health_of(registry: Registry, sync: SyncStatus) -> Health:
    """Look at all circuits at once."""
    survey = Survey()
    for circuit in registry:
        survey.look_at(circuit)
    for key, override in registry.held.overrides():
        survey.look_at_override(key, override)
    return survey.health(sync)
