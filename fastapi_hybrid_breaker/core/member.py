"""One circuit as a member of its fleet: what it takes over, proposes and reports.

Pure, as the cycle is, and under the same lock.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from .contribution import Contribution, Report, Tally
from .cycle import AFTER_PROBES
from .lease import OVERDUE_AFTER
from .news import News, Proposal
from .opening import is_again, open_seconds
from .prober import Prober
from .states import CLOSED, HALF_OPEN, OPEN, Cause, StateChange

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .config import CircuitConfig
    from .states import CircuitState
    from .surroundings import Surroundings

_FIRST_WORD: Final = 1.0
"""Seconds in which the first word on a circuit comes, where the server answers; and by which the
word must be older than what it is compared with, for that is by two clocks."""


class Member(Prober):
    """The place of one circuit in the fleet.

    ``unshared`` says that a change of our own has happened on top of the fleet's state, which the
    others are to hear of; ``has_voted``: the fleet knows that the circuit is open here alone;
    ``followed`` is the generation that the fleet's news began last.
    """

    __slots__ = ("followed", "has_voted")

    def __init__(
        self,
        key: str,
        config: CircuitConfig,
        random: Callable[[], float] | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        self.followed = 0
        self.has_voted = False
        super().__init__(key, config, random, surroundings)

    # -- state: proposed and taken over -------------------------------------------------------

    def propose(self, now: float) -> Proposal | None:
        """Give the change of our own that the fleet has not seen, or None."""
        return self.describe(now) if self.unshared else None

    def describe(self, now: float) -> Proposal:
        """Give the present state and the version it is based on."""
        return Proposal(
            generation=self.generation,
            state=self.state,
            failures=self.failures,
            successes=self.successes,
            remaining=max(0.0, self.deadline - now) if self.state is OPEN else 0.0,
            version=self.version,
            writer=self.writer,
            reopenings=self.reopenings,
            evidence=self.evidence,
            recovered_for=self._since(self.recovered_at, now),
            let_back_for=self._since(self.ramp_from, now),
            machine=self,
        )

    def _since(self, moment: float | None, now: float) -> float | None:
        """Return how long ago something was that belongs to being CLOSED."""
        return None if moment is None or self.state is not CLOSED else max(0.0, now - moment)

    def confirm(self, proposal: Proposal, news: News, now: float) -> StateChange | None:
        """Take the fleet's consent: ``proposal`` stands there now as ``news``.

        What this process changed after proposing stays, now based on ``news``. Where other news
        was adopted after proposing, ours is compared with that like anybody's.
        """
        is_other = proposal.machine is not self or self.followed > proposal.generation
        if is_other or (self.version, self.writer) != (proposal.version, proposal.writer):
            return self.adopt(news, now)
        self.version, self.writer = news.version, news.writer
        if self.generation == proposal.generation:
            self.unshared = False
        return None

    def adopt(self, news: News, now: float, *, refused: bool = False) -> StateChange | None:
        """Take over the fleet's state, if it is newer than what this process knows.

        A change of our own that the fleet has not seen loses: the first writer wins. Calls that
        run now were admitted by another state and count no more, with one exception: probes go
        on when HALF_OPEN meets HALF_OPEN, two instances having ended the open time at once.

        ``refused``: it is what the fleet holds against a change of our own, which is void even
        where it builds on this very state.
        """
        if self._was_so_all_along(news, now):
            self._stand_on(news, now)
            return None
        is_refusal = refused and self.unshared and self._stands_on(news)
        if not is_refusal and not news.is_newer_than(self.version, self.writer):
            return None
        self.version, self.writer, self.unshared = news.version, news.writer, False
        is_reset = _is_reset(news)
        if self.config.scope == "instance" and not is_reset:
            return None  # others decide for themselves, and so does this one
        self._stand_with_the_fleet()
        self.reopenings = news.reopenings
        if news.state is HALF_OPEN and self.state is HALF_OPEN:
            self._see_others_probe(now)
            return None
        before = (self.recovered_at, self.ramp_from) if self.state is CLOSED else None
        change = self._follow(news, now)
        self.followed = self.generation
        if news.state is not CLOSED:
            self.failures = news.failures
        else:
            self._take_recovery(news, now, before, is_reset=is_reset)
        if news.state is OPEN:
            self.stay_open_until(now + news.remaining)
        elif news.state is HALF_OPEN:
            self.stay_open_until(min(self.deadline, now))  # an opening of ours is void
            self._see_others_probe(now)
        return change

    def _take_recovery(
        self,
        news: News,
        now: float,
        before: tuple[float | None, float | None] | None,
        *,
        is_reset: bool,
    ) -> None:
        """Take over when the fleet's circuit recovered, and since when calls are let back.

        ``before`` is what was known here, if the circuit was CLOSED already: it stands where the
        news does not say, as that of an older version, or of a recovery brought about by two.
        """
        recovered_for, let_back_for = news.recovered_for, news.let_back_for
        if before is None and recovered_for is None and not is_reset:
            recovered_for = let_back_for = news.age
        recovered_at = None if recovered_for is None else now - recovered_for
        let_back_at = None if let_back_for is None else now - let_back_for
        if before is not None and not is_reset:
            recovered_at = before[0] if recovered_at is None else recovered_at
            let_back_at = before[1] if let_back_at is None else let_back_at
        self.recovered_at = recovered_at
        self.let_back(let_back_at)

    def _see_others_probe(self, now: float) -> None:
        """Take a probe of whoever made it HALF_OPEN to run, until more is heard of it."""
        self.last_sign, self.unclear_until = now, now + OVERDUE_AFTER

    def _follow(self, news: News, now: float) -> StateChange | None:
        """Begin the state that the fleet tells of."""
        evidence = news.evidence
        change = self._move(news.state, Cause.FLEET, now, evidence)
        if change is None and evidence is not None and evidence.cause in AFTER_PROBES:
            # It was HALF_OPEN meanwhile, for too short a time to be told so, and opened again.
            change = StateChange(self.key, HALF_OPEN, OPEN, Cause.FLEET, self.generation, evidence)
        return change and replace(change, instance=news.writer)

    def _was_so_all_along(self, news: News, now: float) -> bool:
        """Tell whether what was counted here, in ignorance of the fleet, was counted on top of it.

        So it is when this is the first that a new process hears of a circuit which was CLOSED
        before it came: its failures count, and its trip is a change like any other.
        """
        if self.version != 0 or news.state is not CLOSED:
            return False
        counted_for = 0.0 if self.state is CLOSED else now - self.troubled_at
        return news.age > counted_for + _FIRST_WORD

    def _stand_on(self, news: News, now: float) -> None:
        """Base what this process has on ``news``; its counts stay, and a change of its own.

        What the fleet knows of the last recovery it takes over.
        """
        self.version, self.writer = news.version, news.writer
        if self.state is CLOSED:
            self.unshared, self.changed_at = False, now
        if self.config.scope == "instance" and not _is_reset(news):
            return
        if self.state is CLOSED:
            self.reopenings = news.reopenings
            before = (self.recovered_at, self.ramp_from)
            self._take_recovery(news, now, before, is_reset=_is_reset(news))
        elif self.state is OPEN and (self.unshared or self.alone):
            self._continue_row(news, now)

    def _continue_row(self, news: News, now: float) -> None:
        """Have an opening of our own last as long as if ``news`` had come before it."""
        if self.reopenings or news.recovered_for is None:
            return
        closed_for = news.recovered_for - (now - self.troubled_at)
        if is_again(self.config, closed_for):
            self.reopenings = news.reopenings + 1
            seconds = open_seconds(self.config, self.reopenings, None, self.random)
            self.stay_open_until(max(self.deadline, self.troubled_at + seconds))

    def forget_fleet(self) -> None:
        """Know nothing of the fleet any more, as a new process; the state stays."""
        self.version, self.writer = 0, ""

    def _stands_on(self, news: News) -> bool:
        return (self.version, self.writer) == (news.version, news.writer)

    # -- evidence: what is counted here counts for all --------------------------------------------

    def take_report(self, now: float, *, is_hot: bool) -> Report | None:
        """Give what the fleet has to hear of the calls here; it counts as told.

        ``is_hot``: the fleet adds up calls at the moment, so that ours are wanted, good or bad.
        """
        if self.state is not CLOSED or self.unshared or not self.shares_evidence():
            return None
        is_troubled = self.meter.judge(now)
        tallies: tuple[Tally, ...] = ()
        if is_hot or is_troubled:
            tallies = self.meter.tallies(now, always=is_troubled)
        failures: tuple[float, ...] = ()
        success_at, must_tell = None, False
        if self.contribution is not None:
            failures, success_at = self.contribution.take()
            must_tell = self.contribution.has_told
            self.note_or_not(now)
        # With failures told of ours in the run, others may have to hear what plain speakers say.
        if not (failures or tallies or success_at is not None or must_tell):
            return None
        return Report(
            generation=self.generation,
            version=self.version,
            writer=self.writer,
            threshold=self.meter.run,
            failures=failures,
            success_at=success_at,
            tallies=tallies,
            is_troubled=is_troubled,
        )

    def judge_fleet(
        self, generation: int, calls: Mapping[str, Sequence[int]], now: float
    ) -> StateChange | None:
        """Open if the calls of the whole fleet, by window and kind, fulfil a rule of ours.

        With a quorum, only where the trouble is seen: others open when enough have.
        """
        if self.generation != generation or self.state is not CLOSED:
            return None
        found = self.meter.judge_fleet(calls)
        if found is None or (self.config.quorum != 1 and not self.meter.judge(now)):
            return None
        book, rule = found
        evidence = self._evidence(Cause.FAILURES, rule=f"{rule}, in the whole fleet")
        evidence = book.add_to(evidence, calls[book.name])
        return self._open(self.cause_of(rule), now, evidence, self._asked(book, now))

    def trip_by_run(self, generation: int, failures: int, now: float) -> StateChange | None:
        """Open by a run of failures that several instances have met."""
        if self.generation != generation or self.state is not CLOSED:
            return None
        self.failures = failures
        rule = f"{self.meter.run} failures in a row, in the whole fleet"
        error = "" if self.contribution is None else self.contribution.error
        evidence = self._evidence(Cause.FAILURES, rule=rule, error=error)
        return self._open(Cause.FAILURES, now, evidence, self._asked(None, now))

    # -- quorum -----------------------------------------------------------------------------

    def vote(self) -> bool | None:
        """Tell whether this process stands by an opening that binds only itself.

        False: no longer; None: there is nothing to say.
        """
        if self.alone:
            self.has_voted = True
            return True
        return False if self.has_voted else None

    def withdrew(self) -> None:
        """Take in that the fleet does not count the vote any more."""
        self.has_voted = self.alone

    def join(self, generation: int) -> None:
        """Have an opening of our own bind all: enough others have met the trouble."""
        if self.alone and self.generation == generation and self.state is OPEN:
            self.alone = False
            self.unshared = True

    def reset(
        self, now: float, *, by: str = "", reason: str = "", ramp: bool = False
    ) -> StateChange | None:
        """Back to CLOSED with empty counts; what runs now counts no more."""
        self._stand_with_the_fleet()
        return super().reset(now, by=by, reason=reason, ramp=ramp)

    def open_for(self, seconds: float, now: float) -> StateChange | None:
        """Open here, whatever was counted; the fleet is not told."""
        self._stand_with_the_fleet()
        return super().open_for(seconds, now)

    def _stand_with_the_fleet(self) -> None:
        self.alone = False
        self.stirred = self.stirred or self.has_voted

    def _offer(self, old: CircuitState) -> None:
        was_untold = self.unshared
        super()._offer(old)
        # A recovery that nobody has heard of is told together with what came of it.
        is_new = old is CLOSED and not was_untold
        is_alone = self.alone or (is_new and self.config.quorum != 1)
        if self.shadow or (self.config.scope == "fleet" and not is_alone):
            return
        # What was decided for all ends for all; what was not is nobody else's business.
        self.unshared = False
        self.alone = self.state is not CLOSED
        self.stirred = True
        if not self.alone and self.shares_evidence() and self.meter.run:
            # What was told of the run before stands still; the probes end it.
            self.contribution = Contribution()
            self.contribution.has_told = True
            self.contribution.succeeded(self.changed_at)


def _is_reset(news: News) -> bool:
    return news.evidence is not None and news.evidence.cause == Cause.RESET
