"""Instances of this version and of an earlier one, each a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from .server import Server

Version = Literal["previous", "current"]

KEY = "inventory-api"

CONFIG: dict[str, Any] = {"failure_threshold": 3, "success_threshold": 2, "recovery_timeout": 30.0}

_HERE = Path(__file__).parent

PREVIOUS = ("0.1.0", "0.3.0")
"""Versions of which a wheel is kept (``previous/README.md``), the oldest first."""

MOST_IDLE = 2
"""Processes of a version that are kept for the next instances."""

_COMPLAINTS = ("Traceback", "ERROR", "CRITICAL", "was destroyed", "never awaited")


class Program:
    """A process that runs ``worker.py`` with the package of one version; instances take turns."""

    def __init__(self, package: Path) -> None:
        self.package = package
        self.log = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - closed in kill
        # -P: without it the folder of the script, full of modules, would be searched first.
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(_HERE / "worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env={**os.environ, "PYTHONPATH": str(package)},
        )
        # Read beside: a process that hangs must not hang the test.
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def order(self, **order: Any) -> None:
        assert self.process.stdin is not None
        # Where it has ended by itself, the missing answer brings its last words to light.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()

    def answer(self) -> Any:
        try:
            line = self._answers.get(timeout=PATIENCE)
        except queue.Empty:
            line = ""
        assert line, f"process {self.process.pid} gives no answer: {self.written()}"
        return json.loads(line)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._answers.put(line)
        self._answers.put("")

    def written(self, since: int = 0) -> str:
        """Return what it has written beside its answers."""
        self.log.seek(since)
        return self.log.read().decode()

    def end(self) -> None:
        """End it between two instances, and make sure that it had nothing to complain of."""
        try:
            assert self.process.stdin is not None
            self.process.stdin.close()
            status, log = self.process.wait(PATIENCE), self.written()
        finally:
            self.kill()
        assert status == 0, log
        assert not [word for word in _COMPLAINTS if word in log], log

    def kill(self) -> None:
        """End it without a farewell."""
        self.process.kill()
        self.process.wait(PATIENCE)
        self._reader.join()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        for stream in (self.process.stdin, self.process.stdout, self.log):
            with contextlib.suppress(BrokenPipeError):
                stream.close()


class Programs:
    """Processes in which no instance lives at the moment: most of a start is importing."""

    def __init__(self) -> None:
        self._idle: dict[Path, list[Program]] = {}

    def take(self, package: Path) -> Program:
        idle = self._idle.get(package)
        return idle.pop() if idle else Program(package)

    def give_back(self, program: Program) -> None:
        idle = self._idle.setdefault(program.package, [])
        if len(idle) < MOST_IDLE:
            idle.append(program)
        else:
            program.end()

    def end(self) -> None:
        with ExitStack() as stack:
            for idle in self._idle.values():
                for program in idle:
                    stack.callback(program.end)


class Process:
    """One instance, as the tests see it; it starts at once, and the end of ``with`` ends it."""

    def __init__(
        self,
        programs: Programs,
        version: Version,
        server: Server,
        keys: Sequence[str] = (KEY,),
        *,
        previous: str,
        ahead: float = 0.0,
        **config: Any,
    ) -> None:
        self.version = version
        self._programs = programs
        package = _HERE.parents[1] if version == "current" else wheel_of(previous)
        self._program: Program | None = programs.take(package)
        self._begins = self._program.log.seek(0, os.SEEK_END)
        self._program.order(redis=server.url, keys=list(keys), config=CONFIG | config, ahead=ahead)

    def __repr__(self) -> str:
        return f"<{self.version} {self._program and self._program.process.pid}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def until_connected(self) -> None:
        """Wait until it shares circuits, and make sure that it is what it was started as."""
        assert self._program is not None
        package = self._program.answer()["package"]
        assert package.startswith(str(self._program.package)), package
        until(lambda: self.sync()["state"] == "connected", self)

    def call(self, key: str = KEY) -> str:
        """Make a guarded call that succeeds; tells ``admitted`` or ``rejected``."""
        return self.succeed(key)[0]

    def succeed(self, key: str = KEY, times: int = 1) -> list[str]:
        became: list[str] = self._ask("call", key=key, times=times, fails=False)
        return became

    def fail(self, key: str = KEY, times: int = 1) -> list[str]:
        became: list[str] = self._ask("call", key=key, times=times, fails=True)
        return became

    def hold(self, key: str = KEY) -> str:
        """Begin a guarded call that lasts until ``release``; ``admitted`` or ``rejected``."""
        return str(self._ask("hold", key=key))

    def release(self, *, fails: bool = False) -> None:
        """End the call that ``hold`` has begun."""
        self._ask("release", fails=fails)

    def state(self, key: str = KEY) -> str:
        return str(self.stats(key)["state"])

    def stats(self, key: str = KEY) -> dict[str, Any]:
        stats: dict[str, Any] = self._ask("stats", key=key)
        return stats

    def reset(self, key: str = KEY, **said: str | bool) -> str:
        return str(self._ask("reset", key=key, **said))

    def override(self, kind: str, key: str = KEY, seconds: float | None = None) -> str:
        return str(self._ask("override", key=key, kind=kind, seconds=seconds))

    def kind(self, key: str = KEY) -> str | None:
        """Return the kind of the override that it knows of."""
        kind: str | None = self._ask("kind", key=key)
        return kind

    def clear_override(self, key: str = KEY, **said: str) -> str:
        return str(self._ask("clear_override", key=key, **said))

    def last(self, key: str = KEY) -> dict[str, str]:
        """Return cause, name and reason of the last change."""
        last: dict[str, str] = self._ask("last", key=key)
        return last

    def sync(self) -> dict[str, Any]:
        status: dict[str, Any] = self._ask("sync")
        return status

    def log(self) -> str:
        """Return what the process has written beside its answers."""
        assert self._program is not None
        return self._program.written(self._begins)

    def _ask(self, do: str, **order: Any) -> Any:
        assert self._program is not None
        self._program.order(do=do, **order)
        return self._program.answer()

    def stop(self) -> None:
        """End it, if it still lives, and make sure that it has had nothing to complain of."""
        if self._program is None:
            return
        program = self._program
        try:
            dropped = self.sync()["dropped"]
            self._ask("stop")
            log = self.log()
            assert not [word for word in _COMPLAINTS if word in log], log
            assert dropped == 0, log  # all that the others said was understood
        except BaseException:
            self.kill()
            raise
        self._program = None
        self._programs.give_back(program)

    def kill(self) -> None:
        """End its process without a farewell."""
        if self._program is not None:
            self._program.kill()
            self._program = None


class Launcher:
    """Starts instances for one test, and ends them with it, whatever becomes of it."""

    def __init__(self, programs: Programs, server: Server, previous: str) -> None:
        self._programs = programs
        self._server = server
        self._previous = previous
        self._stack = ExitStack()

    def __call__(
        self, *versions: Version, keys: Sequence[str] = (KEY,), **config: Any
    ) -> list[Process]:
        """Start instances of these versions beside each other; all share when it returns.

        ``ahead``: seconds by which the clocks of their host are ahead of the others'.
        """
        processes = [
            self._stack.enter_context(
                Process(
                    self._programs, version, self._server, keys, previous=self._previous, **config
                )
            )
            for version in versions
        ]
        for process in processes:
            process.until_connected()
        return processes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, traceback)


def wheel_of(version: str) -> Path:
    return _HERE / "previous" / f"fastapi_hybrid_breaker-{version}-py3-none-any.whl"


def until(condition: Callable[[], object], *seen: Process, key: str = KEY) -> None:
    """Wait until ``condition`` holds; ``seen`` are shown if it never does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            shown = [f"{one}: {one.stats(key)}, {one.sync()}\n{one.log()}" for one in seen]
            raise AssertionError("\n".join(["never came true", *shown]))
        time.sleep(0.005)


def agree(server: Server, processes: Sequence[Process], state: str, key: str = KEY) -> bool:
    """Return whether instances and hash hold the same state under the same version."""
    stored = server.hash(key)
    held = {(one["state"], str(one["version"])) for one in (two.stats(key) for two in processes)}
    return held == {(stored.get("state"), stored.get("version"))} and stored["state"] == state


def until_agreed(server: Server, processes: Sequence[Process], state: str, key: str = KEY) -> None:
    until(lambda: agree(server, processes, state, key), *processes, key=key)
