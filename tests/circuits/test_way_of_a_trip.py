"""How many functions a reader has to follow: on the way of a call that trips its circuit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker
from tests.ways import way_of

from .parts import BrokenError, broken, fine

if TYPE_CHECKING:
    from fastapi_hybrid_breaker import StateChange

MOST_FUNCTIONS = 36
MOST_FILES = 18
"""Of a trip, with no Redis and one listener. To be lowered, never raised: to 26 and 12."""


async def test_a_trip_enters_no_more_functions_than_before() -> None:
    breaker = HybridBreaker(redis=None, defaults=CircuitConfig(failure_threshold=2))
    circuit = breaker.circuit("k")
    changes: list[StateChange] = []
    breaker.on_change(changes.append)

    async def fail() -> None:
        with pytest.raises(BrokenError):
            await circuit.call(broken)

    await fail()
    way = await way_of(fail)
    assert [change.new for change in changes] == ["OPEN"]
    assert len(way) <= MOST_FUNCTIONS, way
    assert len({file for file, _ in way}) <= MOST_FILES, way


async def test_a_healthy_call_enters_one_function() -> None:
    circuit = HybridBreaker(redis=None).circuit("k")
    way = await way_of(lambda: circuit.call(fine))
    assert [function for _, function in way] == ["Circuit.call"]


async def test_so_does_one_after_a_success_has_ended_a_run_of_failures() -> None:
    circuit = HybridBreaker(redis=None).circuit("k")
    with pytest.raises(BrokenError):
        await circuit.call(broken)
    await circuit.call(fine)
    way = await way_of(lambda: circuit.call(fine))
    assert [function for _, function in way] == ["Circuit.call"]
