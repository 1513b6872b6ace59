"""Openings that bind only one instance: reported, counted, and shown. No I/O."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

from fastapi_hybrid_breaker.core.quorum import votes_needed

from .answers import VOTE_FIELDS, parse_sums, parse_votes
from .evidence_request import evidence_request
from .work_item import Request, resolve
from .write_back import write_back

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi_hybrid_breaker.circuits.circuit import Circuit

    from .answers import Sums
    from .own_instance import OwnInstance
    from .work_item import Kind

LASTS: Final = 15.0
REPEATED_AFTER: Final = 5.0
"""Seconds that a vote lasts, and after which it is repeated while it stands: it ends with its
instance, and is counted again when others have come or gone."""

_WRITTEN_BACK_IN: Final = 0.2
"""Seconds after which a vote is cast again that the server, having lost the circuit, could not
place."""


class QuorumVotes:
    """Sends the votes of this process, and opens for all what enough instances have opened.

    Args:
        own: this instance.
    """

    plans: tuple[str, ...] = ("vote", "votes")
    kinds: tuple[Kind, ...] = ("vote", "votes")

    def __init__(self, own: OwnInstance) -> None:
        self._own = own
        self._schedule = own.schedule
        self._questions: deque[tuple[str, Future[tuple[str, ...] | None]]] = deque()
        self._is_leaving = False

    def touched(self, circuit: Circuit) -> None:
        """Look at what has become of a circuit."""
        if circuit._core.membership.local_only or circuit._core.membership.has_voted:
            self._schedule.note("vote", circuit.key, 0.0)

    def stands_alone(self, circuit: Circuit) -> None:
        """Report a circuit that is open only here: whoever reconnects begins with that."""
        if circuit._core.membership.local_only:
            self._schedule.note("vote", circuit.key, 0.0)

    def leave(self) -> None:
        """Withdraw all votes: they end with this process."""
        for circuit in self._own.registry:
            if circuit._core.membership.has_voted:
                self._is_leaving = True
                self._schedule.note("vote", circuit.key, 0.0)

    def ask(self, key: str) -> Future[tuple[str, ...] | None]:
        """Request which instances have a circuit open for themselves; the future gets them."""
        answer: Future[tuple[str, ...] | None] = Future()
        self._questions.append((key, answer))
        self._schedule.note("votes", "", 0.0)
        return answer

    def due(self, kind: str, key: str, now: float) -> Iterator[Request]:
        """Return a vote, or all requests for votes."""
        if kind == "votes":
            while self._questions:
                asked, waiting = self._questions.popleft()
                command = ("HMGET", self._own.names.evidence(asked), *VOTE_FIELDS)
                yield Request("votes", asked, command, waiting=[waiting])
            return
        circuit = self._own.registry.get(key)
        if circuit is None:
            return
        with circuit._hold() as core:
            stands = core.membership.vote()
        if stands is not None:
            stands = stands and not self._is_leaving
            if stands:
                self._schedule.note("vote", key, now + REPEATED_AFTER)
            yield evidence_request("vote", self._own, circuit, now, stands=LASTS if stands else 0.0)

    def put_back(self, request: Request) -> None:
        """Send a vote again; whoever asked does not wait for another answer."""
        for waiting in request.waiting:
            resolve(waiting, None)
        if request.kind == "vote":
            self._schedule.note("vote", request.key, self._own.clock())

    def answered(self, request: Request, answer: Any) -> None:
        """Apply how many have voted, or who.

        Raises:
            MalformedError: it is no answer to such a question.
        """
        circuit = self._own.registry.get(request.key)
        if request.kind == "votes":
            known = (
                None
                if circuit is None
                else (circuit._core.membership.version, circuit._core.membership.writer)
            )
            found = parse_votes(answer, known, self._own.server.now() or 0.0)
            for waiting in request.waiting:
                resolve(waiting, found)
        elif circuit is not None:
            self._count(circuit, request.about, parse_sums(answer))

    def _count(self, circuit: Circuit, generation: int, sums: Sums) -> None:
        if sums.status == "stale":
            self._own.work.want(circuit.key, "read")
        elif not circuit._core.membership.local_only:
            # Where the server has lost the circuit, nobody counts it either.
            with circuit._hold() as core:
                core.membership.withdrew()
        elif circuit.config.scope != "fleet":
            pass  # it is only to be seen; nobody's state is the fleet's to be written back
        elif sums.status == "missing":
            write_back(circuit, self._own.work, must=True)
            self._schedule.note("vote", circuit.key, self._own.clock() + _WRITTEN_BACK_IN)
        else:
            live = max(self._own.registry.peers.live, sums.votes)
            if sums.votes >= votes_needed(circuit.config.quorum, live):
                with circuit._hold() as core:
                    core.membership.join(generation)
                self._own.work.want_change(circuit)
