"""Several instances and their server, in any order of calls, results, messages and waits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from fastapi_hybrid_breaker.core.config import CircuitConfig
from fastapi_hybrid_breaker.core.lease import OVERDUE_AFTER
from fastapi_hybrid_breaker.core.probe import Probe, Ticket
from fastapi_hybrid_breaker.core.states import CircuitState, Outcome

from .machines import Machine
from .members import fleet
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


class Fleet(RuleBasedStateMachine):
    """A few instances with one circuit each, all of them connected."""

    running = Bundle("running")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.server = Server()
        self.without_lease: set[Probe] = set()
        self.succeeded: list[float] = []  # when probes did, anywhere

    @initialize(
        live=st.integers(2, 4),
        threshold=st.integers(1, 2),
        successes=st.integers(1, 3),
        places=st.integers(1, 3),
    )
    def begin(self, live: int, threshold: int, successes: int, places: int) -> None:
        config = CircuitConfig(
            failure_threshold=threshold,
            success_threshold=successes,
            half_open_max_calls=places,
            recovery_timeout=OPEN_TIME,
            half_open_timeout=PROBE_TIME,
        )
        around = fleet(live)
        self.places = places
        self.all = [Instance(name, Machine("k", config, peers=around)) for name in NAMES[:live]]

    # -- what can happen --------------------------------------------------------------------

    @rule(target=running, at=who)
    def call(self, at: int) -> Any:
        one = self._one(at)
        ticket = self._admit(one)
        return multiple() if ticket is None else (one, ticket)

    @rule(target=running, at=who, calls=st.integers(2, 4))
    def rush(self, at: int, calls: int) -> Any:
        one = self._one(at)
        tickets = [self._admit(one) for _ in range(calls)]
        return multiple(*((one, ticket) for ticket in tickets if ticket is not None))

    @rule(at=who, outcome=outcomes)
    def call_and_report(self, at: int, outcome: Outcome) -> None:
        one = self._one(at)
        ticket = self._admit(one)
        if ticket is not None:
            self._settle(one, ticket, outcome)

    @rule(pair=consumes(running), outcome=outcomes)
    def report(self, pair: tuple[Instance, Ticket], outcome: Outcome) -> None:
        self._settle(*pair, outcome)

    @rule(at=who)
    def trip(self, at: int) -> None:
        one = self._one(at)
        while one.machine.state is CLOSED:
            ticket = self._admit(one)
            assert ticket is not None
            self._settle(one, ticket, Outcome.FAILURE)

    @rule(at=who)
    def reset(self, at: int) -> None:
        one = self._one(at)
        self._deliver_reply(one)
        one.machine.reset(self.now)
        self._look_at(one)
        proposal = one.machine.describe(self.now)
        self.server.reset(one.name, proposal, self.now)
        self._written(one, proposal)

    @rule(at=who)
    def send(self, at: int) -> None:
        one = self._one(at)
        self._propose(one)
        if one.machine.wants_lease:
            self._ask(one)

    @rule(at=who)
    def deliver_answers(self, at: int) -> None:
        one = self._one(at)
        self._deliver_reply(one)
        self._deliver_answer(one)

    @rule(at=who, which=st.integers(0, 5))
    def deliver_news(self, at: int, which: int) -> None:
        one = self._one(at)
        if one.inbox:
            self._adopt(one, one.inbox.pop(which % len(one.inbox)))

    @rule(at=who)
    def hear_of_a_lease_in_use(self, at: int) -> None:
        """Its holder has prolonged it, and whoever knows the state that it is about is told."""
        one, told = self._one(at), self.server
        knows = (one.machine.version, one.machine.writer) == (told.version, told.writer)
        if knows and told.holder not in {"", one.name} and told.given >= told.next_attempt:
            until = min(told.ends, self.now + TERM)
            one.machine.see_probing(self.now)
            one.machine.see_lease(one.machine.opening, until, 0)
            one.last_sign = max(one.last_sign, self.now)
            one.taken_until = max(one.taken_until, until)

    @rule(steps=waits, is_heard=st.booleans())
    def wait(self, steps: int, is_heard: bool) -> None:
        for _ in range(steps):
            self._step(is_heard=is_heard)

    @rule(target=running, at=who)
    def come_back(self, at: int) -> Any:
        """Nothing rejects for ever: who alone has traffic is admitted in time."""
        one, began = self._one(at), self.now
        while (ticket := self._admit(one)) is None:
            assert self.now - began < PATIENCE
            assert one.machine.retry_after(self.now) <= OPEN_TIME
            self._step(is_heard=True)
        return one, ticket

    @rule(at=who, steps=st.sampled_from([0, 0, 5, 17]))
    def recover(self, at: int, steps: int) -> None:
        """A probe goes well, if it is still wanted by the time it ends."""
        one, ticket = self.come_back(at)
        for _ in range(steps):
            self._step(is_heard=True)
        self._settle(one, ticket, Outcome.SUCCESS)

    @rule()
    def deliver_everything(self) -> None:
        """Whatever happened, and in whatever order it was heard: all agree in the end."""
        while any(one.inbox or one.reply or one.answer or one.machine.unshared for one in self.all):
            for one in self.all:
                self._deliver(one, is_heard=True)
                self._propose(one)
        for one in self.all:
            machine = one.machine
            assert machine.state is self.server.state
            assert (machine.version, machine.writer) == (self.server.version, self.server.writer)
            assert machine.reopenings == self.server.reopenings
            if machine.state is OPEN:
                left = max(0.0, self.server.next_attempt - self.now)
                assert machine.retry_after(self.now) == left

    # -- what always holds ------------------------------------------------------------------

    @invariant()
    def probes_of_all_keep_to_the_places_of_one(self) -> None:
        under_lease = [
            probe
            for one in self.all
            for probe in one.machine.probes or ()
            if probe.has_place(self.now) and probe not in self.without_lease
        ]
        assert len(under_lease) <= self.places

    @invariant()
    def without_the_lease_each_has_one_probe_at_most(self) -> None:
        for one in self.all:
            loose = [
                probe
                for probe in one.machine.probes or ()
                if probe.has_place(self.now) and probe in self.without_lease
            ]
            assert len(loose) <= 1

    @invariant()
    def a_rejected_caller_is_told_to_wait(self) -> None:
        for one in self.all:
            machine = one.machine
            has_lease = machine.lease is not None and self.now < machine.lease.deadline
            if machine.state is HALF_OPEN and not has_lease:
                is_overdue = self.now >= max(one.last_sign + OVERDUE_AFTER, one.taken_until)
                assert machine.retry_after(self.now) >= 1.0 or is_overdue
            assert not machine.successes or machine.state is HALF_OPEN

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


class TestFleet(Fleet.TestCase):
    settings = settings(max_examples=20, stateful_step_count=60, deadline=None)


@pytest.mark.slow
class TestManyFleets(Fleet.TestCase):
    settings = settings(max_examples=300, stateful_step_count=60, deadline=None)
