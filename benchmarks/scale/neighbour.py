"""Another instance, in a process of its own: ``python -m benchmarks.scale.neighbour URL NUMBER``.

It says ``ready``, opens all circuits by its own failures for the first line that it gets and says
so, and says ``open`` after the second line as soon as all are open again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from pathlib import Path
from typing import Self

from fastapi_hybrid_breaker import CircuitConfig, CircuitState, HybridBreaker

_PATIENCE = 60.0
_ROOT = Path(__file__).parents[2]


class Neighbour:
    """The process as the measurement sees it, from ``async with`` to the end of its block."""

    def __init__(self, url: str, number: int) -> None:
        self._arguments = (url, str(number))
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", __name__, *self._arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=_ROOT,
            start_new_session=True,
        )
        await self._said("ready")
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def trip(self) -> None:
        """Make it open all circuits."""
        self._tell()
        await self._said("tripped")

    async def saw_all_open(self) -> None:
        """Wait until all circuits are open there."""
        self._tell()
        await self._said("open")

    def _tell(self) -> None:
        assert self._process is not None  # noqa: S101 - it was started
        assert self._process.stdin is not None  # noqa: S101 - with a pipe
        self._process.stdin.write(b"\n")

    async def _said(self, what: str) -> None:
        assert self._process is not None  # noqa: S101 - it was started
        assert self._process.stdout is not None  # noqa: S101 - with a pipe
        async with asyncio.timeout(_PATIENCE):
            line = await self._process.stdout.readline()
        if line.decode().strip() != what:
            raise RuntimeError(f"the neighbour said {line!r}, not {what!r}")


async def main(url: str, number: int) -> None:
    config = CircuitConfig(failure_threshold=1, recovery_timeout=3600.0)
    async with HybridBreaker(redis=url, defaults=config) as breaker:
        circuits = [breaker.circuit(f"upstream-{at}") for at in range(number)]
        await asyncio.sleep(0.5)  # all of them are read
        _say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        for circuit in circuits:
            with contextlib.suppress(RuntimeError):
                await circuit.call(_fail)
        _say("tripped")
        await asyncio.to_thread(sys.stdin.readline)
        while any(circuit.state is not CircuitState.OPEN for circuit in circuits):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        _say("open")
        await asyncio.to_thread(sys.stdin.readline)


async def _fail() -> None:
    raise RuntimeError


def _say(what: str) -> None:
    sys.stdout.write(what + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    logging.getLogger("fastapi_hybrid_breaker").addHandler(logging.NullHandler())
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
