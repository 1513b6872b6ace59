"""``call_sync`` on one circuit from many threads at once."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.calls.loops import work_sync
from benchmarks.figures import Measured
from fastapi_hybrid_breaker import HybridBreaker

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.parts import Figures, Order

NUMBERS = (1, 2, 4, 8, 16, 32, 64)

_ROUNDS = 12
_CALLS = 64_000


def time_threads(order: Order) -> Figures:
    """Return the process's work per call by number of threads; the same number of calls each."""
    call = HybridBreaker(redis=None).circuit("threads").call_sync
    found: dict[int, list[float]] = {number: [] for number in NUMBERS}
    floor: dict[int, list[float]] = {number: [] for number in NUMBERS}
    for _ in range(order.rounds(_ROUNDS)):
        for number in NUMBERS:
            floor[number].append(_run(number, _bare))
            found[number].append(_run(number, partial(_guarded, call)))
    return {
        str(number): Measured(tuple(times), _CALLS // number).describe(
            Measured(tuple(floor[number]), _CALLS // number)
        )
        for number, times in found.items()
    }


def _bare(calls: int) -> None:
    for _ in range(calls):
        work_sync(1)


def _guarded(call: Callable[..., int], calls: int) -> None:
    for _ in range(calls):
        call(work_sync, 1)


def _run(number: int, do: Callable[[int], None]) -> float:
    """Return the seconds of work per call, of all threads together."""
    start = threading.Barrier(number + 1)

    def one() -> None:
        start.wait()
        do(_CALLS // number)

    threads = [threading.Thread(target=one) for _ in range(number)]
    for thread in threads:
        thread.start()
    begun = time.process_time()
    start.wait()
    for thread in threads:
        thread.join()
    return (time.process_time() - begun) / (_CALLS // number * number)
