"""The requests to ``evidence.lua`` about the state that a circuit has here now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from .commands import report_command
from .work_item import Request

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.circuits.circuit import Circuit

    from .own_instance import OwnInstance


def evidence_request(
    kind: Literal["confirm", "vote"],
    own: OwnInstance,
    circuit: Circuit,
    now: float,
    *,
    threshold: int = 0,
    objecting: float = 0.0,
    stands: float = 0.0,
) -> Request:
    """Return the confirmation of a run, or a vote; the last three are as in ``report_command``.

    Its answer matters only while the circuit has the same generation, which goes with it.
    """
    with circuit._hold() as core:
        generation = core.machine.generation
        version, writer = core.membership.version, core.membership.writer
    command = report_command(
        kind,
        own.names,
        own.name,
        circuit.key,
        version=version,
        writer=writer,
        threshold=threshold,
        objecting=objecting,
        stands=stands,
        now=now,
    )
    return Request(kind, circuit.key, command, about=generation)
