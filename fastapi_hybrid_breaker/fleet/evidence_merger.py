"""What this process reports of its calls, and what follows from the reports of all. No I/O.

Runs of failures join across instances, and so do the calls in time windows: each reports its part,
the script adds up, and whoever sees a rule fulfilled opens the circuit as by a rule of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fastapi_hybrid_breaker.core import fleet_trips
from fastapi_hybrid_breaker.core.states import CircuitState

from .answers import parse_sums
from .commands import report_command
from .evidence_request import evidence_request
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
from .until import Until
from .work_item import Request
from .write_back import write_back

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi_hybrid_breaker.circuits.circuit import Circuit
    from fastapi_hybrid_breaker.core.shared_run import Report

    from .answers import Sums
    from .basic_format import BasicFormatClients
    from .messages import Signal
    from .own_instance import OwnInstance
    from .shared_state import SharedState
    from .work_item import Kind

WRITTEN_BACK_IN: Final = 0.2
"""Seconds after which is tried again what the server could not place, having lost the circuit."""

SLOWEST_LOOK: Final = 0.5
"""Seconds at most between two looks for calls to report while calls are added up."""

SLOWEST_POLL: Final = 2.0
"""Seconds at most between two questions for the sum of all calls while nothing new happens here."""

JUDGE_AFTER: Final = 0.25
"""Seconds after which those with good calls have reported them as well, and rates can be judged."""

_PER_INSTANCE: Final = 0.0005
"""Seconds by which each living instance stretches the time between reports while calls are added
up: so a large fleet sends no more than 2,000 a second about one circuit."""

_HOT_JITTER: Final = 0.1


@dataclass(slots=True)
class PendingReport:
    """A report under way: repeated as it is until it is answered."""

    number: int
    report: Report
    basic: tuple[int, float] | None


@dataclass(slots=True)
class Suspect:
    """A run that is long enough to open a circuit; ``since``: when its first failure was."""

    since: float
    was_looked_at: bool = False


class EvidenceMerger:
    """Reports of calls, and confirmations of runs.

    Args:
        own: this instance.
        basic_clients: their failures go with reports of ours.
    """

    plans: tuple[str, ...] = ("report", "confirm", "objection")
    kinds: tuple[Kind, ...] = ("report", "confirm")

    def __init__(self, own: OwnInstance, basic_clients: BasicFormatClients) -> None:
        self._own = own
        self._schedule = own.schedule
        self._basic_clients = basic_clients
        self._pending: dict[str, PendingReport] = {}
        self._sent = Until()  # when the next report of a circuit may be
        self._hot = Until()  # until when all calls of a circuit are wanted
        self._suspects: dict[str, Suspect] = {}
        self._enough = Until()  # until when failures of a circuit are held back
        self._polls: dict[str, float] = {}  # seconds between two looks at a hot circuit
        self._number = 0

    # -- in ---------------------------------------------------------------------------------

    def touched(self, circuit: Circuit) -> None:
        """Look at what calls have made of a circuit."""
        core, now, key = circuit._core, self._own.clock(), circuit.key
        contribution = core.membership.calls.run
        if core.machine.statistics.over_threshold or (
            contribution is not None and contribution.owes_success
        ):
            self._schedule.note("report", key, self._soonest(key, now))
        elif contribution is not None and contribution.untold:
            self._schedule.note("report", key, self._soonest(key, now + FIRST_WAIT))

    def received_basic(self, circuit: Circuit, update: SharedState) -> None:
        """Record what a client of the basic format counts; it is reported with failures of ours."""
        if update.state is circuit._core.machine.state:
            self.note_basic(circuit, update.failures, self._own.clock())

    def note_basic(self, circuit: Circuit, failures: int, at: float) -> None:
        """Record consecutive failures that clients of the basic format had counted at ``at``."""
        now, key = self._own.clock(), circuit.key
        self._basic_clients.note_failures(key, failures, at)
        contribution = circuit._core.membership.calls.run
        if contribution is not None and (contribution.has_told or contribution.untold):
            self._schedule.note("report", key, self._soonest(key, now + FIRST_WAIT))

    def signalled(self, circuit: Circuit, signal: Signal) -> bool:
        """Apply a signal about a circuit's present state; return whether it leaves work to do."""
        key, now = circuit.key, self._own.clock()
        if signal.name == "armed":
            with circuit._hold() as core:
                core.membership.calls.listen(now, now + signal.seconds)
            self._schedule.drop("confirm", key)
        elif signal.name == "end":
            with circuit._hold() as core:
                core.membership.calls.run_ended(now, now + LISTEN_ON)
            self._schedule.drop("confirm", key)
            self._suspects.pop(key, None)
            self._enough.drop(key)
        elif signal.name == "suspect":
            # Heard after the fact by whoever missed the beginning: successes matter from now on.
            with circuit._hold() as core:
                core.membership.calls.listen(now, now + LISTEN_ON)
            self.suspected(key, signal.seconds)
            self._enough.note(key, now + HELD_BACK, now)
            self._await_confirmation(circuit, 0.0)
        elif signal.name == "hot" and (
            longest := circuit._core.machine.statistics.longest_window()
        ):
            self._heat(key, now + min(signal.seconds, longest))
            self._schedule.note(
                "report",
                key,
                now + self._own.random.uniform(0, min(self._own.report_every, _HOT_JITTER)),
            )
        return signal.name in {"suspect", "hot"}

    def suspected(self, key: str, seconds: float) -> None:
        """Look for a success here within so many seconds: since then a run is under way."""
        now = self._own.clock()
        self._suspects[key] = Suspect(now - seconds)
        self._schedule.note("objection", key, now)

    # -- out --------------------------------------------------------------------------------

    def due(self, kind: str, key: str, now: float) -> Iterator[Request]:
        """Return the report or the confirmation that is due, or look whether to object."""
        circuit = self._own.registry.get(key)
        if kind == "objection":
            self._object(key, circuit, now)
        elif circuit is None:
            return
        elif kind == "report":
            yield from self._report(circuit, now)
        elif circuit._core.machine.state is CircuitState.CLOSED:
            yield self._confirmation(circuit)

    def put_back(self, request: Request) -> None:
        """List again what was sent without an answer."""
        self._schedule.note(request.kind, request.key, self._own.clock())

    def _object(self, key: str, circuit: Circuit | None, now: float) -> None:
        """Object to a run if there was a success here since it began; else look once more."""
        suspect = self._suspects.pop(key, None)
        if suspect is None or circuit is None:
            return
        with circuit._hold() as core:
            is_wrong = core.membership.calls.object_to_run(suspect.since)
        if is_wrong:
            self._schedule.note("report", key, now + self._own.random.uniform(0, OBJECTION_JITTER))
        elif not suspect.was_looked_at:
            self._suspects[key] = Suspect(suspect.since, was_looked_at=True)
            self._schedule.note("objection", key, now + OBJECT_AGAIN)

    def _report(self, circuit: Circuit, now: float) -> Iterator[Request]:
        key = circuit.key
        if key in self._own.lag.unread:
            # Reported under a version that is not known yet, it would be lost.
            self._schedule.note("report", key, now + FIRST_WAIT)
            return
        collecting = now < self._hot.get(key)
        pending = self._pending.get(key)
        if pending is None and not collecting and self._is_enough(circuit, now):
            self._schedule.note("report", key, self._enough.get(key))
            return
        if pending is None:
            basic = self._basic_clients.failures_of(key)
            with circuit._hold() as core:
                report = core.membership.take_report(now, collecting=collecting)
            if collecting:  # look again, until the calls have left the windows
                is_new = report is not None and any(any(one.kinds) for one in report.tallies)
                self._poll(key, now, is_new=is_new, slowest=SLOWEST_LOOK)
            if report is None:
                return
            self._number += 1
            pending = self._pending[key] = PendingReport(self._number, report, basic)
        self._sent.note(key, now + self._own.report_every, now)
        yield self._report_request(circuit, pending)

    def _is_enough(self, circuit: Circuit, now: float) -> bool:
        """Whether there is nothing to report but failures of a run that is long enough."""
        core = circuit._core
        owes_success = (
            core.membership.calls.run is not None and core.membership.calls.run.owes_success
        )
        is_held_back = now < self._enough.get(circuit.key)
        return is_held_back and not owes_success and not core.machine.statistics.over_threshold

    def _report_request(self, circuit: Circuit, pending: PendingReport) -> Request:
        report = pending.report
        command = report_command(
            "report",
            self._own.names,
            self._own.name,
            circuit.key,
            version=report.version,
            writer=report.writer,
            threshold=report.threshold,
            number=pending.number,
            report=report,
            basic=pending.basic,
            now=self._own.clock(),
        )
        return Request("report", circuit.key, command)

    def _confirmation(self, circuit: Circuit) -> Request:
        return evidence_request(
            "confirm",
            self._own,
            circuit,
            self._own.clock(),
            threshold=circuit._core.machine.statistics.run_threshold,
            objecting=TO_OBJECT,
        )

    # -- answers ----------------------------------------------------------------------------

    def answered(self, request: Request, answer: Any) -> None:
        """Apply what the fleet has counted by now.

        Raises:
            MalformedError: it is no answer to such a question.
        """
        key, circuit = request.key, self._own.registry.get(request.key)
        pending = self._pending.pop(key, None) if request.kind == "report" else None
        sums = parse_sums(answer)
        if circuit is None:
            return
        if sums.status == "stale":
            self._own.work.want(key, "read")
        elif sums.status == "missing":
            self._write_back(request, circuit, pending)
        elif request.kind == "confirm":
            if sums.status == "confirmed":
                with circuit._change() as (core, now):
                    fleet_trips.trip_by_run(core, request.about, sums.run, now)
        elif pending is not None:
            self._judge(circuit, pending.report, sums)

    def _write_back(
        self, request: Request, circuit: Circuit, pending: PendingReport | None
    ) -> None:
        """Write a state back that the server has lost, and report again."""
        write_back(circuit, self._own.work, must=True)
        if pending is not None:
            self._pending[circuit.key] = pending
        again = self._own.clock() + WRITTEN_BACK_IN
        self._schedule.note(request.kind, circuit.key, again)

    def _judge(self, circuit: Circuit, report: Report, sums: Sums) -> None:
        key, now = circuit.key, self._own.clock()
        if sums.run == 0:
            with circuit._hold() as core:
                core.membership.calls.run_ended(now, now + LISTEN_ON)
        elif sums.status == "unsaid":
            self._schedule.note("report", key, now + self._own.report_every)
        elif sums.suspect_for is not None:
            self._await_confirmation(circuit, sums.suspect_for)
        if report.over_threshold:
            longest = max((tally.width * tally.buckets for tally in report.tallies), default=0.0)
            self._heat(key, now + longest)
            # Others' calls change the sum too.
            is_new = any(any(tally.kinds) for tally in report.tallies)
            self._poll(key, now, is_new=is_new, slowest=SLOWEST_POLL)
        if sums.hot_for is not None and sums.hot_for >= JUDGE_AFTER:
            with circuit._change() as (core, now):
                fleet_trips.judge_fleet(core, report.generation, sums.calls, now)

    def _poll(self, key: str, now: float, *, is_new: bool, slowest: float) -> None:
        """Schedule another look: soon, or, if nothing happens, ever more rarely."""
        shortest = self._interval()
        pause = shortest if is_new else 2 * self._polls.get(key, shortest)
        if len(self._polls) > 1_000:
            self._polls.clear()
        self._polls[key] = pause = min(pause, max(slowest, shortest))
        self._schedule.note("report", key, now + pause)

    def _await_confirmation(self, circuit: Circuit, already: float) -> None:
        contribution = circuit._core.membership.calls.run
        if contribution is not None and contribution.has_told:
            wait = max(0.0, TO_OBJECT + LATER - already)
            due = self._own.clock() + wait + self._own.random.uniform(0, CONFIRM_JITTER)
            self._schedule.note("confirm", circuit.key, due)

    def _heat(self, key: str, until: float) -> None:
        self._hot.note(key, max(until, self._hot.get(key)), self._own.clock())

    def _interval(self) -> float:
        return max(self._own.report_every, _PER_INSTANCE * self._own.registry.peers.live)

    def _soonest(self, key: str, due: float) -> float:
        """Return when a circuit may be reported that is due at ``due``."""
        return max(due, self._sent.get(key))
