"""Calls under one circuit: which are admitted, and what their outcomes make of it.

Pure, as the cycle is, and under the same lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .contribution import LONGEST_RUN, Contribution
from .cycle import Cycle
from .evidence import describe_error
from .override import OverrideKind
from .probe import SHADOWED, UNCOUNTED, Probe, Ticket
from .rules import ConsecutiveFailures
from .run import Run
from .standoff import ROUTE, Standoff, find_holder
from .states import CLOSED, FAILURE, HALF_OPEN, NO_VERDICT, OPEN, SUCCESS, Cause, StateChange

if TYPE_CHECKING:
    from collections.abc import Callable

    from .config import CircuitConfig
    from .states import Outcome
    from .surroundings import Surroundings


class Admission(Cycle):
    """Admits calls and settles them.

    What the fleet is to hear of calls while CLOSED is noted in ``contribution``; ``stirred``
    says that there is something new, for whoever tells the fleet to look at. ``rejected_at`` is
    when a call was last rejected; after the open time, for want of a place for a probe.
    ``own_successes`` is how many of the successful probes were those of this process, and
    ``last_sign`` when anybody was last known to probe.
    """

    __slots__ = ("contribution", "last_sign", "own_successes", "rejected_at", "standoff", "stirred")

    def __init__(
        self,
        key: str,
        config: CircuitConfig,
        random: Callable[[], float] | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        self.contribution: Contribution | None = None  # most circuits never have a failure
        self.standoff: Standoff | None = None  # of the present recovery
        self.stirred = False
        self.own_successes = 0
        self.last_sign = float("-inf")
        self.rejected_at = float("-inf")
        super().__init__(key, config, random, surroundings)

    # -- guarded calls ----------------------------------------------------------------------

    def admit(
        self,
        now: float,
        kind: object = None,
    ) -> tuple[Ticket | None, StateChange | None]:
        """Return a ticket, or None: rejected. The open time ends here, with the first call after.

        ``kind``: what the caller knows the call by, or ``ROUTE``; see ``standoff``.
        """
        # The caller ends an override that has expired.
        if self.override is not None and self.override.kind.state is not None:
            return (UNCOUNTED if self.override.kind is OverrideKind.DISABLED else None), None
        if self.state is CLOSED:
            return self._admit_some(now), None
        change = None
        if self.state is OPEN:
            places = 0 if now < self.deadline else self.places(now)
            if places <= 0:
                self.rejected_at = now
                return None, None
            change = self._move(HALF_OPEN, Cause.TIMEOUT, now)
            self._offer(OPEN)
        else:
            if self.probes:
                change = self._end_overdue(now)
                if self.state is CLOSED:
                    return self.admit(now, kind)[0], change
            longest = self.config.half_open_maximum
            if longest is not None and now - self.changed_at >= longest:
                return None, self._open(Cause.HALF_OPEN_EXPIRED, now)
            # The only instance has its own places: the fleet's part need not be asked.
            is_only = self.surroundings.live <= 1
            places = self.config.probe_places if is_only else self.places(now)
        return self._admit_probe(now, places, kind), change

    def rejected_inside(self, probe: Probe, kind: object) -> None:
        """Record that a probe ends because this circuit rejected a call of ``kind`` inside it."""
        if probe.is_running():
            if self.standoff is None:
                self.standoff = Standoff()
            self.standoff.occurred(probe, kind)

    def settle(  # noqa: C901 - one step after the other
        self,
        ticket: Ticket,
        outcome: Outcome,
        now: float,
        seconds: float | None = None,
        error: object = None,
        asked: float | None = None,
    ) -> StateChange | None:
        """Take the one outcome of an admitted call; what comes late changes nothing.

        Nor does what comes twice for a probe. A number is one for all calls of a moment: whoever
        holds it sees to it that a call is settled once.

        Args:
            ticket: what ``admit`` gave.
            outcome: what the call says of its dependency.
            now: monotonic seconds.
            seconds: how long it took; None: not measured.
            error: an exception or a text, to explain an opening; not kept.
            asked: the pause that the upstream asks for, in seconds, or None.
        """
        if self.override is not None and self.is_disabled(now):
            outcome, seconds = NO_VERDICT, None
        if self.shadow:
            self._show(ticket, outcome, now, seconds)
        if not isinstance(ticket, int):
            return self._settle_probe(ticket, outcome, now, seconds, error, asked)
        if self.state is not CLOSED or ticket < self.first:
            if ticket == SHADOWED and not self.shadow:  # no more, that is
                self._show(ticket, outcome, now, seconds)
            return None
        if outcome is FAILURE:
            if self.run is None:
                self.run = Run()
            self.failures = self.run.add(now, asked)
            self.sequence += 1
            self.refresh()
            if self.surroundings.has_fleet:
                self._note_failure(now, error)
        elif outcome is SUCCESS and (self.failures or self.contribution is not None):
            self._end_run(now)
        meter = self.meter
        fired = meter.add(now, outcome, seconds, asked) if meter.books else None
        if outcome is FAILURE and 0 < meter.run <= self.failures:
            return self._trip(ConsecutiveFailures(meter.run), None, now, error)
        if fired is not None:
            book, rule = fired
            return self._trip(rule, book, now, error)
        if meter.is_troubled and self.shares_evidence():
            self.stirred = True
        return None

    def _show(self, ticket: Ticket, outcome: Outcome, now: float, seconds: float | None) -> None:
        """Count a call for the figures of shadow mode, whatever the state."""
        if ticket == UNCOUNTED or (isinstance(ticket, Probe) and ticket.settled):
            return
        if ticket == SHADOWED and outcome is FAILURE:
            self.shadowed_failures += 1
            self.sequence += 1  # an error that leaves an enclosing call as well is the same one
            self.refresh()
        if self.shadow:
            self.shown.add(now, outcome, seconds)

    def is_disabled(self, now: float) -> bool:
        """Whether a manual override admits everything and counts nothing."""
        override = self.override
        return (
            override is not None
            and override.kind is OverrideKind.DISABLED
            and not override.is_over(now)
        )

    def places(self, now: float) -> int:  # noqa: ARG002 - whoever is in a fleet asks for the time
        """Give how many probes may run at once now."""
        return self.config.probe_places

    def probes_changed(self) -> None:
        """Record that a place is taken, or free again: in a fleet, the others are to know."""

    def shares_evidence(self) -> bool:
        """Tell whether what is counted here is counted in the fleet as well."""
        return self.surroundings.has_fleet and self.config.scope == "fleet" and not self.shadow

    def listen(self, now: float, until: float) -> None:
        """Note successes: failures of others are being counted."""
        if self.state is CLOSED and self.shares_evidence():
            if self.contribution is None:
                self.contribution = Contribution()
            self.contribution.listen(now, until)
            self.note_or_not(now)

    def note_or_not(self, now: float) -> None:
        """Work out again whether successes matter for the fleet's run."""
        contribution = self.contribution
        self.noting = contribution is not None and contribution.is_listening(now)
        self.refresh()

    # -- parts ------------------------------------------------------------------------------

    def _admit_probe(self, now: float, places: int, kind: object) -> Ticket | None:
        """Return a probe while HALF_OPEN, or None: no place is to be had."""
        probes = self.probes
        if probes is None:  # the change to HALF_OPEN was interrupted: by a signal, or by recursion
            probes = self.probes = []
        standoff = self.standoff
        is_free = len(probes) < places
        if (
            kind is ROUTE
            and standoff is not None
            and standoff.may_route_pass(is_free=is_free, random=self.random)
        ):
            return UNCOUNTED
        if not is_free:
            holder = find_holder(probes, standoff, kind, self.random)
            if holder is None:
                self.rejected_at = now
                return None
            holder.settled = True  # a gate from now on: whatever comes of it is not counted
            probes.remove(holder)
        probe = Probe(self, now, kind)
        probes.append(probe)
        if now > self.last_sign:  # noqa: PLR1730 - a fifth of what max() takes
            self.last_sign = now
        if self.surroundings.live > 1:
            self.probes_changed()
        return probe

    def _admit_some(self, now: float) -> int | None:
        if self.ramp is not None:
            if not self.ramp.is_over(now):
                return self.sequence if self.ramp.admits(now) else None
            self.ramp = None
            self.refresh()
        return self.sequence

    def _note_failure(self, now: float, error: object) -> None:
        """Keep a failure to be told; rules that count no run have no use for it."""
        if 0 < self.meter.run <= LONGEST_RUN and self.shares_evidence():
            if self.contribution is None:
                self.contribution = Contribution()
            told = describe_error(error, self.config.describe_error)
            self.contribution.failed(now, told)
            self.stirred = True

    def _end_run(self, now: float) -> None:
        self.failures, self.run = 0, None
        contribution = self.contribution
        if contribution is not None:
            contribution.succeeded(now)
            self.stirred = self.stirred or contribution.owes_success
            self.noting = contribution.is_listening(now)
        self.refresh()

    def _settle_probe(
        self,
        probe: Probe,
        outcome: Outcome,
        now: float,
        seconds: float | None,
        error: object,
        asked: float | None,
    ) -> StateChange | None:
        if probe.settled:
            return None
        probe.settled = True
        if probe.admitted < self.first:
            return None
        if self.probes and probe in self.probes:  # not so when its deadline passed
            self.probes.remove(probe)
        # A slow probe shows that the dependency is still slow, whatever came of it; closing
        # would only open the circuit again.
        limit = self.meter.slow
        is_slow = limit is not None and seconds is not None and seconds > limit
        if outcome is FAILURE or is_slow:
            self.failures += 1
            self.sequence += 1
            evidence = self._evidence(
                Cause.PROBE_FAILED,
                rule=f"a probe took over {limit:g} s" if is_slow else "a probe failed",
                error=error,
            )
            return self._open(Cause.PROBE_FAILED, now, evidence, asked)
        change = self._count_probe(now) if outcome is SUCCESS else None
        if change is None and self.surroundings.live > 1:
            self.probes_changed()
        return change

    def _count_probe(self, now: float) -> StateChange | None:
        """Count a successful probe; enough of them close the circuit."""
        if self.standoff is not None:
            self.standoff.resolved()
        self.successes += 1
        self.own_successes += 1
        if self.successes < self.config.success_threshold:
            return None
        change = self._move(CLOSED, Cause.PROBES_SUCCEEDED, now)
        self.recovered_at = now
        self.let_back(now)
        self._offer(HALF_OPEN)
        return change

    def _end_overdue(self, now: float) -> StateChange | None:
        """Take the places of probes past their deadline.

        One that goes well, a stream that somebody reads for hours, has shown what it was to show.
        """
        overdue = [probe for probe in self.probes or () if now >= probe.deadline]
        for probe in overdue:
            if self.probes is not None:
                self.probes.remove(probe)
            if probe.witness is not None and probe.is_running() and probe.witness.seems_well():
                probe.settled = True
                change = self._count_probe(now)
                if change is not None:
                    return change
        return None

    def _forget_counts(self) -> None:
        super()._forget_counts()
        self.contribution = None
        self.noting = False
        self.standoff = None
