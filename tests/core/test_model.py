"""Any sequence of calls, results, waits, resets and news: the machine does what the rules say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from fastapi_hybrid_breaker.core.config import CircuitConfig
from fastapi_hybrid_breaker.core.news import News, Proposal
from fastapi_hybrid_breaker.core.probe import Probe, Ticket
from fastapi_hybrid_breaker.core.states import CircuitState, Outcome

from .machines import Machine, fields_of
from .reference import Call, Reference

OPEN_TIME = 8.0
PROBE_TIME = 5.0

outcomes = st.sampled_from(Outcome)
# Eighths of seconds add up exactly, so that both sides meet the same deadlines.
waits = st.integers(0, 80).map(lambda eighths: eighths / 8)
written = st.tuples(
    st.integers(-1, 2),  # ahead of the version that is known
    st.sampled_from(["a", "b"]),
    st.sampled_from(CircuitState),
    st.integers(0, 4),
    waits,
)


class Life(RuleBasedStateMachine):
    """One circuit's life, lived twice."""

    running = Bundle("running")
    settled = Bundle("settled")
    proposals = Bundle("proposals")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.generation = 0

    @initialize(threshold=st.integers(1, 3), successes=st.integers(1, 3), places=st.integers(1, 3))
    def begin(self, threshold: int, successes: int, places: int) -> None:
        self.config = CircuitConfig(
            failure_threshold=threshold,
            success_threshold=successes,
            half_open_max_calls=places,
            recovery_timeout=OPEN_TIME,
            half_open_timeout=PROBE_TIME,
        )
        self.machine = Machine("k", self.config)
        self.reference = Reference(
            threshold=threshold,
            successes=successes,
            places=places,
            open_time=OPEN_TIME,
            probe_time=PROBE_TIME,
        )

    # -- what can happen --------------------------------------------------------------------

    @rule(target=running)
    def call(self) -> Any:
        before = self.machine.state
        ticket, change = self.machine.admit(self.now)
        call = self.reference.admit(self.now)
        assert (ticket is None) == (call is None)
        assert (change is not None) == (self.machine.state != before)
        return multiple() if ticket is None else (ticket, call)

    @rule(target=settled, outcome=outcomes)
    def call_and_report(self, outcome: Outcome) -> Any:
        pair: Any = self.call()
        if not isinstance(pair, MultipleResults):
            self._settle(pair, outcome)
        return pair

    @precondition(lambda self: self.machine.state is CircuitState.CLOSED)
    @rule()
    def trip(self) -> None:
        while self.machine.state is CircuitState.CLOSED:
            pair: Any = self.call()
            self._settle(pair, Outcome.FAILURE)

    @precondition(lambda self: self.machine.state is CircuitState.OPEN)
    @rule()
    def wait_out_the_open_time(self) -> None:
        self.now = max(self.now, self.reference.opens_until)

    @rule(target=settled, pair=consumes(running), outcome=outcomes)
    def report(self, pair: tuple[Ticket, Call], outcome: Outcome) -> Any:
        self._settle(pair, outcome)
        return pair

    @rule(pair=settled, outcome=outcomes)
    def report_again(self, pair: tuple[Ticket, Call], outcome: Outcome) -> None:
        # A number stands for all calls of its moment: only a probe can be told twice, and a
        # number of a time that is over.
        ticket, call = pair
        if isinstance(ticket, Probe) or call.period != self.reference.period:
            self._expect_nothing(ticket, outcome)

    @rule(seconds=waits)
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def reset(self) -> None:
        self.machine.reset(self.now)
        self.reference.reset()

    @rule(told=written)
    def hear(self, told: tuple[int, str, CircuitState, int, float]) -> None:
        ahead, writer, state, failures, remaining = told
        told = (self.machine.version + ahead, writer, state, failures, remaining)
        self._adopt(told)
        version = self.machine.version, self.machine.writer
        generation = self.machine.generation
        self.machine.adopt(_news(told), self.now)  # the same news twice changes nothing
        assert (self.machine.version, self.machine.writer) == version
        assert self.machine.generation == generation

    @rule(target=proposals)
    def propose(self) -> Any:
        proposal = self.machine.propose(self.now)
        assert (proposal is not None) == self.reference.unshared
        return multiple() if proposal is None else (proposal, self.reference.period)

    @rule(pair=consumes(proposals), ahead=st.integers(1, 3))
    def hear_consent(self, pair: tuple[Proposal, int], ahead: int) -> None:
        proposal, period = pair
        told = (
            proposal.version + ahead,
            "c",
            proposal.state,
            proposal.failures,
            proposal.remaining,
        )
        if self.reference.version == (proposal.version, proposal.writer):
            self.reference.version = told[:2]
            if self.reference.period == period:
                self.reference.unshared = False
        else:
            self.reference.adopt(told[:2], told[2], told[3], told[4], self.now)
        self.machine.confirm(proposal, _news(told), self.now)

    @precondition(lambda self: self.machine.state is not CircuitState.CLOSED)
    @rule()
    def come_back_much_later(self) -> None:
        """Nothing rejects for ever: not open circuits, nor probes that never report."""
        self.now += OPEN_TIME + PROBE_TIME
        self.now = max(self.now, self.reference.opens_until)  # the fleet's may be longer
        pair = self.call()
        assert isinstance(pair, tuple)
        self._settle(pair, Outcome.NOT_COUNTED)

    # -- what always holds ------------------------------------------------------------------

    @invariant()
    def shows_what_the_rules_say(self) -> None:
        machine, reference = self.machine, self.reference
        assert machine.state == reference.state
        assert machine.failures == reference.failures
        assert machine.successes == reference.successes
        assert machine.retry_after(self.now) == reference.wait(self.now)
        assert (machine.version, machine.writer) == reference.version
        assert machine.unshared == reference.unshared

    @invariant()
    def probes_keep_to_their_places(self) -> None:
        in_time = [one for one in self.machine.probes or () if self.now < one.deadline]
        assert len(in_time) == self.reference.holders(self.now) <= self.config.probe_places
        assert all(one.is_running() for one in in_time)

    @invariant()
    def generation_never_falls(self) -> None:
        assert self.machine.generation >= self.generation
        assert self.machine.generation == self.reference.period
        self.generation = self.machine.generation

    @invariant()
    def unlocked_readers_are_not_misled(self) -> None:
        machine = self.machine
        assert (machine.free_permit is None) == (machine.state is not CircuitState.CLOSED)
        assert machine.free_permit in {None, machine.sequence}
        if machine.failures or machine.state is not CircuitState.CLOSED:
            assert machine.counts_successes is True

    # -- parts ------------------------------------------------------------------------------

    def _settle(self, pair: tuple[Ticket, Call], outcome: Outcome) -> None:
        ticket, call = pair
        if call.period != self.reference.period:
            self._expect_nothing(ticket, outcome)
            call.settled = True
            return
        self.machine.settle(ticket, outcome, self.now)
        self.reference.settle(call, outcome.value, self.now)

    def _expect_nothing(self, ticket: Ticket, outcome: Outcome) -> None:
        before = self._all()
        assert self.machine.settle(ticket, outcome, self.now) is None
        assert self._all() == before

    def _all(self) -> dict[str, object]:
        return fields_of(self.machine)

    def _adopt(self, told: tuple[int, str, CircuitState, int, float]) -> None:
        version, writer, state, failures, remaining = told
        self.machine.adopt(_news(told), self.now)
        self.reference.adopt((version, writer), state, failures, remaining, self.now)


def _news(told: tuple[int, str, CircuitState, int, float]) -> News:
    version, writer, state, failures, remaining = told
    return News(version, writer, state, failures, successes=0, remaining=remaining)


class TestLife(Life.TestCase):
    settings = settings(max_examples=20, stateful_step_count=60, deadline=None)


@pytest.mark.slow
class TestManyLives(Life.TestCase):
    settings = settings(max_examples=200, stateful_step_count=60, deadline=None)
