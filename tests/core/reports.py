"""Short words for the tests of what a circuit reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.shared_run import Report

    from .machines import Machine


def report(machine: Machine, now: float = 0.0, *, collecting: bool = False) -> Report | None:
    return machine.take_report(now, collecting=collecting)


def reported(machine: Machine, now: float = 0.0, *, collecting: bool = False) -> Report:
    told = report(machine, now, collecting=collecting)
    assert told is not None
    return told


def hears_of_a_run(machine: Machine, now: float, until: float) -> None:
    machine.listen(now, until)


def end_run(machine: Machine, now: float, seconds: float) -> None:
    machine.run_ended(now, now + seconds)
