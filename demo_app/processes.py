"""The processes that the demo starts, and only those, from birth to end."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LOOPBACK = "127.0.0.1"
_ROOT = Path(__file__).parent.parent
"""Where ``demo_app`` is found, from wherever the demo is started."""
_GRACE = 4.0
"""Seconds between asking a process to end and ending it."""


class Child:
    """One process; its output goes to a file, for when something went wrong.

    It gets a session of its own: Ctrl-C in the terminal then reaches the demo alone, which ends
    its children in order.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, env: Mapping[str, str]
    ) -> None:
        self.name = name
        self._command = list(command)
        self._log = log
        self._env = dict(env)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or start it again after its end."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the demo's own commands
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._env,
                cwd=_ROOT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process's id; 0 before the start."""
        return self._process.pid if self._process else 0

    def is_running(self) -> bool:
        """Return whether it has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def ask_to_end(self) -> None:
        """Send SIGTERM; ``make_sure`` follows."""
        if self._process is not None:
            self._process.terminate()

    def make_sure(self, deadline: float) -> None:
        """Wait until it has ended, or kill it at ``deadline`` (monotonic seconds)."""
        if self._process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, deadline - time.monotonic()))
            return
        self.kill()

    def kill(self) -> None:
        """End it without asking (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def last_words(self, lines: int = 15) -> str:
        """Return the end of its output."""
        if not self._log.exists():
            return ""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])


def end_all(children: Iterable[Child]) -> None:
    """End the children together.

    Blocks on purpose: a second Ctrl-C must not break off the cleaning up.
    """
    everyone = list(children)
    for child in everyone:
        child.ask_to_end()
    deadline = time.monotonic() + _GRACE
    for child in everyone:
        child.make_sure(deadline)


def free_ports(count: int) -> list[int]:
    """Return loopback ports that nobody listens on."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((LOOPBACK, 0))
        return [one.getsockname()[1] for one in sockets]


def answers(port: int) -> bool:
    """Return whether somebody listens on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((LOOPBACK, port)) == 0
