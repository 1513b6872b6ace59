"""Probes: the calls that a HALF_OPEN circuit admits to find out whether its upstream recovered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from .machine import StateMachine


class Watcher(Protocol):
    """Reports how a long call, such as a stream, is going."""

    def looks_healthy(self) -> bool:
        """Whether the call, ended now by its caller, would be a success."""


class Enclosing(Protocol):
    """A permit of a call that other calls run inside of."""

    outer: Enclosing | None
    """The permit, of any circuit, of the call that encloses that one."""

    settled: bool
    """The call has ended."""

    @property
    def machine(self) -> StateMachine:
        """The circuit that admitted it."""

    def is_running(self) -> bool:
        """Whether its outcome would count: not settled, and of the present generation."""


class Probe:
    """The permit of a probe: a lease of one of the places of a HALF_OPEN circuit.

    Args:
        machine: the circuit that admitted it.
        now: when that was, monotonic seconds.
        kind: what its call is known by; see ``standoff``.

    ``admitted`` is the sequence number at admission; ``settled`` says that its outcome is known,
    or that it holds no place any more; ``outer`` is the permit, of any circuit, of the call that
    encloses it; ``watcher`` reports on a call that still runs at the deadline; ``chance``
    with which its place moves to a call of the same kind, once it is drawn; see ``standoff``.
    """

    __slots__ = (
        "admitted",
        "chance",
        "kind",
        "machine",
        "outer",
        "settled",
        "started",
        "watcher",
    )

    def __init__(self, machine: StateMachine, now: float, kind: object = None) -> None:
        self.machine: StateMachine = machine
        self.admitted: int = machine.sequence
        self.started: float = now
        self.settled: bool = False
        self.kind: object = kind
        self.chance: float | None = None
        self.outer: Enclosing | None = None
        self.watcher: Watcher | None = None

    @property
    def deadline(self) -> float:
        """When its place is given to another, monotonic seconds; as it is configured now."""
        return self.started + self.machine.probes.config.probe_timeout

    def is_running(self) -> bool:
        """Whether its outcome would count: not settled, and of the present generation."""
        return not self.settled and self.admitted >= self.machine.first

    def has_place(self, now: float) -> bool:
        """Whether it is running and still holds its place."""
        has_one = self in (self.machine.probes.running or ())
        return has_one and now < self.deadline and self.is_running()


Ticket = int | Probe
"""The right to run one call: a number while CLOSED (no allocation), a probe while HALF_OPEN.

The number is the machine's ``sequence`` at admission. It rises with each counted failure and
each change of state, so one read of one slot has all that settling needs: whether the state
that admitted the call still stands, and whether an error was counted since.
"""

UNCOUNTED: Final = -1
"""A permit older than every state: whatever comes of the call, it changes nothing."""

SHADOWED: Final = -2
"""The permit of a call that only shadow mode keeps from being rejected: it changes no state."""
