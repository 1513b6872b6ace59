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

_COMPLAINTS = ("Traceback", "ERROR", "CRITICAL", "was destroyed", "never awaited")


class Process:
    """One instance, as the tests see it; it starts at once, and the end of ``with`` ends it."""

    def __init__(
        self,
        version: Version,
        server: Server,
        keys: Sequence[str] = (KEY,),
        *,
        previous: str,
        ahead: float = 0.0,
        **config: Any,
    ) -> None:
        self.version = version
        self._package = _HERE.parents[1] if version == "current" else wheel_of(previous)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        settings = {
            "redis": server.url,
            "keys": list(keys),
            "config": CONFIG | config,
            "ahead": ahead,
        }
        # -P: without it the folder of the script, full of modules, would be searched first.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_HERE / "worker.py"), json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "PYTHONPATH": str(self._package)},
        )
        # Read beside: a process that hangs must not hang the test.
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __repr__(self) -> str:
        return f"<{self.version} {self._process.pid}>"

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
        package = self._answer()["package"]
        assert package.startswith(str(self._package)), package
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

    def reset(self, key: str = KEY, **said: str) -> str:
        return str(self._ask("reset", key=key, **said))

    def override(self, kind: str, key: str = KEY, seconds: float | None = None) -> str:
        return str(self._ask("override", key=key, kind=kind, seconds=seconds))

    def clear_override(self, key: str = KEY, **said: str) -> str:
        return str(self._ask("clear_override", key=key, **said))

    def last(self, key: str = KEY) -> dict[str, str]:
        """Give cause, name and reason of the last change."""
        last: dict[str, str] = self._ask("last", key=key)
        return last

    def sync(self) -> dict[str, Any]:
        status: dict[str, Any] = self._ask("sync")
        return status

    def log(self) -> str:
        """Give what the process has written beside its answers."""
        self._log.seek(0)
        return self._log.read().decode()

    def _ask(self, do: str, **order: Any) -> Any:
        assert self._process.stdin is not None
        # Where it has ended by itself, the missing answer brings its last words to light.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"do": do, **order}) + "\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        try:
            line = self._answers.get(timeout=PATIENCE)
        except queue.Empty:
            line = ""
        assert line, f"{self} gives no answer: {self.log()}"
        return json.loads(line)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put("")

    def stop(self) -> None:
        """End it, if it still runs, and make sure that it has had nothing to complain of."""
        if self._log.closed:
            return
        try:
            dropped = self.sync()["dropped"]
            assert self._process.stdin is not None
            self._process.stdin.close()  # the order to stop
            status = self._process.wait(PATIENCE)
            log = self.log()
        finally:
            self.kill()
        assert status == 0, log
        assert not [word for word in _COMPLAINTS if word in log], log
        assert dropped == 0, log  # all that the others said was understood

    def kill(self) -> None:
        """End it without a farewell."""
        self._process.kill()
        self._process.wait(PATIENCE)
        self._reader.join()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        for stream in (self._process.stdin, self._process.stdout, self._log):
            with contextlib.suppress(BrokenPipeError):
                stream.close()


class Launcher:
    """Starts instances for one test, and ends them with it, whatever becomes of it."""

    def __init__(self, server: Server, previous: str) -> None:
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
                Process(version, self._server, keys, previous=self._previous, **config)
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
    """Tell whether instances and hash hold the same state under the same version."""
    stored = server.hash(key)
    held = {(one["state"], str(one["version"])) for one in (two.stats(key) for two in processes)}
    return held == {(stored.get("state"), stored.get("version"))} and stored["state"] == state


def until_agreed(server: Server, processes: Sequence[Process], state: str, key: str = KEY) -> None:
    until(lambda: agree(server, processes, state, key), *processes, key=key)
