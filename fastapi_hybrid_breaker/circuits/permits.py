"""The permits of calls: what admitting returns (admission.py) and settling takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, final

from fastapi_hybrid_breaker.core.probe import Probe

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.machine import StateMachine
    from fastapi_hybrid_breaker.core.probe import Enclosing


@final
class CallPermit:
    """The permit of a call while CLOSED that is timed, or is one of a ramp's share of the calls.

    And of one that only shadow mode keeps from being rejected, in any state.

    Args:
        machine: the circuit that admitted it.
        admitted: the sequence number at admission.
        now: when that was, monotonic seconds.
        is_shadowed: the call would have been rejected.
    """

    __slots__ = ("admitted", "is_shadowed", "machine", "outer", "settled", "started")

    def __init__(
        self,
        machine: StateMachine,
        admitted: int,
        now: float,
        is_shadowed: bool = False,  # noqa: FBT001, FBT002 - by its name only: quicker
    ) -> None:
        self.machine: StateMachine = machine
        self.admitted: int = admitted
        self.is_shadowed: bool = is_shadowed
        self.started: float = now
        self.settled: bool = False
        self.outer: Enclosing | None = None

    def is_running(self) -> bool:
        """Whether its outcome would count: not settled, and of the present generation."""
        return not self.settled and self.admitted >= self.machine.first


@final
class NestedPermit:
    """The right to run inside of a probe that another guard of the same circuit holds.

    Its outcome is the probe's; where it is not counted, the probe stays with its holder. The same
    holds inside of a call that only shadow mode has let through.
    """

    __slots__ = ("probe", "started")

    def __init__(self, probe: Probe | CallPermit, now: float) -> None:
        self.probe: Probe | CallPermit = probe
        self.started: float = now


EnteredPermit: TypeAlias = Probe | CallPermit
"""A permit that calls inside of the one it admitted have to know of."""

Permit: TypeAlias = int | EnteredPermit | NestedPermit
"""The right to run one guarded call, to be given back to ``settle`` exactly once.

While CLOSED the sequence number itself is the permit of a call that nobody times: no allocation.
"""


def is_shadowed(permit: Permit) -> bool:
    """Whether a permit stands for a call that would have been rejected, and has no outcome yet."""
    held = permit.probe if isinstance(permit, NestedPermit) else permit
    return isinstance(held, CallPermit) and held.is_shadowed and not held.settled


def admitted_at(permit: Permit) -> int:
    """Return the sequence number at which a permit was given."""
    if isinstance(permit, int):
        return permit
    return permit.probe.admitted if isinstance(permit, NestedPermit) else permit.admitted
