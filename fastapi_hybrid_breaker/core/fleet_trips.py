"""Opening a circuit by what its whole fleet has counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .states import CLOSED, Cause

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .circuit_core import CircuitCore


def judge_fleet(
    core: CircuitCore, generation: int, calls: Mapping[str, Sequence[int]], now: float
) -> None:
    """Open if the calls of the whole fleet, by window and kind, fulfil a rule of ours.

    With a quorum, only where the trouble is seen: others open when enough have. Not while
    disabled.
    """
    machine = core.machine
    if machine.generation != generation or not _may_trip(core, now):
        return
    statistics = machine.statistics
    found = statistics.judge_fleet(calls)
    if found is None or (core.config.quorum != 1 and not statistics.judge(now)):
        return
    book, rule = found
    evidence = machine.describe(Cause.FAILURES, rule=f"{rule}, in the whole fleet")
    evidence = book.add_to(evidence, calls[book.name])
    machine.open(rule.cause, now, evidence, book.asked(now))
    core.membership.offer(CLOSED)


def trip_by_run(core: CircuitCore, generation: int, failures: int, now: float) -> None:
    """Open by consecutive failures on several instances; not while disabled."""
    machine = core.machine
    if machine.generation != generation or not _may_trip(core, now):
        return
    machine.failures = failures
    statistics, run = machine.statistics, core.membership.calls.run
    rule = f"{statistics.run_threshold} failures in a row, in the whole fleet"
    error = "" if run is None else run.error
    evidence = machine.describe(Cause.FAILURES, rule=rule, error=error)
    machine.open(Cause.FAILURES, now, evidence, statistics.asked(None, now))
    core.membership.offer(CLOSED)


def _may_trip(core: CircuitCore, now: float) -> bool:
    return core.machine.state is CLOSED and not core.override.is_disabled(now)
