"""What this process loses with a circuit that it forgets for want of room."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from .states import CLOSED, OPEN

if TYPE_CHECKING:
    from .circuit_core import CircuitCore


class Loss(IntEnum):
    """How much is lost. Circuits are forgotten in this order, the least first.

    What was only heard of from the fleet is not used here, and the fleet still has it. Failures
    come last: a key that is called rarely would otherwise never collect enough of them to open.
    """

    HEARD_OF = 1
    """Known from the fleet only, and it rejects nothing."""
    NOTHING = 2
    """CLOSED, without counts, and not recovered of late."""
    LAST_OPENING = 3
    """Ready to probe, or HALF_OPEN without a probe: the next call would be a probe."""
    HEARD_OPENING = 4
    """Known from the fleet only, and OPEN."""
    HEARD_OVERRIDE = 5
    """Known from the fleet only, and overridden: the override is held without it."""
    SUCCESSES = 6
    """CLOSED; its windows have nothing but successes in them."""
    FAILURES = 7
    """CLOSED, with failures or slow calls, or closed so recently that back-off would go on."""


def loss_of(core: CircuitCore, now: float, *, is_used: bool) -> Loss | None:
    """Return what would be lost with a circuit; None: it must not be forgotten.

    Reads without the circuit's lock and changes nothing.

    Args:
        core: the circuit's.
        now: monotonic seconds.
        is_used: it was looked up in this process, and not merely heard of.
    """
    override, machine, membership = core.override.current, core.machine, core.membership
    if override is not None and not override.is_over(now):
        is_in_fleet = core.override.version > 0 and not core.override.unsynced
        return Loss.HEARD_OVERRIDE if is_in_fleet and not is_used else None
    # A recovery that the fleet, which knows this circuit, does not know of yet has to wait here
    # for Redis. Without a fleet nothing is ever heard: that must not fill the registry.
    if membership.unsynced and membership.version > 0:
        return None
    if machine.state is CLOSED:
        return _loss_of_closed(core, now) if is_used else Loss.HEARD_OF
    if machine.state is OPEN and not core.is_ready_to_probe(now):
        return None if is_used else Loss.HEARD_OPENING
    if machine.probes.is_probing(now):
        return None
    return Loss.LAST_OPENING if is_used else Loss.HEARD_OF


def _loss_of_closed(core: CircuitCore, now: float) -> Loss | None:
    machine, run = core.machine, core.membership.calls.run
    recovery, statistics = machine.recovery, machine.statistics
    ramp = recovery.ramp
    if ramp is not None and not ramp.is_over(now):
        return None
    is_untold = run is not None and (run.untold or run.owes_success)
    succeeded, failed = statistics.remembers(now)
    if machine.failures and statistics.run_threshold:
        failed = failed or machine.failures_at(now) > 0
    if failed or is_untold or recovery.is_recent(now):
        return Loss.FAILURES
    return Loss.SUCCESSES if succeeded else Loss.NOTHING
