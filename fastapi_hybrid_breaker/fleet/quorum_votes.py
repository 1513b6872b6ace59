"""Openings that bind only one instance: told, counted, and shown. No I/O."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

from fastapi_hybrid_breaker.core.quorum import votes_needed

from .answers import VOTE_FIELDS, parse_sums, parse_votes
from .commands import report_command
from .schedule import Schedule
from .work_item import Request, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi_hybrid_breaker.circuits.circuit import Circuit

    from .answers import Sums
    from .inbox import Inbox
    from .names import Names

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
        inbox: what is known of the fleet.
        names: the names in Redis.
        changed: is told of circuits whose state others are to hear of.
    """

    def __init__(self, inbox: Inbox, names: Names, *, changed: Callable[[Circuit], None]) -> None:
        self._inbox = inbox
        self._names = names
        self._changed = changed
        self._due = Schedule()
        self._questions: deque[tuple[str, Future[tuple[str, ...] | None]]] = deque()
        self._is_leaving = False

    def touched(self, circuit: Circuit) -> None:
        """Look at what has become of a circuit."""
        if circuit.core.membership.local_only or circuit.core.membership.has_voted:
            self._due.note(circuit.key, 0.0)

    def stands_alone(self, circuit: Circuit) -> None:
        """Report a circuit that is open only here: whoever reconnects begins with that."""
        if circuit.core.membership.local_only:
            self._due.note(circuit.key, 0.0)

    def leave(self) -> None:
        """Withdraw all votes: they end with this process."""
        for circuit in self._inbox.registry:
            if circuit.core.membership.has_voted:
                self._is_leaving = True
                self._due.note(circuit.key, 0.0)

    def ask(self, key: str) -> Future[tuple[str, ...] | None]:
        """Request which instances have a circuit open for themselves; the future gets them."""
        answer: Future[tuple[str, ...] | None] = Future()
        self._questions.append((key, answer))
        return answer

    def take(self, now: float, most: int) -> Iterator[Request]:
        """Return the votes that are due, and the requests for votes."""
        for key in self._due.take(now, most):
            circuit = self._inbox.registry.get(key)
            if circuit is None:
                continue
            with circuit.locked() as core:
                stands = core.membership.vote()
            if stands is not None:
                stands = stands and not self._is_leaving
                if stands:
                    self._due.note(key, now + REPEATED_AFTER)
                yield self._request(circuit, LASTS if stands else 0.0)
        while self._questions:
            key, waiting = self._questions.popleft()
            command = ("HMGET", self._names.evidence(key), *VOTE_FIELDS)
            yield Request("votes", key, command, waiting=[waiting], topic=self)

    def put_back(self, request: Request) -> None:
        """Send a vote again; whoever asked does not wait for another answer."""
        for waiting in request.waiting:
            resolve(waiting, None)
        if request.kind == "vote":
            self._due.note(request.key, self._inbox.clock())

    def next_due(self) -> float | None:
        """Return when the next is due."""
        return 0.0 if self._questions else self._due.next_due()

    def answered(self, request: Request, answer: Any) -> None:
        """Apply how many have voted, or who.

        Raises:
            MalformedError: it is no answer to such a question.
        """
        circuit = self._inbox.registry.get(request.key)
        if request.kind == "votes":
            known = (
                None
                if circuit is None
                else (circuit.core.membership.version, circuit.core.membership.writer)
            )
            found = parse_votes(answer, known, self._inbox.server_now() or 0.0)
            for waiting in request.waiting:
                resolve(waiting, found)
        elif circuit is not None:
            self._count(circuit, request.about, parse_sums(answer))

    def _request(self, circuit: Circuit, stands: float) -> Request:
        core = circuit.core
        command = report_command(
            "vote",
            self._names,
            self._inbox.instance,
            circuit.key,
            version=core.membership.version,
            writer=core.membership.writer,
            stands=stands,
            now=self._inbox.clock(),
        )
        return Request("vote", circuit.key, command, topic=self, about=core.machine.generation)

    def _count(self, circuit: Circuit, generation: int, sums: Sums) -> None:
        if sums.status == "stale":
            self._inbox.work.want(circuit.key, "read")
        elif not circuit.core.membership.local_only:
            # Where the server has lost the circuit, nobody counts it either.
            with circuit.locked() as core:
                core.membership.withdrew()
        elif circuit.config.scope != "fleet":
            pass  # it is only to be seen; nobody's state is the fleet's to be written back
        elif sums.status == "missing":
            self._inbox.missed(circuit, must=True)
            self._due.note(circuit.key, self._inbox.clock() + _WRITTEN_BACK_IN)
        else:
            live = max(self._inbox.registry.peers.live, sums.votes)
            if sums.votes >= votes_needed(circuit.config.quorum, live):
                with circuit.locked() as core:
                    core.membership.join(generation)
                self._changed(circuit)
