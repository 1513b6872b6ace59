"""What many circuits cost where they are shared: start, repair, and all changing at once."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from benchmarks.fleet.valkey import Valkey
from fastapi_hybrid_breaker import CircuitConfig, CircuitState, HybridBreaker

from .loop_delay import LoopDelay
from .neighbour import Neighbour
from .turns import LongestTurn

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.parts import Figures

NUMBERS = (1, 1_000, 10_000)
CHANGING = 1_000
CONFIG = CircuitConfig(failure_threshold=1, recovery_timeout=3600.0)

_PATIENCE = 60.0
_CALM = 1.0


async def start_and_repair() -> Figures:
    """Return what start and repair cost by number of circuits: time, work, commands, delay.

    A repair reads the state of all circuits again. It comes every half minute or so, and whenever
    the subscription was lost; here its connection is closed by the server.
    """
    return {str(number): await _start_and_repair(number) for number in NUMBERS}


async def _start_and_repair(number: int) -> Figures:
    with Valkey() as valkey:
        breaker = HybridBreaker(redis=valkey.url, defaults=CONFIG, max_circuits=100_000)
        for at in range(number):
            breaker.circuit(f"upstream-{at}")
        start = await _cost(valkey, breaker.start, lambda: _has_read(breaker, valkey, number))
        try:
            before = valkey.reads()
            repair = await _cost(
                valkey,
                lambda: asyncio.to_thread(valkey.drop_subscribers),
                lambda: valkey.reads() >= before + number,
            )
        finally:
            await breaker.stop()
    return {"start": start, "repair": repair}


def _has_read(breaker: HybridBreaker, valkey: Valkey, number: int) -> bool:
    return breaker.sync_status().state == "connected" and valkey.reads() >= number


async def _cost(
    valkey: Valkey, do: Callable[[], Any], is_done: Callable[[], bool]
) -> dict[str, Any]:
    commands = sum(valkey.commands().values())
    work, begun = time.thread_time(), time.perf_counter()
    async with LoopDelay() as delay, LongestTurn() as turn:
        await do()
        await until(is_done, every=0.02)
    return {
        "milliseconds": round((time.perf_counter() - begun) * 1e3, 1),
        "work_ms": round((time.thread_time() - work) * 1e3, 1),
        "commands": sum(valkey.commands().values()) - commands,
        "loop_delay": delay.describe(),
        **turn.describe(),
    }


async def change_all_at_once() -> Figures:
    """Return the loop's delay while so many circuits open: by own failures, and by updates."""
    with Valkey() as valkey:
        async with (
            HybridBreaker(redis=valkey.url, defaults=CONFIG) as breaker,
            Neighbour(valkey.url, CHANGING) as neighbour,
        ):
            circuits = [breaker.circuit(f"upstream-{at}") for at in range(CHANGING)]
            await asyncio.sleep(_CALM)
            async with LoopDelay() as calm:
                await asyncio.sleep(_CALM)

            def all_are(state: CircuitState) -> Callable[[], bool]:
                return lambda: all(circuit.state is state for circuit in circuits)

            begun = time.perf_counter()
            async with LoopDelay() as heard:
                await neighbour.trip()
                await until(all_are(CircuitState.OPEN))
            took = time.perf_counter() - begun
            for circuit in circuits:
                await circuit.reset()
            await asyncio.sleep(_CALM)
            async with LoopDelay() as own:
                await asyncio.gather(*(_fail(breaker, circuit.key) for circuit in circuits))
                await neighbour.saw_all_open()
    return {
        "circuits": CHANGING,
        "calm": calm.describe(),
        "opened by news": {**heard.describe(), "milliseconds": round(took * 1e3, 1)},
        "opened by own failures": own.describe(),
    }


async def until(condition: Callable[[], bool], every: float = 0.005) -> None:
    """Wait until something is true, and fail when patience is at its end."""
    async with asyncio.timeout(_PATIENCE):
        while not condition():  # noqa: ASYNC110 - nothing notifies
            await asyncio.sleep(every)


async def _fail(breaker: HybridBreaker, key: str) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise RuntimeError

    try:
        await breaker.execute(key, fail)
    except RuntimeError:
        return
