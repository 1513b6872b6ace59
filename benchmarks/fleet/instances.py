"""The instances as the measurement sees them: what they are asked to do, and what they saw."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

PATIENCE = 30.0
"""Seconds for anything that is awaited to come true; then the measurement has failed."""

_ROOT = Path(__file__).parents[2]
_LOOK_EVERY = 0.2
_GRACE = 4.0


class NotSeenError(Exception):
    """What was to be measured did not happen."""


class Instance:
    """One worker process."""

    def __init__(self, process: asyncio.subprocess.Process, seen: Callable[[], None]) -> None:
        self.process = process
        self.is_ready = False
        self.firsts: dict[tuple[str, str], int] = {}
        """When a circuit first came to a state since ``forget``, in monotonic nanoseconds;
        ``rejected`` counts as one."""
        self._seen = seen
        self._answers: asyncio.Queue[Any] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read())

    async def do(self, what: str, **arguments: Any) -> Any:
        """Make it do something; return its answer."""
        assert self.process.stdin is not None  # noqa: S101 - it was started with a pipe
        line = json.dumps({"do": what, **arguments}).encode() + b"\n"
        with contextlib.suppress(ConnectionError):  # a dead one is noticed below
            self.process.stdin.write(line)
            await self.process.stdin.drain()
        async with asyncio.timeout(PATIENCE):
            answer = await self._answers.get()
        if answer is None:
            raise NotSeenError(f"instance {self.process.pid} has ended in the middle")
        return answer["answer"]

    async def end(self) -> None:
        """End it: its stdin closes, and if that does not do, it is killed."""
        assert self.process.stdin is not None  # noqa: S101 - it was started with a pipe
        self.process.stdin.close()
        try:
            async with asyncio.timeout(_GRACE):
                await self.process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            self._reading.cancel()

    async def _read(self) -> None:
        assert self.process.stdout is not None  # noqa: S101 - it was started with a pipe
        while line := await self.process.stdout.readline():
            line_read = json.loads(line)
            if "answer" in line_read:
                self._answers.put_nowait(line_read)
            elif "ready" in line_read:
                self.is_ready = line_read["ready"] == "connected"
            else:
                self.firsts.setdefault((line_read["key"], line_read["new"]), line_read["at"])
            self._seen()
        self._answers.put_nowait(None)
        self._seen()


class Fleet:
    """All instances, from ``async with`` to the end of its block."""

    def __init__(self, size: int, redis: str, upstream: int) -> None:
        self.instances: list[Instance] = []
        self._size = size
        self._arguments = (redis, str(upstream))
        self.changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        try:
            for _ in range(self._size):
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "benchmarks.fleet.worker", *self._arguments),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    cwd=_ROOT,
                    # Ctrl-C in the terminal reaches the measurement alone, which ends these.
                    start_new_session=True,
                )
                self.instances.append(Instance(process, self.changed.set))
            await self.until(
                lambda: all(one.is_ready for one in self.instances), "every instance is connected"
            )
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._end()

    async def all_do(self, what: str, **arguments: Any) -> list[Any]:
        """Make all do the same; return their answers."""
        return await asyncio.gather(*(one.do(what, **arguments) for one in self.instances))

    def forget(self) -> None:
        """Begin to watch for states anew."""
        for one in self.instances:
            one.firsts.clear()

    async def all_in(self, key: str, state: str) -> list[int]:
        """Wait until all have come to ``state`` since ``forget``; gives when each one did."""
        await self.until(
            lambda: all((key, state) in one.firsts for one in self.instances),
            f"circuit {key} is {state} on every instance",
        )
        return [one.firsts[key, state] for one in self.instances]

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until what the instances report makes ``condition`` true.

        Raises:
            NotSeenError: an instance has ended, or patience is at its end.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():
                    self.changed.clear()
                    if any(one.process.returncode is not None for one in self.instances):
                        raise NotSeenError("an instance has ended by itself")
                    # Not for ever: its pipe closes a moment before a process counts as ended.
                    # Not by wait_for: Python 3.11's loses a cancellation that meets a change.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_LOOK_EVERY):
                            await self.changed.wait()
        except TimeoutError:
            raise NotSeenError(f"never seen: {what}") from None

    async def _end(self) -> None:
        await _in_any_case(one.end() for one in self.instances)


async def _in_any_case(works: Iterable[Any]) -> None:
    await asyncio.gather(*works, return_exceptions=True)
