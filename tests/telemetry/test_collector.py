"""The collector of garbage can end a guarded call anywhere, also inside of an instrument."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

from fastapi_hybrid_breaker import Circuit
from fastapi_hybrid_breaker.testing import ManualClock

from .collected import Collected, instruments_of


def test_a_generator_finalized_inside_of_an_instrument_does_not_lock_up(
    circuit: Circuit, clock: ManualClock, collect: Callable[[], Collected], monkeypatch: Any
) -> None:
    def stream() -> Iterator[None]:
        with circuit.guard():
            yield

    instruments = instruments_of(circuit)
    usual, entered = instruments.calls.add, []

    def add(*args: Any) -> None:
        assert not entered, "an instrument was entered twice: its lock would wait for ever"
        entered.append(1)
        gc.collect()
        usual(*args)
        entered.pop()

    monkeypatch.setattr(instruments.calls, "add", add)
    gc.collect()
    abandoned: Any = [stream()]
    next(abandoned[0])
    clock.advance(2.0)
    abandoned.append(abandoned)  # nothing but the collector finds it now
    del abandoned
    circuit.call_sync(int)
    assert collect().calls() == {"success": 1, "no_verdict": 1}
    assert collect().durations(outcome="no_verdict") == (1, 2.0)
