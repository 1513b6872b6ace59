"""Several instances and their server: how they send, receive and answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from fastapi_hybrid_breaker.core.lease import OVERDUE_AFTER
from fastapi_hybrid_breaker.core.probe import Probe, Ticket
from fastapi_hybrid_breaker.core.states import CircuitState, Outcome

from .machines import Machine
from .server import TERM, Server

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.lease import Lease, LeaseWish
    from fastapi_hybrid_breaker.core.news import Proposal

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN

OPEN_TIME = 8.0
PROBE_TIME = 5.0
STEP = 1 / 8
"""Seconds; sums of it are exact, so that all sides meet the same deadlines."""

RENEW_EVERY = 5 * STEP
AFTER_YOU = 2 * STEP
POLL = 1.0

PATIENCE = OPEN_TIME + PROBE_TIME + 10.0
"""Seconds within which a circuit with traffic admits a call again, whatever came before."""

NAMES = "abcd"

who = st.sampled_from(range(len(NAMES)))
outcomes = st.sampled_from(Outcome)
waits = st.sampled_from([1, 2, 5, 8, 15, 16, 17, 40, 64, 104, 120])


@dataclass
class Instance:
    """A circuit, what is on its way to it, and how it stands to the lease."""

    name: str
    machine: Machine
    inbox: list[Server] = field(default_factory=list)  # as it was when it was told
    reply: tuple[Proposal, Server, bool] | None = None
    answer: tuple[LeaseWish, str, Lease, int] | None = None
    lease: Lease | None = None  # the server's
    last_sign: float = 0.0
    taken_until: float = 0.0
    holds: bool = False
    is_busy: bool = False
    successes: int = 0
    ends: float = 0.0
    check_at: float = 0.0
    not_before: float = 0.0
    generation: int = 0
    open_until: float = 0.0  # the end of the open time, of the opening that counts


class Several(RuleBasedStateMachine):
    """A few instances with one circuit each, all of them connected."""

    all: list[Instance]
    places: int

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.server = Server()
        self.without_lease: set[Probe] = set()
        self.succeeded: list[float] = []  # when probes did, anywhere

    # -- calls --------------------------------------------------------------------------------

    def _one(self, at: int) -> Instance:
        return self.all[at % len(self.all)]

    def _admit(self, one: Instance) -> Ticket | None:
        last_sign, taken_until = one.last_sign, one.taken_until
        lease = one.machine.lease
        has_lease = lease is not None and self.now < lease.deadline
        assert lease in {None, one.lease}
        ticket, _ = one.machine.admit(self.now)
        self._look_at(one)
        if isinstance(ticket, Probe) and not has_lease:
            self.without_lease.add(ticket)
            assert self.now >= last_sign + OVERDUE_AFTER
            assert self.now >= taken_until
            one.last_sign = self.now
        return ticket

    def _settle(self, one: Instance, ticket: Ticket, outcome: Outcome) -> None:
        machine = one.machine
        if isinstance(ticket, Probe) and ticket.is_running() and outcome is Outcome.SUCCESS:
            self.succeeded.append(self.now)
        change = machine.settle(ticket, outcome, self.now)
        if change is not None and change.new is CLOSED:
            here = [at for at in self.succeeded if at >= one.open_until]
            assert len(here) >= machine.config.success_threshold
        self._look_at(one)

    # -- state --------------------------------------------------------------------------------

    def _propose(self, one: Instance) -> None:
        proposal = None if one.reply else one.machine.propose(self.now)
        if proposal is None:
            return
        if self.server.change(one.name, proposal, self.now):
            self._written(one, proposal)
        else:
            one.reply = proposal, replace(self.server), False

    def _written(self, one: Instance, proposal: Proposal) -> None:
        told = replace(self.server)
        one.reply = proposal, told, True
        for other in self.all:
            if other is not one:
                other.inbox.append(told)

    def _adopt(self, one: Instance, told: Server, *, refused: bool = False) -> None:
        machine, was = one.machine, one.generation
        machine.adopt(told.news(self.now), self.now, refused=refused)
        self._look_at(one)
        if machine.generation != was and machine.state is HALF_OPEN:
            one.open_until = told.next_attempt
            one.last_sign, one.not_before = self.now, self.now + TERM

    def _deliver_reply(self, one: Instance) -> None:
        if one.reply is not None:
            proposal, told, is_done = one.reply
            one.reply = None
            if is_done:
                one.machine.confirm(proposal, told.news(self.now), self.now)
                self._look_at(one)
            else:
                self._adopt(one, told, refused=True)

    # -- the lease ------------------------------------------------------------------------------

    def _look_at(self, one: Instance) -> None:
        """Begin anew with the lease when the circuit has opened or closed."""
        machine = one.machine
        if machine.generation != one.generation:
            one.generation = machine.generation
            one.last_sign = max(one.last_sign, self.now)
            if machine.state is not HALF_OPEN:
                one.holds = one.is_busy = False
                one.not_before = machine.deadline if machine.state is OPEN else self.now
                one.last_sign, one.taken_until = one.not_before, 0.0
                one.open_until = one.not_before

    def _ask(self, one: Instance) -> None:
        self._deliver_answer(one)
        wish = one.machine.wish(self.now)
        if wish is not None:
            one.is_busy = wish.running > 0
            one.answer = (wish, *self.server.lease(one.name, wish, self.now))

    def _deliver_answer(self, one: Instance) -> None:
        if one.answer is None:
            return
        wish, status, lease, successes = one.answer
        one.answer = None
        one.holds = status == "granted"
        one.check_at = self.now + RENEW_EVERY
        if status == "granted":
            one.lease, one.ends = lease, self.server.ends
            one.successes = max(successes, wish.successes)
            one.machine.grant(wish.opening, lease, successes)
        elif status == "held":
            one.machine.see_lease(wish.opening, lease.deadline, successes)
            one.not_before = lease.deadline
            one.taken_until = max(one.taken_until, lease.deadline)
        elif status == "full":
            one.not_before = self.now + POLL
        elif status == "early":
            one.not_before = self.server.next_attempt
        else:
            self._adopt(one, self.server)

    def _look_after_lease(self, one: Instance) -> None:
        """Prolong it while it is used; let it go, or ask for it where a call wants it."""
        if (one.holds or one.is_busy) and self.now >= one.check_at:
            probes = one.machine.probes or ()
            runs = any(probe.has_place(self.now) for probe in probes)
            if one.is_busy or runs or one.machine.successes > one.successes:
                self._ask(one)
            elif self.now < one.ends:
                one.check_at = self.now + RENEW_EVERY
            else:
                one.holds, one.not_before = False, self.now + AFTER_YOU
        if one.machine.wants_lease and self.now >= one.not_before:
            self._ask(one)
        self._deliver_answer(one)

    # -- time -----------------------------------------------------------------------------------

    def _deliver(self, one: Instance, *, is_heard: bool) -> None:
        self._deliver_reply(one)
        self._deliver_answer(one)
        while is_heard and one.inbox:
            self._adopt(one, one.inbox.pop())

    def _step(self, *, is_heard: bool) -> None:
        """Let an eighth of a second pass: requests are answered, messages may be late."""
        for one in self.all:
            self._deliver(one, is_heard=is_heard)
        self.now += STEP
        for one in self.all:
            self._propose(one)
            self._look_after_lease(one)
