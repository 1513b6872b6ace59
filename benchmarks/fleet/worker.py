"""One instance of the fleet, a process of its own: ``python -m benchmarks.fleet.worker``.

It takes commands as lines of JSON on stdin, answers and reports what it saw on stdout, and ends
when stdin does: so it never outlives the measurement.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
import time
from random import random
from typing import TYPE_CHECKING, Any

from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError, CircuitState, HybridBreaker

from .upstream import CALL, GOOD, PROBE
from .valkey import LOOPBACK

if TYPE_CHECKING:
    from fastapi_hybrid_breaker import StateChange

THRESHOLD = 5
PROBES = 3
"""What a recovery needs, and how many may run at once."""

CIRCUITS = {
    "trips": CircuitConfig(failure_threshold=THRESHOLD, recovery_timeout=3600.0),
    "calm": CircuitConfig(failure_threshold=THRESHOLD, recovery_timeout=3600.0),
    "flaky": CircuitConfig(failure_threshold=THRESHOLD, recovery_timeout=1.0),
    "failing": CircuitConfig(
        failure_threshold=THRESHOLD, success_threshold=PROBES, recovery_timeout=1.0
    ),
    "recoveries": CircuitConfig(
        failure_threshold=THRESHOLD, success_threshold=PROBES, recovery_timeout=1.0
    ),
    "hang": CircuitConfig(failure_threshold=THRESHOLD, recovery_timeout=3600.0),
}

_REPORT_AFTER = 0.02
"""Seconds. What was seen is reported a little later: to report it at once would take the processor
from instances that the update has yet to reach."""


class UpstreamError(Exception):
    """The upstream answered badly."""


class Worker:
    """A breaker, its traffic, and what it saw."""

    def __init__(self, redis: str, upstream: int) -> None:
        self._breaker = HybridBreaker(redis=redis, namespace="bench", circuits=CIRCUITS)
        self._upstream = upstream
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._traffic: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._made = self._rejected = 0

    async def run(self) -> None:
        """Serve until stdin ends."""
        lines = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        self._breaker.on_change(self._note)
        async with self._breaker:
            for key in CIRCUITS:
                self._breaker.circuit(key)
            report({"ready": self._breaker.sync_status().state})
            while line := await lines.readline():
                command: dict[str, Any] = json.loads(line)
                answer = await getattr(self, f"do_{command.pop('do')}")(**command)
                report({"answer": answer})
            await self.do_traffic("", 0)
        for _, writer in self._idle:
            writer.close()

    async def do_trip(self, key: str) -> int:
        """Let calls fail until the circuit opens; gives when the last one was begun."""
        begun = 0
        for _ in range(THRESHOLD):
            begun = time.monotonic_ns()
            # No turn of the loop in between: the traffic's successes would end the run.
            with contextlib.suppress(UpstreamError, CircuitOpenError):
                await self._breaker.execute(key, _fail)
        return begun

    async def do_reset(self, key: str) -> str:
        """Close the circuit in the fleet."""
        return await self._breaker.reset(key)

    async def do_traffic(self, key: str, every: float) -> None:
        """Begin to call every so many seconds; 0 ends it, and waits for what is under way."""
        if self._traffic is not None:
            self._traffic.cancel()
            await asyncio.gather(self._traffic, *self._tasks, return_exceptions=True)
            self._traffic = None
        if every:
            self._traffic = asyncio.create_task(self._steadily(key, every))

    async def do_look(self, key: str) -> dict[str, Any]:
        """Send how things stand."""
        stats, status = self._breaker.stats(key), self._breaker.sync_status()
        return {
            "state": stats.state,
            "open_until": time.monotonic_ns() + int(stats.retry_after * 1e9),
            "sync": status.state,
            "sent": status.sent,
            "made": self._made,
            "rejected": self._rejected,
        }

    def _note(self, change: StateChange) -> None:
        seen = {"at": time.monotonic_ns(), "key": change.key, "new": change.new}
        loop = asyncio.get_running_loop()
        loop.call_later(_REPORT_AFTER, report, seen)
        if change.new is CircuitState.OPEN and self._traffic is None:
            self._spawn(self._be_rejected(change.key))

    async def _be_rejected(self, key: str) -> None:
        """Make the first call after the circuit opened, and note when it was turned away."""
        try:
            await self._breaker.execute(key, _fail)
        except CircuitOpenError:
            seen = {"at": time.monotonic_ns(), "key": key, "new": "rejected"}
            asyncio.get_running_loop().call_later(_REPORT_AFTER, report, seen)
        except UpstreamError:
            return  # the circuit did not stay open: whoever waits for a rejection will complain

    async def _steadily(self, key: str, every: float) -> None:
        loop = asyncio.get_running_loop()
        # Instances do not tick in step.
        due = loop.time() + every * random()  # noqa: S311
        while True:
            await asyncio.sleep(max(0.0, due - loop.time()))
            self._spawn(self._call(key))
            due += every

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _call(self, key: str) -> None:
        self._made += 1
        try:
            await self._breaker.execute(key, self._ask, key)
        except CircuitOpenError:
            self._rejected += 1
        except (UpstreamError, OSError):
            return

    async def _ask(self, key: str) -> None:
        # Admitted, though the circuit is not closed: that is what a probe is.
        is_probe = self._breaker.state(key) is not CircuitState.CLOSED
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection(LOOPBACK, self._upstream)
        writer.write(PROBE if is_probe else CALL)
        answer = await reader.readline()
        self._idle.append((reader, writer))
        if answer != GOOD:
            raise UpstreamError


async def _fail() -> None:
    raise UpstreamError


def report(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    logging.getLogger("fastapi_hybrid_breaker").addHandler(logging.NullHandler())
    asyncio.run(Worker(sys.argv[1], int(sys.argv[2])).run())
