"""Runs a scenario, and makes a failing one as short as it can be."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from . import loop
from .check import Watch, all_agree, everything_recovered
from .fleet import Fleet

if TYPE_CHECKING:
    from collections.abc import Callable

    from .scenario import Scenario

AGREEMENT = 40.0
"""Seconds without traffic in which all must come to know the same: a repair and its jitter."""

log = logging.getLogger("fastapi_hybrid_breaker")


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a scenario: what did not hold, and the history that led to it."""

    scenario: Scenario
    violations: tuple[str, ...]
    history: tuple[str, ...]


class _Errors(logging.Handler):
    """Collects what is logged as an error: a defect that a background task survived."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"logged: {record.getMessage()} {record.exc_info!r:.500}")


def simulate(scenario: Scenario) -> Result:
    """Run a scenario from its beginning to its end; nothing of it is left to the machine."""
    errors = _Errors()
    log.addHandler(errors)
    propagates, log.propagate = log.propagate, False
    try:
        violations, history = loop.run(_play(scenario))
    finally:
        log.removeHandler(errors)
        log.propagate = propagates
    return Result(scenario, (*violations, *errors.texts), history)


async def _play(scenario: Scenario) -> tuple[list[str], tuple[str, ...]]:
    fleet = Fleet(scenario)
    watch = Watch(fleet)
    for instance in fleet.instances:
        await instance.start()
    happening = [asyncio.create_task(fleet.happen(event)) for event in scenario.events]
    violations = watch.violations
    while asyncio.get_running_loop().time() < scenario.heals_until:
        await asyncio.sleep(0.5)
        watch.look()
    for task in happening:
        if task.done() and not task.cancelled() and task.exception() is not None:
            raise RuntimeError(f"the simulation itself failed: {task.exception()!r}") from None
    violations += everything_recovered(fleet)
    fleet.has_traffic = False
    await asyncio.sleep(AGREEMENT)
    watch.look()
    violations += all_agree(fleet)
    for instance in fleet.instances:
        await instance.breaker.stop()
        instance.crash()
    return violations, tuple(fleet.history)


def shorten(scenario: Scenario, fails: Callable[[Scenario], bool]) -> Scenario:
    """Leave out whatever the failure does not need: events first, then instances' numbers."""
    is_shorter = True
    while is_shorter:
        is_shorter = False
        for at in range(len(scenario.events)):
            events = scenario.events[:at] + scenario.events[at + 1 :]
            shorter = replace(scenario, events=events)
            if fails(shorter):
                scenario, is_shorter = shorter, True
                break
    return scenario
