"""One process with one breaker: ``python -m benchmarks.sharing.caller PEER STATE WAY URL``.

It says ``ready`` once its breaker is in its state, waits for a line, and then makes calls one by
one, a line of nanoseconds for each. Whoever started it ends it: some calls last for minutes.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from typing import TYPE_CHECKING, cast

from benchmarks.peers.load import load
from benchmarks.peers.ours import Ours

from .cases import Shared

if TYPE_CHECKING:
    from benchmarks.calls.cases import State

_MOST = 20_000
_YIELD_EVERY = 20
_WARM_UP = 2


async def main(name: str, state: State, way: str, url: str) -> None:
    adapters = {adapter.name: adapter for adapter in (Ours(), *load((name,)).adapters)}
    made = await Shared(adapters[name], state, way).make(url)
    if made.ready is not None:
        await made.ready()
    await made.loop(_WARM_UP)
    _say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    for number in range(_MOST):
        begun, error = time.perf_counter_ns(), ""
        try:
            await made.loop(1)
        except Exception as raised:  # noqa: BLE001 - what the caller of a healthy function gets
            error = type(raised).__name__
        _say(f"{time.perf_counter_ns() - begun} {error}")
        if number % _YIELD_EVERY == 0:
            await asyncio.sleep(0.001)


def _say(what: str) -> None:
    sys.stdout.write(what + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    logging.getLogger().addHandler(logging.NullHandler())
    asyncio.run(main(sys.argv[1], cast("State", sys.argv[2]), sys.argv[3], sys.argv[4]))
