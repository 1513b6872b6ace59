"""What a circuit that is used for the first time has missed of what its fleet counts. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi_hybrid_breaker.core.states import CircuitState
from fastapi_hybrid_breaker.core.statistics import RUN_LIFE

from .answers import RUN_FIELDS, parse_run
from .work_item import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi_hybrid_breaker.circuits.circuit import Circuit

    from .evidence_merger import EvidenceMerger
    from .own_instance import OwnInstance
    from .shared_state import SharedState
    from .work_item import Kind

FIRST_WORD: Final = 1.0
"""Seconds for which successes are noted on a circuit that is used for the first time: until what
the fleet is counting has been read."""


class FirstUse:
    """Makes a circuit take part in a run of failures that was announced before it was in memory.

    Args:
        own: this instance.
        merger: what takes part from then on.
    """

    plans: tuple[str, ...] = ("run",)
    kinds: tuple[Kind, ...] = ("run",)

    def __init__(self, own: OwnInstance, merger: EvidenceMerger) -> None:
        self._own = own
        self._merger = merger

    def found(self, circuit: Circuit, heard: SharedState | None, made_at: float) -> None:
        """Apply what a first reading found in the hash; None: there is no state.

        ``made_at``: when the circuit was made here (monotonic seconds), before its first call.
        """
        core = circuit._core
        if (
            core.machine.state is not CircuitState.CLOSED
            or not core.membership.sharing.shares_calls()
        ):
            return
        if heard is not None and heard.basic_failures:
            # Counted before any call here, so that a success here has ended them.
            self._merger.note_basic(circuit, heard.basic_failures, made_at)
        if core.machine.statistics.run_threshold:
            self._own.schedule.note("run", circuit.key, 0.0)

    def due(self, kind: str, key: str, now: float) -> Iterator[Request]:  # noqa: ARG002 - one kind
        """Request the consecutive failures of a circuit whose hash has been read."""
        yield Request("run", key, ("HMGET", self._own.names.evidence(key), *RUN_FIELDS))

    def put_back(self, request: Request) -> None:
        """Request it again."""
        self._own.schedule.note("run", request.key, 0.0)

    def answered(self, request: Request, answer: Any) -> None:
        """Join in consecutive failures that are being counted: a success since then ends them.

        Raises:
            MalformedError: it is no answer to such a question.
        """
        circuit = self._own.registry.get(request.key)
        if circuit is None:
            return
        state = (circuit._core.membership.version, circuit._core.membership.writer)
        run = parse_run(answer, state, self._own.server.now() or 0.0)
        if run is not None:
            now = circuit._clock()
            with circuit._hold() as core:
                core.membership.calls.listen(now, now + RUN_LIFE)
            if run.is_suspect:
                self._merger.suspected(circuit.key, run.lasts)
