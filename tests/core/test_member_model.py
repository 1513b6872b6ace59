"""Several instances and their server, in any order of calls, results, messages and waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from fastapi_hybrid_breaker.core.config import CircuitConfig
from fastapi_hybrid_breaker.core.lease import OVERDUE_AFTER
from fastapi_hybrid_breaker.core.probe import Ticket
from fastapi_hybrid_breaker.core.states import Outcome

from .machines import Machine
from .members import fleet
from .server import TERM

if TYPE_CHECKING:
    pass
from .several import (
    CLOSED,
    HALF_OPEN,
    NAMES,
    OPEN,
    OPEN_TIME,
    PATIENCE,
    PROBE_TIME,
    Instance,
    Several,
    outcomes,
    waits,
    who,
)


class Fleet(Several):
    """A few instances with one circuit each, all of them connected."""

    running = Bundle("running")

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


class TestFleet(Fleet.TestCase):
    settings = settings(max_examples=20, stateful_step_count=60, deadline=None)


@pytest.mark.slow
class TestManyFleets(Fleet.TestCase):
    settings = settings(max_examples=300, stateful_step_count=60, deadline=None)
