"""The place of one circuit in its fleet: what it takes over, proposes and votes for.

Pure, as the state machine is, and under the same lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .news import News, Proposal
from .recovery import AFTER_PROBES
from .shared_calls import SharedCalls
from .states import CLOSED, HALF_OPEN, OPEN, Cause

if TYPE_CHECKING:
    from .config import CircuitConfig
    from .machine import StateMachine
    from .outbox import Outbox
    from .shared_run import Report
    from .sharing import Sharing
    from .states import CircuitState

_FIRST_WORD: Final = 1.0
"""Seconds in which the first word on a circuit comes, where the server answers; and by which the
word must be older than what it is compared with, for that is by two clocks."""


class Membership:
    """The fleet's version of one circuit, and how this process differs from it.

    ``version`` and ``writer`` name the fleet's state that this one equals or is based on.
    ``unsynced`` says that a change of our own has happened on top of it, which the others are to
    hear of; ``has_voted``: the fleet knows that the circuit is open here alone; ``followed`` is the
    generation that an update of the fleet began last. ``calls`` are what is reported of calls.
    """

    __slots__ = (
        "_outbox",
        "calls",
        "config",
        "followed",
        "has_voted",
        "machine",
        "sharing",
        "unsynced",
        "version",
        "writer",
    )

    def __init__(
        self, config: CircuitConfig, machine: StateMachine, sharing: Sharing, outbox: Outbox
    ) -> None:
        self.config: CircuitConfig = config
        self.machine: StateMachine = machine
        self._outbox = outbox
        self.sharing: Sharing = sharing
        self.calls: SharedCalls = SharedCalls(machine, sharing, outbox)
        self.version: int = 0
        self.writer: str = ""
        self.unsynced: bool = False
        self.has_voted: bool = False
        self.followed: int = 0

    @property
    def local_only(self) -> bool:
        """Whether the present state holds in this process only."""
        return self.sharing.local_only

    # -- decided here -------------------------------------------

    def offer(self, old: CircuitState) -> None:
        """Offer the fleet the present state, which was decided here and follows ``old``.

        A circuit that is only tried out keeps it to itself. What was decided for all ends for all;
        what was not is nobody else's business.
        """
        if self.calls.run is not None:
            self.calls.clear()
        was_unsynced, sharing = self.unsynced, self.sharing
        self.unsynced = not sharing.shadow
        # A recovery that nobody knows of is sent together with what came of it.
        is_new = old is CLOSED and not was_unsynced
        is_alone = sharing.local_only or (is_new and self.config.quorum != 1)
        if sharing.shadow or (self.config.scope == "fleet" and not is_alone):
            return
        self.unsynced = False
        sharing.local_only = self.machine.state is not CLOSED
        self._outbox.needs_sync = True
        if (
            not sharing.local_only
            and sharing.shares_calls()
            and self.machine.statistics.run_threshold
        ):
            self.calls.end_run_of_fleet()

    def stand_with_the_fleet(self) -> None:
        """Make the state bind all again, as every one does that comes from the fleet."""
        self.sharing.local_only = False
        if self.has_voted:
            self._outbox.needs_sync = True

    def vote(self) -> bool | None:
        """Return whether this process stands by an opening that binds only itself.

        False: no longer; None: there is nothing to say.
        """
        if self.sharing.local_only:
            self.has_voted = True
            return True
        return False if self.has_voted else None

    def withdrew(self) -> None:
        """Record that the fleet does not count the vote any more."""
        self.has_voted = self.sharing.local_only

    def join(self, generation: int) -> None:
        """Make an opening of our own bind all: enough others have met the trouble."""
        machine = self.machine
        is_present = machine.generation == generation and machine.state is OPEN
        if self.sharing.local_only and is_present:
            self.sharing.local_only = False
            self.unsynced = True

    # -- proposed -------------------------------------------

    def propose(self, now: float) -> Proposal | None:
        """Return the change of our own that the fleet has not seen, or None."""
        return self.describe(now) if self.unsynced else None

    def describe(self, now: float) -> Proposal:
        """Return the present state and the version it is based on."""
        machine = self.machine
        recovery = machine.recovery
        return Proposal(
            generation=machine.generation,
            state=machine.state,
            failures=machine.failures,
            successes=machine.probes.successes,
            remaining=max(0.0, machine.open_until - now) if machine.state is OPEN else 0.0,
            version=self.version,
            writer=self.writer,
            reopenings=recovery.reopenings,
            evidence=machine.evidence,
            recovered_for=self._since(recovery.recovered_at, now),
            let_back_for=self._since(recovery.ramp_from, now),
            machine=machine,
        )

    def _since(self, moment: float | None, now: float) -> float | None:
        """Return how long ago something was that belongs to being CLOSED."""
        is_closed = self.machine.state is CLOSED
        return None if moment is None or not is_closed else max(0.0, now - moment)

    def confirm(self, proposal: Proposal, news: News, now: float) -> None:
        """Record the fleet's consent: ``proposal`` stands there now as ``news``.

        What this process changed after proposing stays, now based on ``news``. Where another update
        was adopted after proposing, ours is compared with that like anybody's.
        """
        is_other = proposal.machine is not self.machine or self.followed > proposal.generation
        if is_other or (self.version, self.writer) != (proposal.version, proposal.writer):
            self.adopt(news, now)
            return
        self.version, self.writer = news.version, news.writer
        if self.machine.generation == proposal.generation:
            self.unsynced = False

    def take_report(self, now: float, *, collecting: bool) -> Report | None:
        """Return what is to be reported of the calls here; it counts as reported."""
        if self.machine.state is not CLOSED or self.unsynced or not self.sharing.shares_calls():
            return None
        return self.calls.take(now, self.version, self.writer, collecting=collecting)

    # -- taken over -------------------------------------------

    def adopt(self, news: News, now: float, *, refused: bool = False) -> None:
        """Apply the fleet's state, if it is newer than what this process knows.

        A change of our own that the fleet has not seen loses: the first writer wins. Calls that
        run now were admitted by another state and count no more, with one exception: probes go
        on when HALF_OPEN meets HALF_OPEN, two instances having ended the recovery timeout at once.

        ``refused``: it is what the fleet holds against a change of our own, which is void even
        where it builds on this very state.
        """
        if self._was_so_all_along(news, now):
            self._stand_on(news, now)
            return
        is_refusal = refused and self.unsynced and self._stands_on(news)
        if not is_refusal and not news.is_newer_than(self.version, self.writer):
            return
        self.version, self.writer, self.unsynced = news.version, news.writer, False
        is_reset = _is_reset(news)
        if self.config.scope == "instance" and not is_reset:
            return  # others decide for themselves, and so does this one
        self.stand_with_the_fleet()
        machine = self.machine
        recovery = machine.recovery
        recovery.reopenings = news.reopenings
        if news.state is HALF_OPEN and machine.state is HALF_OPEN:
            machine.probes.see_others_probe(now)
            return
        known = None
        if machine.state is CLOSED:
            known = recovery.recovered_at, recovery.ramp_from
        self._follow(news, now)
        if news.state is not CLOSED:
            machine.failures = news.failures
        else:
            self._take_recovery(news, now, known, is_reset=is_reset)
        if news.state is OPEN:
            machine.open_until = now + news.remaining
        elif news.state is HALF_OPEN:
            machine.open_until = min(machine.open_until, now)  # an opening of ours is void
            machine.probes.see_others_probe(now)

    def _follow(self, news: News, now: float) -> None:
        """Begin the state that the fleet reports."""
        machine, evidence = self.machine, news.evidence
        has_changed = machine.enter(news.state, Cause.FLEET, now, evidence, news.writer)
        self.calls.clear()
        self.followed = machine.generation
        if not has_changed and evidence is not None and evidence.cause in AFTER_PROBES:
            # It was HALF_OPEN meanwhile, for too short a time to be reported, and opened again.
            self._outbox.add(
                *(HALF_OPEN, OPEN, Cause.FLEET, machine.generation, evidence, now, news.writer)
            )

    def _take_recovery(
        self,
        news: News,
        now: float,
        known: tuple[float | None, float | None] | None,
        *,
        is_reset: bool,
    ) -> None:
        """Apply when the fleet's circuit recovered, and since when calls are let back.

        ``known`` is what was known here, if the circuit was CLOSED already: it stands where
        the update does not say, as that of an older version, or of a recovery brought about by two.
        """
        recovered_for, let_back_for = news.recovered_for, news.let_back_for
        if known is None and recovered_for is None and not is_reset:
            recovered_for = let_back_for = news.age
        recovered_at = None if recovered_for is None else now - recovered_for
        let_back_at = None if let_back_for is None else now - let_back_for
        if known is not None and not is_reset:
            recovered_at = known[0] if recovered_at is None else recovered_at
            let_back_at = known[1] if let_back_at is None else let_back_at
        self.machine.recovery.recovered_at = recovered_at
        self.machine.recovery.let_back(let_back_at)

    def _was_so_all_along(self, news: News, now: float) -> bool:
        """Return whether what was counted here, unaware of the fleet, was counted on top of it.

        So it is when this is the first that a new process hears of a circuit which was CLOSED
        before it came: its failures count, and its trip is a change like any other. So it is too
        when this very process has closed it before it had a circuit for it, as by a reset.
        """
        if self.version != 0 or news.state is not CLOSED:
            return False
        if news.writer and news.writer == self.sharing.peers.instance:
            return True
        machine = self.machine
        is_closed = machine.state is CLOSED
        counted_for = 0.0 if is_closed else now - machine.recovery.left_closed_at
        return news.age > counted_for + _FIRST_WORD

    def _stand_on(self, news: News, now: float) -> None:
        """Base what this process has on ``news``; its counts stay, and a change of its own.

        What the fleet knows of the last recovery it takes over.
        """
        machine = self.machine
        recovery = machine.recovery
        self.version, self.writer = news.version, news.writer
        if machine.state is CLOSED:
            self.unsynced, machine.changed_at = False, now
        if self.config.scope == "instance" and not _is_reset(news):
            return
        if machine.state is CLOSED:
            recovery.reopenings = news.reopenings
            known = recovery.recovered_at, recovery.ramp_from
            self._take_recovery(news, now, known, is_reset=_is_reset(news))
        elif machine.state is OPEN and (self.unsynced or self.sharing.local_only):
            self._continue_row(news, now)

    def _continue_row(self, news: News, now: float) -> None:
        """Prolong an opening of our own as if ``news`` had come before it."""
        machine = self.machine
        recovery = machine.recovery
        if recovery.reopenings or news.recovered_for is None:
            return
        closed_for = news.recovered_for - (now - recovery.left_closed_at)
        ends = recovery.continue_row(news.reopenings, closed_for)
        if ends is not None:
            machine.open_until = max(machine.open_until, ends)

    def forget_fleet(self) -> None:
        """Know nothing of the fleet any more, as a new process; the state stays."""
        self.version, self.writer = 0, ""

    def _stands_on(self, news: News) -> bool:
        return (self.version, self.writer) == (news.version, news.writer)


def _is_reset(news: News) -> bool:
    return news.evidence is not None and news.evidence.cause == Cause.RESET
