"""What a fleet's server keeps of one circuit, by the rules: written for clearness, nothing is lost.

It is asked in the words of the core, not of the wire. Times are on the one clock that all share.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fastapi_hybrid_breaker.core.evidence import Evidence
from fastapi_hybrid_breaker.core.lease import Lease
from fastapi_hybrid_breaker.core.news import News
from fastapi_hybrid_breaker.core.states import Cause, CircuitState

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.lease import LeaseWish
    from fastapi_hybrid_breaker.core.news import Proposal

CLOSED, OPEN = CircuitState.CLOSED, CircuitState.OPEN

TERM = 2.0
SAFETY = 0.25
"""Seconds by which a holder thinks that its lease ends sooner."""


@dataclass
class Running:
    """Probes that an instance has told of."""

    count: int
    noted: float
    until: float


@dataclass
class Server:
    """The state of the circuit in the fleet, and who may probe it."""

    version: int = 0
    writer: str = ""
    state: CircuitState = CLOSED
    next_attempt: float = 0.0
    reopenings: int = 0
    evidence: Evidence | None = None
    holder: str = ""
    given: float = 0.0
    ends: float = 0.0
    successes: int = 0
    probing: dict[str, Running] = field(default_factory=dict)

    def news(self, now: float) -> News:
        return News(
            self.version,
            self.writer,
            self.state,
            failures=0,
            successes=0,
            remaining=max(0.0, self.next_attempt - now) if self.state is OPEN else 0.0,
            reopenings=self.reopenings,
            evidence=self.evidence,
        )

    def change(self, who: str, proposal: Proposal, now: float) -> bool:
        """Write a change that builds on what is stored; tells whether it was."""
        if (self.version, self.writer) > (proposal.version, proposal.writer):
            return False
        is_running = self.state is OPEN and self.next_attempt > now
        if proposal.state is not OPEN and is_running:
            return False
        self._write(who, proposal, now)
        return True

    def reset(self, who: str, proposal: Proposal, now: float) -> None:
        evidence = Evidence(cause=Cause.RESET)
        self._write(who, replace(proposal, state=CLOSED, reopenings=0, evidence=evidence), now)

    def lease(self, who: str, wish: LeaseWish, now: float) -> tuple[str, Lease, int]:
        """Return the lease, or say that it is held, or why it makes no sense to ask."""
        nothing = Lease(places=0, deadline=self.ends)
        is_newer = (self.version, self.writer) > (wish.version, wish.writer)
        if (is_newer and self.writer != who) or self.state is CLOSED or not self.version:
            return "moved", nothing, 0
        if self.given < self.next_attempt:  # it was given in an earlier recovery
            self.holder, self.ends, self.successes = "", 0.0, 0
        self.probing = {
            other: one
            for other, one in self.probing.items()
            if other != who and one.until > now and one.noted >= self.next_attempt
        }
        others = sum(one.count for one in self.probing.values())
        if wish.running:
            self.probing[who] = Running(wish.running, now, now + wish.busy_for)
        so_far = max(wish.successes, self.successes)
        if self.state is OPEN and self.next_attempt > now:
            return "early", nothing, 0
        if self.holder != who and self.ends > now:
            return "held", nothing, so_far
        if others >= wish.places:
            return "full", nothing, so_far
        self.holder, self.given, self.ends, self.successes = who, now, now + TERM, so_far
        return "granted", Lease(wish.places - others, now + TERM - SAFETY), so_far

    def _write(self, who: str, proposal: Proposal, now: float) -> None:
        self.version, self.writer, self.state = self.version + 1, who, proposal.state
        self.reopenings, self.evidence = proposal.reopenings, proposal.evidence
        if self.state is OPEN:
            self.next_attempt = now + proposal.remaining
        elif self.state is CLOSED:
            self.next_attempt = 0.0
        else:
            self.next_attempt = min(self.next_attempt, now)
