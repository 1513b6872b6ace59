"""What the fleet sends to a circuit, and what a circuit proposes to the fleet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .versions import NO_HORIZON, is_newer

if TYPE_CHECKING:
    from .evidence import Evidence
    from .states import CircuitState


@dataclass(frozen=True, slots=True)
class News:
    """The fleet's state of one circuit.

    Args:
        version: rises with every change of the circuit's state in the fleet.
        writer: the instance that wrote it. Two writers can share a version after a failover
            that lost writes; comparing the writers as well makes all instances agree.
        state: the state.
        failures: the run that led to it.
        successes: successful probes so far.
        remaining: seconds until the next attempt (OPEN), 0.0 otherwise.
        reopenings: openings in a row, for the back-off.
        evidence: what the writer decided on; None where it did not say.
        age: seconds since it was written, by the server's clock; 0.0: now, or not known.
        recovered_for: seconds since a recovery closed the circuit; None: none has, or unknown.
        let_back_for: seconds since calls are let back in shares; None: they are not, or unknown.
        horizon: the highest version that counts by the server's clock; see ``versions``.
    """

    version: int
    writer: str
    state: CircuitState
    failures: int
    successes: int
    remaining: float
    reopenings: int = 0
    evidence: Evidence | None = None
    age: float = 0.0
    recovered_for: float | None = None
    let_back_for: float | None = None
    horizon: float = NO_HORIZON

    def is_newer_than(self, version: int, writer: str) -> bool:
        """Return whether this comes after the state named by ``version`` and ``writer``."""
        return is_newer((self.version, self.writer), (version, writer), self.horizon)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A circuit's state, to be written to the fleet on top of ``version`` by ``writer``.

    ``generation`` is that of ``machine``, which is the circuit as it was then: they show whether
    the state has moved on by the time the answer comes, or the circuit was made again in between.
    ``remaining`` is in seconds; ``recovered_for`` and ``let_back_for`` are as in ``News``.
    """

    generation: int
    state: CircuitState
    failures: int
    successes: int
    remaining: float
    version: int
    writer: str
    reopenings: int = 0
    evidence: Evidence | None = None
    recovered_for: float | None = None
    let_back_for: float | None = None
    machine: object = field(default=None, compare=False, repr=False)

    def is_of_change(self, other: Proposal) -> bool:
        """Return whether both are about the same change."""
        return self.machine is other.machine and self.generation == other.generation
