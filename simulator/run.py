"""Runs a scenario and reports what did not hold."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self, cast

from . import loop
from .events import happen
from .fleet import Fleet
from .invariants import SWITCHED_ON
from .invariants.invariant import STEP
from .process import make_task, wall_clocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .invariants.invariant import Invariant
    from .scenario import Scenario
    from .upstream import Figures

AGREEMENT = 40.0
"""Seconds without traffic in which all must come to know the same: a repair and its jitter."""

log = logging.getLogger("fastapi_hybrid_breaker")


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a scenario.

    Args:
        scenario: what was played.
        violations: what did not hold, each with the time at which it was found.
        history: events and changes of state, in their order.
        upstreams: what each upstream counted.
        commands: how many the server ran.
        deliveries: how many messages it sent out.
    """

    scenario: Scenario
    violations: tuple[str, ...]
    history: tuple[str, ...] = ()
    upstreams: tuple[Figures, ...] = ()
    commands: int = 0
    deliveries: int = 0

    def __str__(self) -> str:
        held = [f"  {line}" for line in self.violations] or ["  everything held"]
        return "\n".join(
            [
                str(self.scenario),
                *(f"  {line}" for line in self.history),
                *(str(figures) for figures in self.upstreams),
                f"{self.commands} commands, {self.deliveries} deliveries of messages",
                *held,
            ]
        )


class Defects(logging.Handler):
    """Collects what is logged as an error, or ends a task: a defect, survived or not."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a log record."""
        self.texts.append(f"logged: {record.getMessage()} {record.exc_info!r:.500}")

    def take(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Keep what the event loop could report to nobody else."""
        self.texts.append(f"{context['message']}: {context.get('exception')!r:.500}")

    def __enter__(self) -> Self:
        self._propagates, log.propagate = log.propagate, False
        log.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        log.removeHandler(self)
        log.propagate = self._propagates


def simulate(scenario: Scenario, invariants: Sequence[type[Invariant]] = SWITCHED_ON) -> Result:
    """Run a scenario from its beginning to its end; nothing of it is left to the machine."""
    with Defects() as defects, wall_clocks():
        try:
            result = loop.run(_play(scenario, invariants, defects))
        except loop.StandstillError as error:
            result = Result(scenario, violations=(str(error),))
    return replace(result, violations=(*result.violations, *defects.texts))


def prepare(defects: Defects) -> None:
    """Make the running loop know the tasks of processes, and report what goes wrong to defects."""
    running = asyncio.get_running_loop()
    running.set_task_factory(cast("Any", make_task))
    running.set_exception_handler(defects.take)


async def _play(
    scenario: Scenario, invariants: Sequence[type[Invariant]], defects: Defects
) -> Result:
    prepare(defects)
    fleet = Fleet(scenario)
    checks = [invariant(fleet) for invariant in invariants]
    violations: list[str] = []

    def report(texts: Iterable[str]) -> None:
        violations.extend(f"{fleet.now():7.2f} s  {text}" for text in texts)

    def look() -> None:
        for check in checks:
            report(check.look())
            report(check.found)
            check.found.clear()

    await fleet.start()
    happening = [asyncio.create_task(happen(fleet, event)) for event in scenario.events]
    while fleet.now() < scenario.heals_until:
        await asyncio.sleep(STEP)
        look()
    for task in happening:
        if task.done() and not task.cancelled() and task.exception() is not None:
            raise RuntimeError(f"the simulation itself failed: {task.exception()!r}") from None
    for check in checks:
        report(check.recovered())
    fleet.traffic.stop()
    await asyncio.sleep(AGREEMENT)
    look()
    for check in checks:
        report(check.at_rest())
    await fleet.stop()
    return Result(
        scenario=scenario,
        violations=tuple(violations),
        history=tuple(fleet.history),
        upstreams=tuple(upstream.figures() for upstream in fleet.upstreams.values()),
        commands=sum(fleet.server.commands.values()),
        deliveries=fleet.server.published["deliveries"],
    )
