"""Rounds on a clock that moves by what the cases are said to take."""

from __future__ import annotations

import asyncio
import gc
import itertools
from typing import TYPE_CHECKING

import pytest

from benchmarks.rounds import measure
from fastapi_hybrid_breaker.testing import ManualClock

if TYPE_CHECKING:
    from benchmarks.rounds import Before, Loop


class Stage:
    """Cases that take as long as they are told."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.calls: list[tuple[str, int]] = []

    def case(self, name: str, seconds: float) -> Loop:
        async def loop(calls: int) -> None:
            self.calls.append((name, calls))
            self.clock.advance(seconds * calls)

        return loop

    def before(self, name: str, seconds: float) -> Before:
        async def before() -> None:
            self.calls.append((name, 0))
            self.clock.advance(seconds)

        return before


async def turns_of(cases: str, rounds: int) -> list[str]:
    """Return the order of each round."""
    stage = Stage()
    loops = {name: stage.case(name, 0.001) for name in cases}
    await measure(loops, rounds=rounds, clock=stage.clock, slice_seconds=0.01)
    names = "".join(name for name, _ in stage.calls[-rounds * len(cases) :])
    return [names[at : at + len(cases)] for at in range(0, len(names), len(cases))]


async def test_each_case_has_one_turn_in_each_round_in_changing_orders() -> None:
    turns = await turns_of("ABC", 60)
    assert {"".join(sorted(one)) for one in turns} == {"ABC"}
    assert set(turns) == {"ABC", "ACB", "BAC", "BCA", "CAB", "CBA"}
    assert await turns_of("ABC", 60) == turns


async def test_times_are_per_call_however_many_calls_fill_a_slice() -> None:
    stage = Stage()
    cases = {"slow": stage.case("slow", 0.05), "fast": stage.case("fast", 0.0005)}
    found = await measure(cases, rounds=5, clock=stage.clock, slice_seconds=0.01)
    assert found["slow"].times == pytest.approx((0.05,) * 5)
    assert found["fast"].times == pytest.approx((0.0005,) * 5)
    assert found["slow"].calls == 1
    assert found["fast"].calls == pytest.approx(20, abs=1)
    assert {calls for name, calls in stage.calls[-10:] if name == "fast"} == {found["fast"].calls}


async def test_what_comes_before_a_turn_does_not_count() -> None:
    stage = Stage()
    cases = {"A": stage.case("A", 0.01), "B": stage.case("B", 0.01)}
    before = {"B": stage.before("ready", 7.0)}
    found = await measure(cases, rounds=3, clock=stage.clock, slice_seconds=0.01, before=before)
    assert found["B"].times == pytest.approx((0.01,) * 3)
    turns = [name for name, _ in stage.calls[-9:]]
    assert [after for name, after in itertools.pairwise(turns) if name == "ready"] == ["B"] * 3


async def test_a_measurement_whose_cases_await_nothing_can_be_broken_off() -> None:
    stage = Stage()
    cases = {"A": stage.case("A", 0.01)}
    running = asyncio.create_task(
        measure(cases, rounds=1_000_000_000, clock=stage.clock, slice_seconds=0.01)
    )
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_case_that_raises_leaves_the_collector_as_it_was() -> None:
    stage = Stage()
    turns = 0

    async def broken() -> None:
        nonlocal turns
        turns += 1
        if turns > 2:
            raise RuntimeError

    gc.unfreeze()  # what the tests have frozen: measuring thaws everything
    with pytest.raises(RuntimeError):
        await measure(
            {"A": stage.case("A", 0.01)},
            rounds=3,
            clock=stage.clock,
            slice_seconds=0.01,
            before={"A": broken},
        )
    assert turns == 3
    assert gc.get_freeze_count() == 0
