"""What is counted in one process counts for its whole fleet: runs of failures, and rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .error_text import describe_error
from .shared_run import LONGEST_RUN, BucketDelta, Report, SharedRun
from .states import CLOSED, FAILURE, SUCCESS

if TYPE_CHECKING:
    from .machine import StateMachine
    from .outbox import Outbox
    from .sharing import Sharing
    from .states import Outcome


class SharedCalls:
    """The calls of one CLOSED circuit that its fleet is to hear of.

    ``run`` is this process's part in the consecutive failures of all, None before there
    was any: most circuits never have a failure. ``tracks_successes``: successes matter for the
    failures that all count together.
    """

    __slots__ = ("_machine", "_outbox", "run", "sharing", "tracks_successes")

    def __init__(self, machine: StateMachine, sharing: Sharing, outbox: Outbox) -> None:
        self._machine = machine
        self.sharing: Sharing = sharing
        self._outbox = outbox
        self.run: SharedRun | None = None
        self.tracks_successes: bool = False

    def clear(self) -> None:
        """Begin anew, with a new generation."""
        self.run = None
        self.tracks_successes = False

    def settled(self, outcome: Outcome, now: float, error: object) -> None:
        """Record a call that was counted while CLOSED."""
        machine = self._machine
        if outcome is FAILURE:
            # Rules that count no run have no use for it.
            if 0 < machine.statistics.run_threshold <= LONGEST_RUN and self.sharing.shares_calls():
                if self.run is None:
                    self.run = SharedRun()
                described = describe_error(error, self.sharing.config.describe_error)
                self.run.failed(now, described)
                self._outbox.needs_sync = True
        elif outcome is SUCCESS and self.run is not None:
            self.run.succeeded(now)
            if self.run.owes_success:
                self._outbox.needs_sync = True
            self.tracks_successes = self.run.is_listening(now)
        if machine.statistics.over_threshold and self.sharing.shares_calls():
            self._outbox.needs_sync = True

    def listen(self, now: float, until: float) -> None:
        """Note successes: failures of others are being counted."""
        if self._machine.state is CLOSED and self.sharing.shares_calls():
            if self.run is None:
                self.run = SharedRun()
            self.run.listen(now, until)
            self._track(now)

    def run_ended(self, now: float, until: float) -> None:
        """Record that the fleet's run is over; successes are noted for some time still."""
        if self.run is not None:
            self.run.ended()
            self.run.stop_listening(until)
            self._track(now)

    def object_to_run(self, since: float) -> bool:
        """Return whether there was a success here after ``since``, which is to be reported then."""
        last = None if self.run is None else self.run.success_at
        if self.run is None or last is None or last <= since:
            return False
        self.run.owes_success = True
        return True

    def end_run_of_fleet(self) -> None:
        """End the fleet's run with the recovery that closed the circuit here alone.

        What was reported of the failures before stays; the probes end it.
        """
        self.run = SharedRun()
        self.run.has_told = True
        self.run.succeeded(self._machine.changed_at)

    def take(self, now: float, version: int, writer: str, *, collecting: bool) -> Report | None:
        """Return what is to be reported of the calls here; it counts as reported.

        ``collecting``: the fleet adds up calls at the moment, so that ours are wanted, good or bad.
        """
        statistics = self._machine.statistics
        over_threshold = statistics.judge(now)
        tallies: tuple[BucketDelta, ...] = ()
        if collecting or over_threshold:
            tallies = statistics.tallies(now, always=over_threshold)
        failures: tuple[float, ...] = ()
        success_at, must_tell = None, False
        if self.run is not None:
            failures, success_at = self.run.take()
            must_tell = self.run.has_told
            self._track(now)
        # With failures of ours in the fleet's run, others may need what basic-format clients say.
        if not (failures or tallies or success_at is not None or must_tell):
            return None
        return Report(
            generation=self._machine.generation,
            version=version,
            writer=writer,
            threshold=statistics.run_threshold,
            failures=failures,
            success_at=success_at,
            tallies=tallies,
            over_threshold=over_threshold,
        )

    def _track(self, now: float) -> None:
        self.tracks_successes = self.run is not None and self.run.is_listening(now)
