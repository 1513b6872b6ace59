"""What this process loses with a circuit that it forgets for want of room."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from .opening import is_again
from .states import CLOSED, OPEN

if TYPE_CHECKING:
    from .machine import Machine


class Loss(IntEnum):
    """How much is lost. Circuits are forgotten in this order, the least first.

    What was only heard of from the fleet is not used here, and the fleet still has it. Failures
    come last: a key that is called rarely would otherwise never collect enough of them to open.
    """

    HEARD_OF = 1
    """Only heard of, and it rejects nothing."""
    NOTHING = 2
    """CLOSED, without counts, and not recovered of late."""
    LAST_OPENING = 3
    """Ready to probe, or HALF_OPEN without a probe: the next call would be a probe."""
    HEARD_OPENING = 4
    """Only heard of, and OPEN."""
    SUCCESSES = 5
    """CLOSED; its windows have nothing but successes in them."""
    FAILURES = 6
    """CLOSED, with failures or slow calls, or closed so recently that back-off would go on."""


def loss_of(machine: Machine, now: float, *, is_used: bool) -> Loss | None:
    """Return what would be lost with a circuit; None: it must not be forgotten.

    Reads without the circuit's lock and changes nothing.

    Args:
        machine: the circuit's.
        now: monotonic seconds.
        is_used: it was looked up in this process, and not merely heard of.
    """
    if machine.override is not None and not machine.override.is_over(now):
        return None
    # A recovery that the fleet, which knows this circuit, has not heard of yet has to wait here
    # for Redis. Without a fleet nothing is ever heard: that must not fill the registry.
    if machine.unshared and machine.version > 0:
        return None
    if machine.state is CLOSED:
        return _loss_of_closed(machine, now) if is_used else Loss.HEARD_OF
    if machine.state is OPEN and not machine.is_ready_to_probe(now):
        return None if is_used else Loss.HEARD_OPENING
    if machine.runs_probes(now):
        return None
    return Loss.LAST_OPENING if is_used else Loss.HEARD_OF


def _loss_of_closed(machine: Machine, now: float) -> Loss | None:
    if machine.ramp is not None and not machine.ramp.is_over(now):
        return None
    contribution = machine.contribution
    is_untold = contribution is not None and (contribution.untold or contribution.owes_success)
    has_recovered = machine.recovered_at is not None and is_again(
        machine.config, now - machine.recovered_at
    )
    succeeded, failed = machine.meter.remembers(now)
    if machine.failures and machine.meter.run:
        failed = failed or machine.failures_at(now) > 0
    if failed or is_untold or has_recovered:
        return Loss.FAILURES
    return Loss.SUCCESSES if succeeded else Loss.NOTHING
