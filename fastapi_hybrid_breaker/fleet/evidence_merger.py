"""What this process tells the fleet of its calls, and what it makes of what all have told. No I/O.

Runs of failures join across instances, and so do the calls in time windows: each tells its part,
the script adds up, and whoever sees a rule fulfilled opens the circuit as by a rule of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi_hybrid_breaker.core import fleet_trips
from fastapi_hybrid_breaker.core.states import CircuitState

from .answers import parse_sums
from .commands import report_command
from .reported import PendingReport, Suspect
from .run_times import (
    CONFIRM_JITTER,
    FIRST_WAIT,
    HELD_BACK,
    LATER,
    LISTEN_ON,
    OBJECT_AGAIN,
    OBJECTION_JITTER,
    TO_OBJECT,
)
from .schedule import Schedule
from .until import Until
from .work_item import Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from fastapi_hybrid_breaker.circuits.circuit import Circuit
    from fastapi_hybrid_breaker.core.shared_run import Report

    from .answers import Sums
    from .inbox import Inbox
    from .messages import Signal
    from .names import Names
    from .shared_state import SharedState

WRITTEN_BACK_IN: Final = 0.2
"""Seconds after which is tried again what the server could not place, having lost the circuit."""

SLOWEST_LOOK: Final = 0.5
"""Seconds at most between two looks for calls to tell while calls are added up."""

SLOWEST_POLL: Final = 2.0
"""Seconds at most between two questions for the sum of all calls while nothing new happens here."""

JUDGE_AFTER: Final = 0.25
"""Seconds after which those with good calls have told them as well, and rates can be judged."""

_PER_INSTANCE: Final = 0.0005
"""Seconds by which each living instance stretches the time between reports while calls are added
up: so a large fleet sends no more than 2,000 a second about one circuit."""

_HOT_JITTER: Final = 0.1


class EvidenceMerger:
    """Reports of calls, and confirmations of runs.

    Args:
        inbox: what is known of the fleet.
        names: the names in Redis.
        every: seconds between two reports of one circuit, at least.
        random: for jitter.
    """

    def __init__(
        self,
        inbox: Inbox,
        names: Names,
        *,
        every: float,
        random: Random,
    ) -> None:
        self._inbox = inbox
        self._names = names
        self._every = every
        self._random = random
        self._reports = Schedule()
        self._confirms = Schedule()
        self._tables = {"report": self._reports, "confirm": self._confirms}
        self._pending: dict[str, PendingReport] = {}
        self._sent = Until()  # when the next report of a circuit may be
        self._hot = Until()  # until when all calls of a circuit are wanted
        self._suspects: dict[str, Suspect] = {}
        self._enough = Until()  # until when failures of a circuit are held back
        self._objections = Schedule()
        self._polls: dict[str, float] = {}  # seconds between two looks at a hot circuit
        self._number = 0

    # -- in ---------------------------------------------------------------------------------

    def touched(self, circuit: Circuit) -> None:
        """Look at what calls have made of a circuit."""
        core, now, key = circuit.core, self._inbox.clock(), circuit.key
        contribution = core.membership.calls.run
        if core.machine.statistics.over_threshold or (
            contribution is not None and contribution.owes_success
        ):
            self._reports.note(key, self._soonest(key, now))
        elif contribution is not None and contribution.untold:
            self._reports.note(key, self._soonest(key, now + FIRST_WAIT))

    def received_basic(self, circuit: Circuit, update: SharedState) -> None:
        """Record what a client of the basic format counts; it is reported with failures of ours."""
        if update.state is circuit.core.machine.state:
            self.note_basic(circuit, update.failures, self._inbox.clock())

    def note_basic(self, circuit: Circuit, failures: int, at: float) -> None:
        """Record consecutive failures that clients of the basic format had counted at ``at``."""
        now, key = self._inbox.clock(), circuit.key
        self._inbox.basic_clients.note_failures(key, failures, at)
        contribution = circuit.core.membership.calls.run
        if contribution is not None and (contribution.has_told or contribution.untold):
            self._reports.note(key, self._soonest(key, now + FIRST_WAIT))

    def signalled(self, circuit: Circuit, signal: Signal) -> bool:
        """Apply a signal about a circuit's present state; return whether it leaves work to do."""
        key, now = circuit.key, self._inbox.clock()
        if signal.name == "armed":
            with circuit.locked() as core:
                core.membership.calls.listen(now, now + signal.seconds)
            self._confirms.drop(key)
        elif signal.name == "end":
            with circuit.locked() as core:
                core.membership.calls.run_ended(now, now + LISTEN_ON)
            self._confirms.drop(key)
            self._suspects.pop(key, None)
            self._enough.drop(key)
        elif signal.name == "suspect":
            # Heard after the fact by whoever missed the beginning: successes matter from now on.
            with circuit.locked() as core:
                core.membership.calls.listen(now, now + LISTEN_ON)
            self.suspected(key, signal.seconds)
            self._enough.note(key, now + HELD_BACK, now)
            self._await_confirmation(circuit, 0.0)
        elif signal.name == "hot" and (longest := circuit.core.machine.statistics.longest_window()):
            self._heat(key, now + min(signal.seconds, longest))
            self._reports.note(key, now + self._random.uniform(0, min(self._every, _HOT_JITTER)))
        return signal.name in {"suspect", "hot"}

    def suspected(self, key: str, seconds: float) -> None:
        """Look for a success here within so many seconds: since then a run is under way."""
        now = self._inbox.clock()
        self._suspects[key] = Suspect(now - seconds)
        self._objections.note(key, now)

    # -- out --------------------------------------------------------------------------------

    def take(self, now: float, most: int) -> Iterator[Request]:
        """Return the reports and confirmations that are due."""
        for key in self._objections.take(now, most):
            self._object(key, now)
        for key in self._reports.take(now, most):
            if (circuit := self._inbox.registry.get(key)) is not None:
                yield from self._report(circuit, now)
        for key in self._confirms.take(now, most):
            circuit = self._inbox.registry.get(key)
            if circuit is not None and circuit.core.machine.state is CircuitState.CLOSED:
                yield self._confirmation(circuit)

    def put_back(self, request: Request) -> None:
        """List again what was sent without an answer."""
        self._tables[request.kind].note(request.key, self._inbox.clock())

    def next_due(self) -> float | None:
        """Return when the next of them is due."""
        tables = (self._reports, self._confirms, self._objections)
        dues = [table.next_due() for table in tables]
        return min((due for due in dues if due is not None), default=None)

    def _object(self, key: str, now: float) -> None:
        """Object to a run if there was a success here since it began; else look once more."""
        suspect, circuit = self._suspects.pop(key, None), self._inbox.registry.get(key)
        if suspect is None or circuit is None:
            return
        with circuit.locked() as core:
            is_wrong = core.membership.calls.object_to_run(suspect.since)
        if is_wrong:
            self._reports.note(key, now + self._random.uniform(0, OBJECTION_JITTER))
        elif not suspect.was_looked_at:
            self._suspects[key] = Suspect(suspect.since, was_looked_at=True)
            self._objections.note(key, now + OBJECT_AGAIN)

    def _report(self, circuit: Circuit, now: float) -> Iterator[Request]:
        key = circuit.key
        if key in self._inbox.learning.unread:
            # Told under a version that is not known yet, it would be lost.
            self._reports.note(key, now + FIRST_WAIT)
            return
        collecting = now < self._hot.get(key)
        pending = self._pending.get(key)
        if pending is None and not collecting and self._is_enough(circuit, now):
            self._reports.note(key, self._enough.get(key))
            return
        if pending is None:
            basic = self._inbox.basic_clients.failures_of(key)
            with circuit.locked() as core:
                report = core.membership.take_report(now, collecting=collecting)
            if collecting:  # look again, until the calls have left the windows
                is_news = report is not None and any(any(one.kinds) for one in report.tallies)
                self._poll(key, now, is_news=is_news, slowest=SLOWEST_LOOK)
            if report is None:
                return
            self._number += 1
            pending = self._pending[key] = PendingReport(self._number, report, basic)
        self._sent.note(key, now + self._every, now)
        yield self._report_request(circuit, pending)

    def _is_enough(self, circuit: Circuit, now: float) -> bool:
        """Whether there is nothing to report but failures of a run that is long enough."""
        core = circuit.core
        owes_success = (
            core.membership.calls.run is not None and core.membership.calls.run.owes_success
        )
        is_held_back = now < self._enough.get(circuit.key)
        return is_held_back and not owes_success and not core.machine.statistics.over_threshold

    def _report_request(self, circuit: Circuit, pending: PendingReport) -> Request:
        report = pending.report
        command = report_command(
            "report",
            self._names,
            self._inbox.instance,
            circuit.key,
            version=report.version,
            writer=report.writer,
            threshold=report.threshold,
            number=pending.number,
            report=report,
            basic=pending.basic,
            now=self._inbox.clock(),
        )
        return Request("report", circuit.key, command, topic=self)

    def _confirmation(self, circuit: Circuit) -> Request:
        core = circuit.core
        command = report_command(
            "confirm",
            self._names,
            self._inbox.instance,
            circuit.key,
            version=core.membership.version,
            writer=core.membership.writer,
            threshold=core.machine.statistics.run_threshold,
            objecting=TO_OBJECT,
            now=self._inbox.clock(),
        )
        return Request("confirm", circuit.key, command, topic=self, about=core.machine.generation)

    # -- answers ----------------------------------------------------------------------------

    def answered(self, request: Request, answer: Any) -> None:
        """Apply what the fleet has counted by now.

        Raises:
            MalformedError: it is no answer to such a question.
        """
        key, circuit = request.key, self._inbox.registry.get(request.key)
        pending = self._pending.pop(key, None) if request.kind == "report" else None
        sums = parse_sums(answer)
        if circuit is None:
            return
        if sums.status == "stale":
            self._inbox.work.want(key, "read")
        elif sums.status == "missing":
            self._write_back(request, circuit, pending)
        elif request.kind == "confirm":
            if sums.status == "confirmed":
                with circuit.changing() as (core, now):
                    fleet_trips.trip_by_run(core, request.about, sums.run, now)
        elif pending is not None:
            self._judge(circuit, pending.report, sums)

    def _write_back(
        self, request: Request, circuit: Circuit, pending: PendingReport | None
    ) -> None:
        """Write a state back that the server has lost, and report again."""
        self._inbox.missed(circuit, must=True)
        if pending is not None:
            self._pending[circuit.key] = pending
        again = self._inbox.clock() + WRITTEN_BACK_IN
        self._tables[request.kind].note(circuit.key, again)

    def _judge(self, circuit: Circuit, report: Report, sums: Sums) -> None:
        key, now = circuit.key, self._inbox.clock()
        if sums.run == 0:
            with circuit.locked() as core:
                core.membership.calls.run_ended(now, now + LISTEN_ON)
        elif sums.status == "unsaid":
            self._reports.note(key, now + self._every)
        elif sums.suspect_for is not None:
            self._await_confirmation(circuit, sums.suspect_for)
        if report.over_threshold:
            longest = max((tally.width * tally.buckets for tally in report.tallies), default=0.0)
            self._heat(key, now + longest)
            # Others' calls change the sum too.
            is_news = any(any(tally.kinds) for tally in report.tallies)
            self._poll(key, now, is_news=is_news, slowest=SLOWEST_POLL)
        if sums.hot_for is not None and sums.hot_for >= JUDGE_AFTER:
            with circuit.changing() as (core, now):
                fleet_trips.judge_fleet(core, report.generation, sums.calls, now)

    def _poll(self, key: str, now: float, *, is_news: bool, slowest: float) -> None:
        """Schedule another look: soon, or, if nothing happens, ever more rarely."""
        shortest = self._interval()
        pause = shortest if is_news else 2 * self._polls.get(key, shortest)
        if len(self._polls) > 1_000:
            self._polls.clear()
        self._polls[key] = pause = min(pause, max(slowest, shortest))
        self._reports.note(key, now + pause)

    def _await_confirmation(self, circuit: Circuit, already: float) -> None:
        contribution = circuit.core.membership.calls.run
        if contribution is not None and contribution.has_told:
            wait = max(0.0, TO_OBJECT + LATER - already)
            due = self._inbox.clock() + wait + self._random.uniform(0, CONFIRM_JITTER)
            self._confirms.note(circuit.key, due)

    def _heat(self, key: str, until: float) -> None:
        self._hot.note(key, max(until, self._hot.get(key)), self._inbox.clock())

    def _interval(self) -> float:
        return max(self._every, _PER_INSTANCE * self._inbox.registry.peers.live)

    def _soonest(self, key: str, due: float) -> float:
        """Return when a circuit may be reported that is due at ``due``."""
        return max(due, self._sent.get(key))
