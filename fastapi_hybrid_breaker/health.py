"""Whether a process does its work, and what keeps it from some of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .core.states import CircuitState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .circuits.circuit import Circuit
    from .fleet.status import SyncStatus

HealthStatus = Literal["ok", "degraded"]


@dataclass(frozen=True, slots=True)
class Health:
    """What is known in memory at one moment: reading it waits for nothing.

    Args:
        open: keys of the circuits that reject calls, by themselves or by an override.
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
        self._found: dict[CircuitState, list[str]] = {state: [] for state in CircuitState}
        self._ready: list[str] = []
        self._overridden: list[str] = []

    def look_at(self, circuit: Circuit) -> None:
        """Look at a circuit."""
        core = circuit.core
        if core.override.current is None and core.machine.state is CircuitState.CLOSED:
            return  # most are
        now = circuit.clock()
        if (
            core.override.mode(core.config, now) != "shadow"
            or core.override.fixed_state(now) is not None
        ):
            kind = self._ready if circuit.is_ready_to_probe() else self._found[circuit.state]
            kind.append(circuit.key)
        if core.override.current is not None and not core.override.current.is_over(now):
            self._overridden.append(circuit.key)

    def health(self, sync: SyncStatus) -> Health:
        """Return what was found."""
        return Health(
            open=tuple(sorted(self._found[CircuitState.OPEN])),
            half_open=tuple(sorted(self._found[CircuitState.HALF_OPEN])),
            ready_to_probe=tuple(sorted(self._ready)),
            overridden=tuple(sorted(self._overridden)),
            sync=sync,
        )


def health_of(circuits: Iterable[Circuit], sync: SyncStatus) -> Health:
    """Look at all circuits at once."""
    survey = Survey()
    for circuit in circuits:
        survey.look_at(circuit)
    return survey.health(sync)
